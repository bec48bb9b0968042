"""A capability for tests: agents speak to a port of their world in plain text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from terrarium.core.capability import Site, Traits, instance_tool
from terrarium.core.network import Caller
from terrarium.core.rows import Row
from terrarium.core.tool import Tool


class Telnet:
    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        self._site = site

    def tools(self, agent: str) -> Sequence[Tool]:
        async def say(host: str, port: int, text: str) -> str:
            """Send a text and give what comes back.

            Args:
                host: Where to.
                port: Which port.
                text: What to send; every line ends with CRLF.
            """
            return await self._site.running(self._say(agent, host, port, text))

        return [Tool.of(say, instance_tool(self._site.name, "say"), command=True)]

    async def _say(self, agent: str, host: str, port: int, text: str) -> str:
        connection = self._site.network.connect(host, port, Caller(agent))
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(text.replace("\n", "\r\n").encode())
        writer.write_eof()
        said = await reader.read()
        writer.close()
        return said.decode()

    def rows(self) -> Iterator[Row]:
        return iter(())

    async def save(self, to: Path) -> None:
        to.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None: ...
