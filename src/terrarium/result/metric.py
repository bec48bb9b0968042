"""Metrics of a taskset by name: mean, max, min, sum, pass@k, pass^k. What is unscored is left out and counted."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from terrarium.core.errors import ConfigError
from terrarium.result.passk import over_tasks, pass_at_k, pass_hat_k

_PASS = re.compile(r"pass([@^])([1-9][0-9]{0,3})")


@dataclass(frozen=True)
class Outcome:
    """What a metric sees of one trial: its task, and what it came to, None where it has no verdict."""

    task: str
    reward: float | None
    passed: bool | None


@dataclass(frozen=True)
class Measured:
    """The value of a metric.

    `value` is None where it cannot be had, and `note` says why. `unscored` counts the trials that were left out.
    """

    name: str
    value: float | None
    trials: int
    unscored: int
    note: str = ""


@dataclass(frozen=True)
class Metric:
    """An aggregate over trials."""

    name: str
    compute: Callable[[Sequence[Outcome]], float]
    attempts: int = 1
    """How many it needs at each task."""

    def __call__(self, outcomes: Iterable[Outcome]) -> Measured:
        """The metric over these trials."""
        every = list(outcomes)
        scored = [outcome for outcome in every if outcome.reward is not None]
        unscored = len(every) - len(scored)
        if not scored:
            return Measured(self.name, None, 0, unscored, "no trial was scored")
        try:
            return Measured(self.name, self.compute(every), len(scored), unscored)
        except ValueError as error:
            return Measured(self.name, None, len(scored), unscored, str(error))


def parse(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ConfigError: There is none; the message names the nearest.
    """
    found = _PASS.fullmatch(name)
    if found:
        estimator = pass_at_k if found[1] == "@" else pass_hat_k
        k = int(found[2])
        return Metric(name, lambda every: over_tasks(estimator, _by_task(every), k).value, attempts=k)
    if name in _PLAIN:
        return Metric(name, _PLAIN[name])
    if re.fullmatch(r"pass[@^].*", name):
        raise ConfigError(f"metric {name!r} needs a number of attempts from 1 to 9999, as in 'pass@3' or 'pass^3'")
    near = difflib.get_close_matches(name, _PLAIN, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_PLAIN)}, pass@k, pass^k"
    raise ConfigError(f"unknown metric {name!r}; {hint}")


def _rewards(every: Sequence[Outcome]) -> list[float]:
    return [outcome.reward for outcome in every if outcome.reward is not None]


def _mean(every: Sequence[Outcome]) -> float:
    """The mean of the means of the tasks, as in `estimate`."""
    rewards: dict[str, list[float]] = {}
    for outcome in every:
        if outcome.reward is not None:
            rewards.setdefault(outcome.task, []).append(outcome.reward)
    means = [math.fsum(values) / len(values) for values in rewards.values()]
    return math.fsum(means) / len(means)


def _by_task(every: Sequence[Outcome]) -> Mapping[str, list[bool | None]]:
    found: dict[str, list[bool | None]] = {}
    for outcome in every:
        found.setdefault(outcome.task, []).append(None if outcome.reward is None else bool(outcome.passed))
    return found


_PLAIN: Mapping[str, Callable[[Sequence[Outcome]], float]] = {
    "mean": _mean,
    "max": lambda every: max(_rewards(every)),
    "min": lambda every: min(_rewards(every)),
    "sum": lambda every: math.fsum(_rewards(every)),
}
