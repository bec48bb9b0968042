"""The turnstile: several who act at once take effect in order of world time, never of wall time.

Whoever takes part says when its next action is due. It is let through once everybody else who takes part has said so
too, and nobody is due before it. So models may think at the same time, and the world comes out the same. The program
takes part while its code runs, and says nothing: until it waits, nobody passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from types import TracebackType


class Turnstile:
    """Lets actions through one at a time, in order of (time due, rank). Lives on the engine's loop.

    Who takes part is known by a key: a waiting call of the program, or the program itself.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, tuple[int, int, asyncio.Future[None]] | None] = {}
        self._inside: Hashable = None

    @property
    def crowded(self) -> bool:
        """Whether several take part."""
        return len(self._waiting) > 1

    def join(self, key: Hashable) -> None:
        """Take part from now on: nobody passes before it is known when this one is due."""
        self._waiting[key] = None

    def leave(self, key: Hashable) -> None:
        """Take part no longer; idempotent."""
        self._waiting.pop(key, None)
        self._let_in()

    def passing(self, key: Hashable, due: int, rank: int = 0) -> Passage:
        """`async with` it: wait until it is this one's turn, and keep the others out for the length of the block.

        Args:
            key: Who.
            due: When its action is due, in microseconds of world time.
            rank: Who goes first of several at one moment: the lowest.
        """
        return Passage(self, key, due, rank)

    async def enter(self, key: Hashable, due: int, rank: int) -> None:
        """Wait until it is this one's turn."""
        if self._inside is None and self._waiting.keys() <= {
            key
        }:  # nobody else takes part: there is nothing to wait for
            self._waiting[key] = None
            self._inside = key
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = (due, rank, turn)
        self._let_in()
        try:
            await turn
        except BaseException:
            self.leave_passage(key)
            raise

    def leave_passage(self, key: Hashable) -> None:
        """This one is through, or waits no longer: the next may pass."""
        if self._inside == key:
            self._inside = None
        if key in self._waiting:
            self._waiting[key] = None
        self._let_in()

    def _let_in(self) -> None:
        if self._inside is not None or not self._waiting or None in self._waiting.values():
            return
        key, entry = min(self._waiting.items(), key=_place)
        assert entry is not None
        if not entry[2].done():
            self._inside = key
            entry[2].set_result(None)


class Passage:
    """A block inside the turnstile. A class, not a generator: there is one for every step of an agent."""

    def __init__(self, turnstile: Turnstile, key: Hashable, due: int, rank: int) -> None:
        self._turnstile = turnstile
        self._key = key
        self._due = due
        self._rank = rank

    async def __aenter__(self) -> None:
        await self._turnstile.enter(self._key, self._due, self._rank)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turnstile.leave_passage(self._key)


def _place(item: tuple[Hashable, tuple[int, int, asyncio.Future[None]] | None]) -> tuple[int, int]:
    assert item[1] is not None
    return item[1][:2]
