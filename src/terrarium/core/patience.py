"""Patience: what happens to the world while a command or a statement runs.

Whoever waits for it lends the baton, so that services can answer what the command asks. The clock stands; after 10 s of
wall time it follows the wall in whole seconds until the command ends, and the trial counts as measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from terrarium.core.baton import Baton
from terrarium.core.callbacks import Callbacks
from terrarium.core.errors import BudgetSpent

T = TypeVar("T")

SECONDS = 10.0  # of wall time for which the clock stands
TICK = 1.0  # seconds of wall and of world time by which it follows then


class Patience:
    """Waits for commands and statements of one world.

    Args:
        baton: Lent meanwhile.
        callbacks: Lets world time pass.
    """

    def __init__(self, baton: Baton, callbacks: Callbacks) -> None:
        self._baton = baton
        self._callbacks = callbacks
        self._moved = 0.0
        self.measured = False
        """World time followed the wall clock at least once."""

    async def running(self, work: Awaitable[T]) -> T:
        """What `work` comes to; whoever holds the baton lends it meanwhile."""
        async with self._baton.lent():
            return await self.follow(work)

    async def follow(self, work: Awaitable[T], still: Callable[[], float | None] | None = None) -> T:
        """The same where nobody has to lend the baton: the program has passed it on already.

        Args:
            work: What is waited for.
            still: Gives the moment, by `time.monotonic`, since when nobody else has accounted for the time; None while
                somebody does. Default: since the beginning.

        Raises:
            BudgetSpent: The trial's world time was used up; `work` is cancelled.
        """
        task, began = asyncio.ensure_future(work), time.monotonic()
        try:
            done, _ = await asyncio.wait({task}, timeout=SECONDS)
            while not done:
                since = began if still is None else still()
                left = SECONDS if since is None else since + SECONDS - time.monotonic()
                if left > 0 and still is not None:
                    done, _ = await asyncio.wait({task}, timeout=left)
                    continue
                self.measured = True
                async with self._baton.hold("world"):
                    # Of several who wait, one moves the clock: it goes as fast as the wall's, not several times so.
                    if time.monotonic() - self._moved >= TICK * 0.99:
                        self._moved = time.monotonic()
                        await self._callbacks.pass_time(round(TICK * 1e6))
                done, _ = await asyncio.wait({task}, timeout=TICK)
        except (BudgetSpent, asyncio.CancelledError):
            task.cancel()
            await asyncio.wait({task})
            raise
        return task.result()
