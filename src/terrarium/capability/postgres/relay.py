"""The port of a world's database: connections of agents are carried to the server, a request at a time.

What is sent is the server's to understand. The relay reads as much of it as it must: where a session begins, where an
answer ends, and what the server says was done, so that the world stands still while the program's code runs, and
conditions are looked at when something may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

from terrarium.capability.postgres.link import CHUNK
from terrarium.capability.postgres.server import Server
from terrarium.core.capability import Site
from terrarium.core.errors import TerrariumError
from terrarium.core.network import Caller
from terrarium.core.rows import Change

CONNECTIONS_LIMIT = 40  # of one caller at a time
STARTUP_LIMIT = 10_000  # bytes of the first packet, as the server has it
STARTUP_SECONDS = 30.0
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_SHOWN = 256  # bytes of a message that is looked at
_TAGS = 20  # of one request that are told of
_LOOKS = frozenset(
    ["ANALYZE", "BEGIN", "CHECKPOINT", "CLOSE", "COMMIT", "DEALLOCATE", "DECLARE", "DISCARD", "EXPLAIN", "FETCH",
     "LISTEN", "LOAD", "LOCK", "MOVE", "NOTIFY", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SELECT",
     "SET", "SHOW", "START", "UNLISTEN", "VALUES"]
)  # fmt: skip


def writes(tag: str) -> bool:
    """Whether what the server says was done can have changed what others see: `INSERT 0 1`, but not `SELECT 5`."""
    words = tag.split()
    if words[:1] == ["SELECT"] and len(words) == 1:
        return True  # SELECT INTO
    return bool(words) and words[0] not in _LOOKS and not tag.endswith(" 0")


class Relay:
    """The handler of the database's port.

    Args:
        site: Of the capability.
        server: Gives the started server.
        lets_in: Whether somebody may log in as a user.
    """

    def __init__(
        self, site: Site, server: Callable[[], Awaitable[Server]], lets_in: Callable[[Caller, str], bool]
    ) -> None:
        self._site = site
        self._server = server
        self._lets_in = lets_in
        self._callers: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, connection: socket.socket, caller: Caller) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._callers[caller.name] += 1
        try:
            await self._serve(connection, caller)
        finally:
            self._callers[caller.name] -= 1
            self._open.discard(task)
            connection.close()

    async def close(self) -> None:
        """End every connection; idempotent."""
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open), timeout=2.0)

    async def _serve(self, connection: socket.socket, caller: Caller) -> None:
        try:
            async with asyncio.timeout(STARTUP_SECONDS):
                code, packet = await _startup(connection)
        except (TimeoutError, EOFError, OSError):
            return
        if code != _CANCEL and code >> 16 != 3:
            await _refuse(connection, "0A000", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}")
            return
        user = _user(packet)
        if code != _CANCEL and not self._lets_in(caller, user):
            await _refuse(connection, "28P01", f'password authentication failed for user "{user[:63]}"')
            return
        if self._callers[caller.name] > CONNECTIONS_LIMIT:
            await _refuse(connection, "53300", "sorry, too many clients already")
            return
        try:
            server = await self._server()
            far = await server.dial_as_client()
        except TerrariumError:
            await _refuse(connection, "57P03", "the database system is not yet accepting connections")
            return
        with far:
            await asyncio.get_running_loop().sock_sendall(far, packet)
            if code != _CANCEL:
                await _Talk(self._site, caller, connection, far).run()


class _Talk:
    """One session of a client."""

    def __init__(self, site: Site, caller: Caller, near: socket.socket, far: socket.socket) -> None:
        self._site, self._caller = site, caller
        self._near, self._far = near, far
        self._idle = False  # not while it logs in, which is no request
        self._done = asyncio.Event()
        self._request: asyncio.Task[None] | None = None
        self._answers = Answers()

    async def run(self) -> None:
        ways = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            for way in ways:
                if not way.cancelled():
                    way.exception()  # a client that left
            await self._end()

    async def _up(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._near, CHUNK):
            if self._idle:
                self._idle = False
                await self._begin()
            await loop.sock_sendall(self._far, data)

    async def _down(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._far, CHUNK):
            if self._answers.feed(data):
                await self._end()
                self._idle = True
            await loop.sock_sendall(self._near, data)

    async def _begin(self) -> None:
        """Wait for the baton: while it is somebody else's, nothing is asked of the server."""
        entered = asyncio.Event()
        self._done = asyncio.Event()
        self._request = asyncio.ensure_future(self._hold(entered))
        waiting = asyncio.ensure_future(entered.wait())
        try:
            await asyncio.wait({self._request, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._request.done():
            self._request.result()

    async def _hold(self, entered: asyncio.Event) -> None:
        async with self._site.request(self._caller):
            entered.set()
            # The baton is lent while the server works: what it does may wait for somebody else's transaction.
            await self._site.running(self._answered())
            self._report()

    async def _answered(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._site.command_timeout):
                await self._done.wait()

    async def _end(self) -> None:
        """The answer is there, or the client is gone: what was done is told before the client hears of it."""
        self._done.set()
        request, self._request = self._request, None
        if request is not None:
            await request
        if self._answers.tags:
            async with self._site.request(self._caller):
                self._report()

    def _report(self) -> None:
        tags, self._answers.tags = self._answers.tags, []
        if tags:
            after = {"done": tags[:_TAGS], "statements": len(tags)}
            self._site.changed(Change(self._site.actor(), "statement", self._caller.name, None, after))


class Answers:
    """Reads what a server sends, in pieces of any size.

    Attributes:
        tags: What it says was done, of what writes.
    """

    def __init__(self) -> None:
        self.tags: list[str] = []
        self._kind = b""
        self._left = 0
        self._head = bytearray()

    def feed(self, data: bytes) -> bool:
        """Whether an answer has ended in these bytes: the server is ready for the next request."""
        ready, at = False, 0
        while at < len(data):
            if self._left == 0:
                need = 5 - len(self._head)
                self._head += data[at : at + need]
                at += need
                if len(self._head) < 5:
                    break
                self._kind = bytes(self._head[:1])
                self._left = max(int.from_bytes(self._head[1:5], "big") - 4, 0)
                self._head.clear()
                self._body = bytearray()
            else:
                part = data[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                if self._kind == b"C" and len(self._body) < _SHOWN:
                    self._body += part[:_SHOWN]
            if self._left == 0:
                ready = self._message() or ready
        return ready

    def _message(self) -> bool:
        if self._kind == b"C":
            tag = self._body.rstrip(b"\0").decode("utf-8", "replace")
            if writes(tag):
                self.tags.append(tag)
        return self._kind == b"Z"


async def _startup(connection: socket.socket) -> tuple[int, bytes]:
    """(The code of the first packet, all of it); encryption is declined before.

    Raises:
        EOFError: It is none.
    """
    loop = asyncio.get_running_loop()
    for _ in range(3):
        head = await _exactly(connection, 8)
        size, code = struct.unpack("!II", head)
        if not 8 <= size <= STARTUP_LIMIT:
            raise EOFError
        packet = head + await _exactly(connection, size - 8)
        if code not in (_SSL, _GSS):
            return code, packet
        await loop.sock_sendall(connection, b"N")
    raise EOFError


def _user(packet: bytes) -> str:
    """The user that the first packet names, as the server reads it: the last one counts; nobody where there is none."""
    words = packet[8:].split(b"\0")
    found = b""
    for name, value in zip(words[::2], words[1::2], strict=False):
        if not name:
            break
        if name == b"user":
            found = value
    return found[:63].decode("utf-8", "replace")  # a longer name is cut by the server too


async def _exactly(connection: socket.socket, size: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < size:
        part = await loop.sock_recv(connection, size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


async def _refuse(connection: socket.socket, code: str, text: str) -> None:
    fields = b"".join(kind + value.encode() + b"\0" for kind, value in (
        (b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", text)
    )) + b"\0"  # fmt: skip
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(connection, b"E" + struct.pack("!I", len(fields) + 4) + fields)
