"""The official SDK of MCP, imported when the first client or server needs it: that takes a second."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence

from terrarium.core.aside import aside
from terrarium.core.errors import ConfigError

SERVER = ("mcp.server.lowlevel.server", "mcp.server.streamable_http_manager", "mcp.server.subscriptions")
CLIENT = ("mcp.client.client", "mcp.client.streamable_http")


async def load(modules: Sequence[str]) -> None:
    """Import modules of the SDK on a thread, while the world goes on.

    Raises:
        ConfigError: It is not installed.
    """

    def work() -> None:
        try:
            for module in modules:
                importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(f"MCP needs its SDK: pip install 'terrarium[mcp]' ({error})") from error
        # What hostile clients and servers make it say would end on the screen where nobody has configured logging.
        logging.getLogger("mcp").addHandler(logging.NullHandler())

    await aside(work)
