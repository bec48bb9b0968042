"""The stopwatch of one agent: how long its model thinks by the wall clock, and since when nothing of it has acted."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Times what an agent and its programs ask for; requests to its model may overlap."""

    def __init__(self) -> None:
        self._asking = 0  # requests under way
        self._charged = 0.0  # wall moment up to which requests were charged
        self._acted = 0.0  # wall moment of the last act

    async def timed(self, request: Awaitable[T]) -> tuple[T, float, float]:
        """What a request comes to, the seconds it took, and those of them in which no other was under way before it."""
        began, self._asking = time.monotonic(), self._asking + 1
        try:
            found = await request
        finally:
            self._asking -= 1
            ended, charged = time.monotonic(), max(began, self._charged)
            self._charged = self._acted = ended
        return found, round(ended - began, 6), round(ended - charged, 6)

    def act(self) -> None:
        """Something of the agent has acted now."""
        self._acted = time.monotonic()

    def still(self) -> float | None:
        """The wall moment since when nothing has; None while a request is under way."""
        return None if self._asking else self._acted
