"""The ways to speak of tool calls, by name."""

from __future__ import annotations

from collections.abc import Callable

from terrarium.agent.tool_loop.calls import Calls, NativeCalls
from terrarium.agent.tool_loop.json_calls import JsonCalls
from terrarium.agent.tool_loop.text_calls import TextCalls
from terrarium.core.errors import ConfigError, nearest

WAYS: dict[str, Callable[[], Calls]] = {"json": JsonCalls, "native": NativeCalls, "text": TextCalls}


def way(name: str) -> Calls:
    """The way of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in WAYS:
        raise ConfigError(f"calls must be one of {', '.join(WAYS)}, not {name!r}{nearest(str(name), WAYS)}")
    return WAYS[name]()
