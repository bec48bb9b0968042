"""pass@k and pass^k: how likely one of k attempts passes, and how likely all of them do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Estimator = Callable[[int, int, int], float]


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimate that at least one of `k` attempts passes, where `c` of `n` did: 1 - C(n-c,k)/C(n,k).

    Raises:
        ValueError: `k` is below 1 or above `n`, or `c` is not within 0..n.
    """
    _checked(n, c, k)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """The unbiased estimate that all of `k` attempts pass, where `c` of `n` did: C(c,k)/C(n,k).

    Raises:
        ValueError: `k` is below 1 or above `n`, or `c` is not within 0..n.
    """
    _checked(n, c, k)
    return math.comb(c, k) / math.comb(n, k)


@dataclass(frozen=True)
class PassRate:
    """An average over tasks; `excluded` attempts had no verdict and were left out."""

    value: float
    tasks: int
    excluded: int


def over_tasks(estimator: Estimator, passed_by_task: Mapping[str, Sequence[bool | None]], k: int) -> PassRate:
    """The average of `pass_at_k` or `pass_hat_k` over tasks.

    Args:
        estimator: Which of the two.
        passed_by_task: For each task, whether each attempt passed; None for an attempt without a verdict.
        k: Of how many attempts is asked.

    Raises:
        ValueError: There is no task, or one has fewer than `k` attempts with a verdict: nothing is guessed.
    """
    if not passed_by_task:
        raise ValueError("there is no task")
    values = []
    excluded = 0
    for task, attempts in passed_by_task.items():
        judged = [passed for passed in attempts if passed is not None]
        excluded += len(attempts) - len(judged)
        if k > len(judged):
            raise ValueError(f"task {task!r} has {len(judged)} attempts with a verdict; {k} are needed")
        values.append(estimator(len(judged), sum(judged), k))
    return PassRate(math.fsum(values) / len(values), len(values), excluded)


def _checked(n: int, c: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be within 1..{n}, the number of attempts, not {k}")
    if not 0 <= c <= n:
        raise ValueError(f"{c} of {n} attempts cannot have passed")
