"""A mean with how sure we are of it: standard error and 95 % interval, clustered by task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

LEVEL = 0.95
_Z = 1.959963984540054  # quantile of the normal distribution at 0.975
_PANELS = 512  # of Simpson's rule
_LARGE = 100_000
_SAME = 1e-12  # means that differ by less do so by rounding


@dataclass(frozen=True)
class Estimate:
    """A mean and its uncertainty.

    Attributes:
        mean: The mean over tasks of the mean of each task's values.
        n: How many values there were, over all tasks.
        stderr: Standard error of the mean; None where one value cannot tell.
        low: Lower end of the 95 % interval; None with `stderr`.
        high: Its upper end.
        method: How the interval was made, in words.
    """

    mean: float
    n: int
    stderr: float | None
    low: float | None
    high: float | None
    method: str


def estimate(values_by_task: Mapping[str, Sequence[float]]) -> Estimate:
    """The mean over tasks, with its standard error and 95 % interval.

    Several values of one task are not independent, so tasks are the units. Where every value is 0 or 1 and each task
    has one, the interval is Wilson's; else it is Student's t over the means of the tasks, within 0..1 where the values
    are. Where the units are all alike, their spread is 0 and says nothing: within 0..1 the interval is then Wilson's,
    as no values in that range with this mean can spread more than zeros and ones; elsewhere there is none. With a
    single task its values are the units, and `method` says so.

    Args:
        values_by_task: The values of each task; a task without values does not count.

    Raises:
        ValueError: There is no value at all, or one is not finite.
    """
    groups = [[float(value) for value in values] for values in values_by_task.values() if len(values)]
    every = [value for group in groups for value in group]
    if not every:
        raise ValueError("there is nothing to estimate: no value was given")
    if not all(math.isfinite(value) for value in every):
        raise ValueError("an estimate needs finite values")
    single = len(groups) == 1 and len(every) > 1
    units = every if single else [math.fsum(group) / len(group) for group in groups]
    what = "attempts of one task" if single else "tasks"
    mean = math.fsum(units) / len(units)
    if len(units) == 1:
        return Estimate(mean, 1, None, None, None, "one value has no interval")
    binary = all(value in (0.0, 1.0) for value in every)
    bounded = all(0.0 <= value <= 1.0 for value in every)
    alike = max(units) - min(units) < _SAME
    if alike and not bounded:
        return Estimate(mean, len(every), None, None, None, f"{what} that are all alike have no interval")
    if alike or (binary and len(units) == len(every)):
        stderr = math.sqrt(mean * (1 - mean) / len(units))
        return Estimate(mean, len(every), stderr, *wilson(mean, len(units)), f"Wilson over {what}")
    spread = math.fsum((value - mean) ** 2 for value in units) / (len(units) - 1)
    stderr = math.sqrt(spread / len(units))
    reach = t_quantile(0.5 + LEVEL / 2, len(units) - 1) * stderr
    low, high = (max(0.0, mean - reach), min(1.0, mean + reach)) if bounded else (mean - reach, mean + reach)
    return Estimate(mean, len(every), stderr, low, high, f"Student's t over {what}")


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen in `n` independent trials, always within 0..1."""
    square = _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = _Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


@lru_cache(maxsize=256)
def t_quantile(p: float, df: int) -> float:
    """The value below which Student's t with `df` degrees of freedom stays with probability `p`.

    Raises:
        ValueError: `p` is not between 0 and 1, or `df` is below 1.
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"there is no quantile of t at p={p}, df={df}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    # With t = sqrt(df) * tan(angle) the density is a constant times cos(angle)^(df - 1), on a finite stretch.
    low, high = 0.0, math.atan(4 / math.sqrt(df))
    while high < math.pi / 2 and _probability(high, df) < p - 0.5:
        low, high = high, min(2 * high, math.pi / 2)
    for _ in range(64):
        middle = (low + high) / 2
        if _probability(middle, df) < p - 0.5:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan((low + high) / 2)


def _probability(angle: float, df: int) -> float:
    """How probable it is that t lies between 0 and `sqrt(df) * tan(angle)`, by Simpson's rule."""
    if df < _LARGE:
        scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    else:  # the difference of two huge logarithms has no digits left
        scale = math.sqrt(df / 2 / math.pi) * (1 - 1 / (4 * df))
    width = angle / _PANELS
    heights = [math.cos(step * width) ** (df - 1) for step in range(_PANELS + 1)]
    total = heights[0] + heights[-1] + 4 * math.fsum(heights[1:-1:2]) + 2 * math.fsum(heights[2:-1:2])
    return scale * total * width / 3
