"""A world's own MCP server on the machine's loopback, over two agents with small tools."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from live import Loopback

from terrarium.capability.mcp.mcp import Mcp
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.errors import Refused
from terrarium.core.network import Caller, Network, Service
from terrarium.core.seeds import Rng
from terrarium.core.tool import Tool, ToolCall, ToolResult, failure, show

AGENTS = ("ann", "bob")


class Hands:
    """The proxy of one agent over plain functions."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self.offered = [Tool.of(function) for function in functions]
        self.asked: list[ToolCall] = []
        self.changed: Callable[[], None] = lambda: None

    async def tools(self) -> Sequence[Tool]:
        return self.offered

    async def call(self, call: ToolCall) -> ToolResult:
        self.asked.append(call)
        tool = next((tool for tool in self.offered if tool.name == call.name), None)
        if tool is None:
            return ToolResult(f"error: there is no tool {call.name!r}", error="unknown_tool")
        try:
            value = tool.function(**tool.bind(call.arguments))
            value = await value if inspect.isawaitable(value) else value
        except Refused as error:
            return replace(failure(error), call_id=call.id)
        return ToolResult(show(value), value, call_id=call.id)

    def watch(self, changed: Callable[[], None]) -> None:
        self.changed = changed


class Stand:
    """`async with` it: the server, open; `url(agent)` is where it is for a client in that agent's sandbox."""

    def __init__(self, folder: Path, **hands: Hands) -> None:
        self.hands = hands
        self.failures: list[tuple[Service, Exception]] = []
        self.network = Network(lambda service, error: self.failures.append((service, error)))
        self.boxes = {name: Loopback() for name in (*AGENTS, "shared")}
        self.mcp = Mcp()
        self.site = Site(
            name="mcp",
            folder=folder / "mcp",
            config={},
            clock=Clock(),
            rng=Rng(7),
            agents=AGENTS,
            changed=lambda change: None,
            actor=lambda: "task",
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            network=self.network,
            proxy=lambda agent: self.hands.get(agent),
        )

    async def __aenter__(self) -> Stand:
        await self.mcp.open(self.site)
        for name, box in self.boxes.items():
            await self.network.join(box, Caller(name if name in AGENTS else None, name))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.network.close()
        await self.mcp.close()

    def port(self, box: str = "ann") -> int:
        return self.boxes[box].ports[self.network.name("mcp.world"), 80]

    def url(self, box: str = "ann") -> str:
        return f"http://127.0.0.1:{self.port(box)}/mcp"

    def headers(self, agent: str = "ann") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.mcp.token(agent)}"}

    async def post(self, body: bytes, box: str = "ann", **headers: str) -> tuple[int, Any]:
        """Status and JSON of the answer to one body, sent as it is."""
        sent = {
            **self.headers("ann" if box == "shared" else box),
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Host": "mcp.world",
            "Connection": "close",
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port(box))
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        async with asyncio.timeout(30):
            answer = await reader.read(-1)
        writer.close()
        top, _, rest = answer.partition(b"\r\n\r\n")
        try:
            return int(top.split()[1]), json.loads(rest)
        except ValueError:
            return int(top.split()[1]), rest.decode()
