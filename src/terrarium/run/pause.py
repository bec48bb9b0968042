"""Stopping a trial for now, between two steps of its agent; it goes on from there as after a crash."""

from __future__ import annotations

import asyncio


class Paused(Exception):
    """The trial has come to no end: it waits to go on. Never leaves this room."""


class Pause:
    """When a trial is stopped for now.

    Args:
        steps: How many are taken before.
    """

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once it has come."""

    def comes(self) -> bool:
        """Count the step that is about to be taken; whether the trial is stopped before it."""
        self._left -= 1
        return self._left < 0

    async def begin(self) -> None:
        """Never returns: the agent waits until its trial is taken down."""
        if not self.begun.done():
            self.begun.set_result(None)
        await asyncio.get_running_loop().create_future()
