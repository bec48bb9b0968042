"""The engine's own way to a server: a unix socket in this process that leads to the one inside the server's sandbox.

The client library connects by itself, so it needs an address. The address is abstract (no file is left behind) and
nobody but this process is let in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable

CHUNK = 256 * 1024
LOGIN_SECONDS = 30.0
"""How long a client may take for its log-in."""


class Link:
    """One connection of the engine to a server.

    Attributes:
        received: Bytes that the server has sent; whoever uses it sets it back.
        limit: How many they may be; then the connection ends.
        passed: The limit was passed.
    """

    def __init__(self) -> None:
        self.received = 0
        self.limit: int | None = None
        self.passed = False
        self._task: asyncio.Task[None] | None = None

    def run(self, near: socket.socket, dial: Callable[[], Awaitable[socket.socket]]) -> None:
        """Connect `near` with what `dial` gives, until either end leaves."""
        self._task = asyncio.ensure_future(self._run(near, dial))

    def close(self) -> None:
        """End it; idempotent."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, near: socket.socket, dial: Callable[[], Awaitable[socket.socket]]) -> None:
        with near:
            try:
                far = await dial()
            except Exception:  # whoever connected sees that it ended
                return
            with far:
                ways = [asyncio.ensure_future(pump(near, far)), asyncio.ensure_future(pump(far, near, self._count))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.wait(ways)

    async def _count(self, data: bytes) -> None:
        self.received += len(data)
        if self.limit is not None and self.received > self.limit:
            self.passed = True
            raise OSError("the answer is too large")


async def pump(
    source: socket.socket, target: socket.socket, seen: Callable[[bytes], Awaitable[None]] | None = None
) -> None:
    """Carry bytes one way until either end leaves; `seen` gets them before they are passed on."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(source, CHUNK):
            if seen is not None:
                await seen(data)
            await loop.sock_sendall(target, data)


class Door:
    """The address at which this process reaches a server. Lives on the engine's event loop.

    Args:
        dial: Gives a connection to the server.
        ending: What comes behind the name in the address, as the client library wants it.
    """

    def __init__(self, dial: Callable[[], Awaitable[socket.socket]], ending: str) -> None:
        self._dial = dial
        self.host = f"@:terrarium-{secrets.token_hex(16)}"  # psycopg asks no DNS for what has a colon there
        self.last: Link | None = None
        """The connection that was accepted last."""
        self._links: list[Link] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.address = f"\0{self.host[1:]}{ending}"
        self._listener.bind(self.address)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._task = asyncio.ensure_future(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                near, _ = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(0.05)  # out of descriptors
                continue
            size = struct.calcsize("3i")
            pid = struct.unpack("3i", near.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]
            if pid != os.getpid():
                near.close()
                continue
            near.setblocking(False)
            self.last = Link()
            self.last.run(near, self._dial)
            self._links = [link for link in self._links if not (link._task is not None and link._task.done())]
            self._links.append(self.last)

    async def close(self) -> None:
        """Close it and all that came through it; idempotent."""
        tasks = [self._task, *(link._task for link in self._links if link._task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._listener.close()
        self._links.clear()


async def exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: It ended before.
    """
    loop, data = asyncio.get_running_loop(), bytearray()
    while len(data) < size:
        part = await loop.sock_recv(connection, size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
