"""Started servers that nobody has used yet: a world that needs one need not wait for its start.

They are of the engine's event loop, few, and all alike. Who takes one keeps it; it never comes back.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import weakref

from terrarium.capability.database.binaries import Binaries
from terrarium.capability.database.kind import Kind
from terrarium.capability.database.role import Role
from terrarium.capability.database.server import Server, sweep
from terrarium.capability.database.session import CONNECT_SECONDS, Session
from terrarium.capability.database.template import template
from terrarium.core.aside import aside
from terrarium.core.clock import Clock
from terrarium.core.errors import TerrariumError

SIZE = 2
PAUSE = 0.25  # seconds, so that who has just taken one is not slowed down


class Pool:
    """The servers of one event loop and one installation.

    Args:
        kind, binaries: What they are started from.
    """

    def __init__(self, kind: Kind, binaries: Binaries) -> None:
        self._kind, self._binaries = kind, binaries
        self._ready: list[tuple[Server, Session]] = []
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._start = 0
        self._leaves = False

    async def take(self, clock: Clock) -> tuple[Server, Session]:
        """A started server with the time of this world, and the engine's session with it; the caller closes both.

        Raises:
            CapabilityFault: It does not come up.
            SandboxFault: This machine gives no sandbox.
        """
        if self._task is None:
            await aside(lambda: sweep(self._kind.name))
            if self._task is None:
                self._task = asyncio.ensure_future(self._keep())
        found: tuple[Server, Session] | None = None
        for pair in list(self._ready):
            if pair not in self._ready or pair[0].clock.micros > clock.micros:  # time never runs backwards in it
                continue
            self._ready.remove(pair)
            if await pair[1].responds(CONNECT_SECONDS):
                found = pair
                break
            await _close(pair)  # somebody has killed it while it waited
        self._start = clock.start
        self._taken.set()
        if found is None:
            found = await self._started(clock.micros)
        found[0].follow(clock)
        return found

    async def _started(self, micros: int) -> tuple[Server, Session]:
        kind, binaries = self._kind, self._binaries
        server = Server(kind, binaries, await template(kind, binaries), micros)
        try:
            await server.start()
            self._leave_at_exit()
            return server, await kind.connect(server, Role(kind.user, kind.password, True), kind.database)
        except BaseException:
            await server.close()
            raise

    def _leave_at_exit(self) -> None:
        """See to it that all of them go before the process that starts their processes does, which is there by now."""
        if not self._leaves:
            self._leaves = True
            atexit.register(_leave, weakref.ref(self), weakref.ref(asyncio.get_running_loop()))

    async def _keep(self) -> None:
        """Fill up whenever one was taken, until the end of the loop, when all of them go."""
        try:
            while True:
                await self._taken.wait()
                await asyncio.sleep(PAUSE)
                self._taken.clear()
                with contextlib.suppress(TerrariumError, OSError):  # who needs one is told
                    await self._fill()
        finally:
            ready, self._ready = self._ready, []
            for pair in ready:
                await _close(pair)

    async def _fill(self) -> None:
        for pair in [pair for pair in self._ready if pair[0].clock.micros > self._start]:
            self._ready.remove(pair)
            await _close(pair)
        while len(self._ready) < SIZE:
            self._ready.append(await self._started(self._start))

    async def close(self) -> None:
        """End all that nobody has taken; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})


def _leave(pool: weakref.ref[Pool], loop: weakref.ref[asyncio.AbstractEventLoop]) -> None:
    one, running = pool(), loop()
    if one is not None and running is not None and running.is_running():
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(one.close(), running).result(5.0)


async def _close(pair: tuple[Server, Session]) -> None:
    await pair[1].close()
    await pair[0].close()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pool]] = weakref.WeakKeyDictionary()


def pool(kind: Kind, binaries: Binaries) -> Pool:
    """The pool of the running event loop for an installation."""
    known = _pools.setdefault(asyncio.get_running_loop(), {})
    if binaries.key not in known:
        known[binaries.key] = Pool(kind, binaries)
    return known[binaries.key]
