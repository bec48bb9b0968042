"""A `Web` in this process, and a client that asks it over its world's network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from terrarium.capability.web.web import Web
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng


class Browser:
    """An open `Web`; `ask` says exactly what it is told to, and gives status, headers and body."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None, beside: Path | None = None) -> None:
        self.changes: list[Change] = []
        self.failures: list[Exception] = []
        self.holder = "task"
        self.clock = Clock()
        self.web = Web()
        if beside is not None:
            import importlib

            def load(target: str) -> Any:
                module, _, name = target.partition(":")
                return getattr(importlib.import_module(module), name)

            self.web.beside(beside, load)
        self._folder, self._config = folder, config or {}

    async def __aenter__(self) -> Browser:
        loop = asyncio.get_running_loop()
        self.network = Network(lambda service, error: self.failures.append(error))
        self.site = Site(
            name="web",
            folder=self._folder,
            config=self._config,
            clock=self.clock,
            rng=Rng(0),
            agents=["ann", "bob"],
            changed=self.changes.append,
            actor=lambda: self.holder,
            wait=asyncio.run,
            block=lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30),
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            network=self.network,
            request=self._request,
        )
        await self.web.open(self.site)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.web.close()
        await self.network.close()

    @contextlib.asynccontextmanager
    async def _request(self, caller: Caller) -> AsyncIterator[None]:
        self.holder = caller.name
        try:
            yield
        finally:
            self.holder = "task"

    async def do(self, call: str, *args: Any, **more: Any) -> Any:
        """Call an admin method as the task program does: on another thread than the engine's."""
        return await asyncio.to_thread(getattr(self.web, call), *args, **more)

    async def ask(
        self, host: str, path: str, method: str = "GET", body: bytes = b"", agent: str = "ann", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection(sock=self.network.connect(host, 80, Caller(agent)))
        told = {"Host": host, "Connection": "close", "Content-Length": str(len(body))}
        told |= {name.replace("_", "-"): text for name, text in headers.items()}
        lines = "".join(f"{name}: {text}\r\n" for name, text in told.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)
        async with asyncio.timeout(30):
            said = await reader.read()
        writer.close()
        head, _, content = said.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        found = dict(line.split(": ", 1) for line in rest)
        return int(first.split()[1]), {name.lower(): text for name, text in found.items()}, content

    async def fetch(self, url: str, agent: str = "ann", **more: Any) -> dict[str, Any]:
        [tool] = self.web.tools(agent)
        found: dict[str, Any] = await tool.function(**tool.bind({"url": url, **more}))
        return found
