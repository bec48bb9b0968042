"""How far raters agree beyond chance: kappa of two with its interval, alpha of many.

Sources of the formulas:

* J. Cohen (1960), A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20; (1968), Weighted kappa,
  Psychol. Bull. 70.
* J. L. Fleiss, J. Cohen, B. S. Everitt (1969), Large sample standard errors of kappa and weighted kappa, Psychol.
  Bull. 72: the standard error where kappa is not taken to be 0.
* K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, University of Pennsylvania.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

_Z = 1.959963984540054  # quantile of the normal distribution at 0.975

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]
Table = Sequence[Sequence[float]]
Label = TypeVar("Label", bound=Hashable)


@dataclass(frozen=True)
class Kappa:
    """Agreement of two raters.

    Attributes:
        kappa: 1 is perfect, 0 is what chance gives; None where both used a single category, which says nothing.
        stderr: Its large-sample standard error; None with `kappa`.
        low: Lower end of the 95 % interval, at least -1; None with `kappa`.
        high: Its upper end, at most 1.
        agreed: The share of items on which they gave the same.
        n: Items that both rated.
    """

    kappa: float | None
    stderr: float | None
    low: float | None
    high: float | None
    agreed: float
    n: int


def confusion(pairs: Sequence[tuple[Label, Label]], categories: Sequence[Label]) -> list[list[int]]:
    """How often each category of the first rater met each of the second: one row for each of the first's.

    Raises:
        ValueError: A label is no category.
    """
    place = {category: number for number, category in enumerate(categories)}
    table = [[0] * len(categories) for _ in categories]
    for first, second in pairs:
        if first not in place or second not in place:
            raise ValueError(f"{first if first not in place else second!r} is none of {list(categories)!r}")
        table[place[first]][place[second]] += 1
    return table


def cohen_kappa(table: Table, weights: Weights | Table = "none") -> Kappa:
    """Cohen's kappa of a square table of counts, weighted where categories are ordered.

    Args:
        table: Counts, as `confusion` gives them.
        weights: `none`: every disagreement is the same; `linear` or `quadratic` in the distance of the categories; or a
            table of what each disagreement weighs, 0 where there is none.

    Raises:
        ValueError: The table is not square, or holds nothing.
    """
    size = range(len(table))
    n = math.fsum(map(math.fsum, table))
    if any(len(row) != len(table) for row in table) or n <= 0:
        raise ValueError("kappa needs a square table with counts in it")
    share = [[count / n for count in row] for row in table]
    agreed = math.fsum(share[i][i] for i in size)
    agreement = _agreement(weights, len(table))
    rows = [math.fsum(row) for row in share]
    columns = [math.fsum(row[j] for row in share) for j in size]
    observed = math.fsum(share[i][j] * agreement[i][j] for i in size for j in size)
    chance = math.fsum(rows[i] * columns[j] * agreement[i][j] for i in size for j in size)
    if 1 - chance < 1e-12:
        return Kappa(None, None, None, None, agreed, round(n))
    kappa = (observed - chance) / (1 - chance)
    by_row = [math.fsum(columns[j] * agreement[i][j] for j in size) for i in size]
    by_column = [math.fsum(rows[i] * agreement[i][j] for i in size) for j in size]
    spread = math.fsum(
        share[i][j] * (agreement[i][j] - (by_row[i] + by_column[j]) * (1 - kappa)) ** 2 for i in size for j in size
    )
    variance = (spread - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    stderr = math.sqrt(max(0.0, variance))
    return Kappa(kappa, stderr, max(-1.0, kappa - _Z * stderr), min(1.0, kappa + _Z * stderr), agreed, round(n))


def _agreement(weights: Weights | Table, size: int) -> list[list[float]]:
    """What each pair of categories agrees, from 1 (the same) down to 0."""
    if weights == "none":
        apart: Table = [[float(i != j) for j in range(size)] for i in range(size)]
    elif weights in ("linear", "quadratic"):
        power = 1 if weights == "linear" else 2
        apart = [[float(abs(i - j) ** power) for j in range(size)] for i in range(size)]
    elif isinstance(weights, str) or len(weights) != size or any(len(row) != size for row in weights):
        raise ValueError("weights are none, linear, quadratic, or a table of the same size")
    else:
        apart = weights
    most = max(map(max, apart)) or 1.0
    return [[1 - value / most for value in row] for row in apart]


def krippendorff_alpha(items: Mapping[Hashable, Sequence[float | str]], level: Level = "nominal") -> float | None:
    """Krippendorff's alpha of any number of raters, of whom each may have left items out.

    Args:
        items: What each item was called by whoever rated it; those with fewer than two labels do not count.
        level: `nominal`, `ordinal` (labels are numbers, and only their order counts) or `interval`.

    Returns:
        1 is perfect, 0 is what chance gives; None where there is nothing to compare, or one category only.
    """
    pairable = [list(labels) for labels in items.values() if len(labels) > 1]
    met: Counter[tuple[float | str, float | str]] = Counter()
    for labels in pairable:
        for first, second in itertools.permutations(labels, 2):
            met[first, second] += 1 / (len(labels) - 1)  # type: ignore[assignment]
    totals: Counter[float | str] = Counter(label for labels in pairable for label in labels)
    n = sum(totals.values())
    distance = _distance(level, totals)
    observed = math.fsum(count * distance(*pair) for pair, count in met.items()) / n if n else 0.0
    expected = math.fsum(totals[a] * totals[b] * distance(a, b) for a in totals for b in totals)
    if n < 2 or expected <= 0:
        return None
    return 1 - observed / (expected / (n * (n - 1)))


def _distance(level: Level, totals: Counter[float | str]) -> Callable[[float | str, float | str], float]:
    if level == "nominal":
        return lambda a, b: float(a != b)
    if level == "interval":
        return lambda a, b: (float(a) - float(b)) ** 2
    order = sorted(totals, key=float)

    def ordinal(a: float | str, b: float | str) -> float:
        low, high = sorted((order.index(a), order.index(b)))
        between = sum(totals[label] for label in order[low : high + 1])
        return float(between - (totals[a] + totals[b]) / 2) ** 2

    return ordinal
