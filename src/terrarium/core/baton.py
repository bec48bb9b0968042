"""The baton of a world: who holds it may touch the state, nobody else."""

from __future__ import annotations

import asyncio
from types import TracebackType

PROGRAM = "task"  # the holder's name, and the actor in events, while the task program runs


class Baton:
    """One lock for a whole world; it lives on the engine's event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.holder: str | None = None

    def hold(self, holder: str) -> Holding:
        """`async with` it: hold the baton for the length of a block."""
        return Holding(self, holder)

    def lent(self) -> Lending:
        """`async with` it: let others hold the baton for the length of a block; nothing where nobody holds it."""
        return Lending(self)

    async def take(self, holder: str) -> None:
        """Wait for the baton."""
        await self._lock.acquire()
        self.holder = holder

    def drop(self) -> None:
        """Pass it on."""
        self.holder = None
        self._lock.release()


class Holding:
    """A block that holds the baton. A class, not a generator: there is one for every step of an agent."""

    def __init__(self, baton: Baton, holder: str) -> None:
        self._baton = baton
        self._holder = holder

    async def __aenter__(self) -> None:
        await self._baton.take(self._holder)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._baton.drop()


class Lending:
    """A block that lends the baton."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._holder: str | None = None

    async def __aenter__(self) -> None:
        self._holder = self._baton.holder
        if self._holder is not None:
            self._baton.drop()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._holder is not None:
            await self._baton.take(self._holder)
