"""World time as a task program sees it: `env.clock`."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from terrarium.core.clock import Moment, Span
from terrarium.core.replay import Call
from terrarium.core.values import from_micros
from terrarium.core.world import World


class EnvClock:
    """World time, as `env.clock`."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> datetime:
        """The present time of the world, in UTC."""
        return from_micros(self._world.now())

    @property
    def local(self) -> datetime:
        """The present time of the world, in the task's time zone."""
        return self.now.astimezone(self.zone)

    @property
    def zone(self) -> tzinfo:
        """The task's time zone, in which times without an offset are meant."""
        return self._world.clock.zone

    def advance(self, span: Span) -> Any:
        """Let time pass; whatever becomes due happens on the way. Awaitable in an `async def` program.

        Args:
            span: A timedelta, seconds, or text such as `30m`.

        Raises:
            ReentrantCall: Inside a callback.
            BudgetSpent: The trial's world time is used up.
        """
        return self._world.call(Call("env.clock.advance", {"span": span}))

    def advance_to(self, moment: Moment) -> Any:
        """Let time pass until a moment (a datetime, ISO text or `HH:MM`); nothing happens if it is past."""
        return self._world.call(Call("env.clock.advance_to", {"moment": moment}))
