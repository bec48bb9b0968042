"""The port of a world's database: connections of agents are carried to the server, a request at a time.

What is sent is the server's to understand. A `Wire` reads as much of it as it must: where a session begins, where an
answer ends, and what the server says was done, so that the world stands still while the program's code runs, and
conditions are looked at when something may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from terrarium.capability.database.kind import Kind, Wire
from terrarium.capability.database.link import CHUNK
from terrarium.capability.database.server import Server
from terrarium.core.capability import Site
from terrarium.core.network import Caller
from terrarium.core.rows import Change

CONNECTIONS_LIMIT = 40  # of one caller at a time
_TAGS = 20  # of one request that are told of


class Relay:
    """The handler of the database's port.

    Args:
        site: Of the capability.
        kind: Of the database.
        server: Gives the started server.
        lets_in: Whether somebody may log in as a user.
    """

    def __init__(
        self, site: Site, kind: Kind, server: Callable[[], Awaitable[Server]], lets_in: Callable[[Caller, str], bool]
    ) -> None:
        self._site, self._kind = site, kind
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
        crowded = self._callers[caller.name] > CONNECTIONS_LIMIT
        try:
            entered = await self._kind.enter(connection, self._dial, crowded, partial(self._lets_in, caller))
        except (TimeoutError, EOFError, OSError):
            return
        if entered is None:
            return
        far, wire = entered
        with far:
            if wire is not None:
                await _Talk(self._site, caller, connection, far, wire).run()

    async def _dial(self) -> socket.socket:
        return await (await self._server()).dial_as_client()


class _Talk:
    """One session of a client."""

    def __init__(self, site: Site, caller: Caller, near: socket.socket, far: socket.socket, wire: Wire) -> None:
        self._site, self._caller = site, caller
        self._near, self._far = near, far
        self._idle = wire.begins_idle
        self._done = asyncio.Event()
        self._request: asyncio.Task[None] | None = None
        self._wire = wire

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
            awaited = self._wire.sent(data)
            await loop.sock_sendall(self._far, data)
            if not awaited:
                await self._end()
                self._idle = True

    async def _down(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._far, CHUNK):
            if self._wire.feed(data):
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
        if self._wire.tags:
            async with self._site.request(self._caller):
                self._report()

    def _report(self) -> None:
        tags, self._wire.tags = self._wire.tags, []
        if tags:
            after = {"done": tags[:_TAGS], "statements": len(tags)}
            self._site.changed(Change(self._site.actor(), "statement", self._caller.name, None, after))
