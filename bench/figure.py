"""A figure: one thing that was measured, and what it should be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What a figure should be: at least, or at most, a value."""

    value: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.value)}"


def at_least(value: float) -> Target:
    """The more the better."""
    return Target(value, True)


def at_most(value: float) -> Target:
    """The less the better."""
    return Target(value, False)


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        what: Its name, with everything that decides it.
        value: The median; None where it could not be measured.
        unit: Of the value and of the target.
        target: What it should be; None: it is there to be compared with.
        note: How it came about, or why it is missing.
    """

    what: str
    value: float | None
    unit: str
    target: Target | None = None
    note: str = ""


def shown(value: float) -> str:
    """A number with three digits that mean something."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values: list[float]) -> str:
    """The range of several repeats, as a note."""
    return f"{len(values)} runs: {shown(min(values))} to {shown(max(values))}" if len(values) > 1 else "1 run"


def seconds(job: Callable[..., object], *arguments: object) -> float:
    """Wall seconds that a job takes."""
    began = time.perf_counter()
    job(*arguments)
    return time.perf_counter() - began


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
