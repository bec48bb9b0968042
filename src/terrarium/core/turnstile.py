"""The turnstile: several who act at once take effect in order of world time, never of wall time.

Whoever takes part says when its next action is due. It is let through once everybody else who takes part has said so
too, and nobody is due before it; of two at one moment, the first in the order of agents goes first. So models may
think at the same time, and the world comes out the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Turnstile:
    """Lets actions through one at a time, in order of (time due, order of names). Lives on the engine's loop.

    Args:
        order: Names of those who may take part; others come first, as the world itself does.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {name: position for position, name in enumerate(order, 1)}
        self._waiting: dict[str, tuple[int, asyncio.Future[None]] | None] = {}
        self._inside: str | None = None

    @property
    def crowded(self) -> bool:
        """Whether several take part."""
        return len(self._waiting) > 1

    def join(self, name: str) -> None:
        """Take part from now on: nobody passes before it is known when this one is due."""
        self._waiting[name] = None

    def leave(self, name: str) -> None:
        """Take part no longer."""
        self._waiting.pop(name, None)
        self._let_in()

    @asynccontextmanager
    async def passing(self, name: str, due: int) -> AsyncIterator[None]:
        """Wait until it is this one's turn, and keep the others out for the length of the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[name] = (due, turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if self._inside == name:
                self._inside = None
            self._arrived(name)
            raise
        try:
            yield
        finally:
            self._inside = None
            self._arrived(name)

    def _arrived(self, name: str) -> None:
        if name in self._waiting:
            self._waiting[name] = None
        self._let_in()

    def _let_in(self) -> None:
        if self._inside is not None or not self._waiting:
            return
        first: tuple[int, int, str, asyncio.Future[None]] | None = None
        for name, entry in self._waiting.items():
            if entry is None:
                return
            place = (entry[0], self._order.get(name, 0), name, entry[1])
            if first is None or place[:2] < first[:2]:
                first = place
        assert first is not None
        if not first[3].done():
            self._inside = first[2]
            first[3].set_result(None)
