"""A block in which one agent acts."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class Moments(Protocol):
    """What gives an agent its moments."""

    async def take_moment(self, cost: int) -> None:
        """Wait for the turn of an action that ends after `cost`."""
        ...

    def leave_moment(self) -> None:
        """The action is done."""
        ...


class Acting:
    """A block in which one agent acts. A class, not a generator: there are several for every step."""

    def __init__(self, seat: Moments, cost: int) -> None:
        self._seat = seat
        self._cost = cost

    async def __aenter__(self) -> None:
        await self._seat.take_moment(self._cost)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seat.leave_moment()
