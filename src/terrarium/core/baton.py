"""The baton of a world: who holds it may touch the state, nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PROGRAM = "task"  # the holder's name, and the actor in events, while the task program runs


class Baton:
    """One lock for a whole world; it lives on the engine's event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.holder: str | None = None

    @asynccontextmanager
    async def hold(self, holder: str) -> AsyncIterator[None]:
        """Hold the baton for the length of a block."""
        await self.take(holder)
        try:
            yield
        finally:
            self.drop()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Let others hold the baton for the length of a block, then take it back; nothing where nobody holds it."""
        holder = self.holder
        if holder is None:
            yield
            return
        self.drop()
        try:
            yield
        finally:
            await self.take(holder)

    async def take(self, holder: str) -> None:
        """Wait for the baton."""
        await self._lock.acquire()
        self.holder = holder

    def drop(self) -> None:
        """Pass it on."""
        self.holder = None
        self._lock.release()
