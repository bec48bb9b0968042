"""What one agent may use: the limits of its turn and of the trial, and how much of them is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from terrarium.core.agent import Budget, StopReason
from terrarium.core.clock import Clock
from terrarium.core.model import Completion
from terrarium.core.task import Limits
from terrarium.run.totals import Totals

_DAY = 86400.0


class Allowance:
    """Keeps the budget of one agent.

    Args:
        limits: Of the trial.
        totals: What all agents have used.
        clock: Of the world.
    """

    def __init__(self, limits: Limits, totals: Totals, clock: Clock) -> None:
        self._limits, self._totals, self._clock = limits, totals, clock
        self._ends: float | None = None
        self.budget = Budget(limits.steps, limits.tool_calls)

    def begin(self) -> Budget:
        """The budget of a new turn."""
        limits = self._limits
        self._ends = None
        whole = Budget(
            limits.steps,
            limits.tool_calls,
            limits.tokens,
            limits.cost,
            turns=limits.turns,
            seconds=limits.turn_seconds,
            world_seconds=limits.world_days * _DAY,
        )
        self.budget = replace(whole, whole=whole)
        self.look()
        return self.budget

    def again(self, saved: Sequence[Any]) -> Budget:
        """The budget of a turn that goes on where it was saved: `[steps, tool calls, ...]` were left then."""
        budget = self.begin()
        budget.steps, budget.tool_calls = saved[0], saved[1]
        return budget

    def time(self, seconds: float) -> None:
        """From now on the turn may take so many seconds of wall time."""
        self._ends = time.monotonic() + seconds
        self.budget.seconds = seconds
        if self.budget.whole is not None:
            self.budget.whole.seconds = seconds

    def look(self) -> None:
        """Bring up to date what others use too, and what passes by itself."""
        budget, limits, totals = self.budget, self._limits, self._totals
        if limits.tokens is not None:
            budget.tokens = limits.tokens - totals.tokens
        if limits.cost is not None:
            budget.cost = limits.cost - totals.cost
        budget.turns = limits.turns - totals.turns
        budget.world_seconds = limits.world_days * _DAY - (self._clock.micros - self._clock.start) / 1e6
        if self._ends is not None:
            budget.seconds = max(0.0, self._ends - time.monotonic())

    def spend(self, completion: Completion) -> None:
        """A model call costs tokens and money; a limit of the trial that it reaches stands in its totals."""
        limits, totals = self._limits, self._totals
        totals.add(completion)
        if limits.tokens is not None and totals.tokens >= limits.tokens:
            totals.over = StopReason.TOKEN_LIMIT.value
        if limits.cost is not None and totals.cost >= limits.cost:
            totals.over = StopReason.COST_LIMIT.value
