"""An ASGI application and a client that says exactly what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from terrarium.core.network import Caller, Network
from terrarium.http.limits import HttpLimits
from terrarium.http.server import HttpServer

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Says what it was sent; `/boom` fails, `/early` answers before the body, `/stream` answers in pieces."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    path = scope["path"]
    if path == "/boom":
        raise ValueError("the application broke")
    if path == "/silent":
        return
    body = b""
    while path != "/early":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    caller = scope["extensions"]["terrarium"]["caller"]
    text = f"{scope['method']} {path} {caller.name} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/late-boom":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("the application broke")
    if path == "/stream":
        for piece in (b"one ", b"two ", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        text = b""
    await send({"type": "http.response.body", "body": text})


class Front:
    """A server on a network; `talk` opens a connection, sends bytes and gives all that comes back until it ends."""

    def __init__(self, app: Any = echo, **limits: Any) -> None:
        self.failures: list[Exception] = []
        self.network = Network(lambda service, error: self.failures.append(error))
        self.server = HttpServer(app, limits=HttpLimits(**limits))

    async def __aenter__(self) -> Front:
        await self.network.serve("web.world", 80, self.server.handle)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()
        await self.network.close()

    async def connect(self, agent: str = "ann") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = self.network.connect("web.world", 80, Caller(agent))
        return await asyncio.open_connection(sock=connection)

    async def talk(self, data: bytes, *, close: bool = True, agent: str = "ann") -> str:
        reader, writer = await self.connect(agent)
        writer.write(data)
        if close:
            writer.write_eof()
        try:
            async with asyncio.timeout(20):
                return (await reader.read(-1)).decode("latin-1")
        finally:
            writer.close()
