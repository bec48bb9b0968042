"""An HTTP server of a world: it hands what arrives on accepted sockets to one ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any

from terrarium.core.network import Caller
from terrarium.http.connection import Connection
from terrarium.http.date import http_date
from terrarium.http.lifespan import Lifespan
from terrarium.http.limits import HttpLimits

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 21\r\nConnection: close\r\n\r\n"
    b"too many connections\n"
)


class HttpServer:
    """Serves connections with an ASGI 3 application; its `handle` is a `Handler` of the world's network.

    The application finds who is calling in `scope["extensions"]["terrarium"]["caller"]`. What it raises is a 500 for
    that request, ends its connection and goes on to the network, which writes it down; nothing else ends.

    Args:
        app: The application. Its lifespan starts with the first connection.
        limits: What one client may use.
        now: The time in `Date` headers; default: none is sent.
        name: What the `Server` header says.
    """

    def __init__(
        self,
        app: Application,
        *,
        limits: HttpLimits | None = None,
        now: Callable[[], datetime] | None = None,
        name: str = "terrarium",
    ) -> None:
        self.app = app
        self.limits = limits or HttpLimits()
        self.name = name
        self._now = now
        self._open: Counter[Caller] = Counter()
        self._lifespan = Lifespan(app)

    async def handle(self, connection: socket.socket, caller: Caller, tls: ssl.SSLContext | None = None) -> None:
        """Serve one connection to its end; the socket is closed then.

        Args:
            connection: Accepted, non-blocking.
            caller: Who is at the other end.
            tls: Speak HTTPS, and show this.

        Raises:
            Exception: Whatever the application raised, after the client was told 500.
        """
        if self._open[caller] >= self.limits.connections:
            with contextlib.suppress(OSError, TimeoutError):
                connection.send(_BUSY)
                connection.shutdown(socket.SHUT_WR)
                async with asyncio.timeout(1.0):
                    await asyncio.get_running_loop().sock_recv(connection, 65536)
            connection.close()
            return
        self._open[caller] += 1
        try:
            await self._lifespan.start()
            await self._serve(connection, caller, tls)
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    async def close(self) -> None:
        """Tell the application that it ends; idempotent. Connections are the network's to end."""
        await self._lifespan.stop()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers every answer has."""
        found = [(b"server", self.name.encode("latin-1", "replace"))]
        if self._now is not None:
            found.append((b"date", http_date(self._now()).encode("ascii")))
        return found

    @property
    def state(self) -> dict[str, Any]:
        """What the application's lifespan left for its requests."""
        return self._lifespan.state

    async def _serve(self, connection: socket.socket, caller: Caller, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        peer = None
        if connection.family == socket.AF_INET:
            peer = connection.getpeername()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not see that it is TCP
        reader = asyncio.StreamReader(limit=256 * 1024, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        wait = {"ssl_handshake_timeout": 10.0} if tls is not None else {}
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls, **wait)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await Connection(self, reader, writer, caller, peer, tls is not None).run()
        finally:
            if not await _ended(writer):
                transport.abort()
                await asyncio.sleep(0)


async def _ended(writer: asyncio.StreamWriter) -> bool:
    """Close the stream in order; False where the client does not let it."""
    try:
        writer.close()
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
        return True
    except (OSError, TimeoutError, ssl.SSLError):
        return False
