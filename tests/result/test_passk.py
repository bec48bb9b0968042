"""pass@k and pass^k against the enumeration of every choice of k attempts."""

from __future__ import annotations

from itertools import combinations

import pytest

from terrarium.result.passk import over_tasks, pass_at_k, pass_hat_k


@pytest.mark.parametrize("n", range(1, 9))
def test_both_are_what_counting_every_choice_gives(n):
    for c in range(n + 1):
        attempts = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            choices = list(combinations(attempts, k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)
            assert pass_hat_k(n, c, k) == pytest.approx(sum(map(all, choices)) / len(choices), abs=1e-12)


def test_large_numbers_keep_their_digits():
    assert pass_at_k(2000, 1000, 2) == pytest.approx(1 - (1000 * 999) / (2000 * 1999), abs=1e-12)
    assert pass_hat_k(2000, 1999, 1000) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (0, 0, 1), (3, 4, 1), (3, -1, 1)])
@pytest.mark.parametrize("estimator", [pass_at_k, pass_hat_k])
def test_what_cannot_be_known_is_refused(estimator, n, c, k):
    with pytest.raises(ValueError, match=r"attempts"):
        estimator(n, c, k)


def test_errored_attempts_are_left_out_and_counted():
    found = over_tasks(pass_at_k, {"a": [True, None, False, False], "b": [False, False, False]}, 2)
    assert found.value == pytest.approx((2 / 3 + 0) / 2, abs=1e-12)
    assert (found.tasks, found.excluded) == (2, 1)


def test_a_task_with_too_few_verdicts_is_named():
    with pytest.raises(ValueError, match="'b' has 1 attempts"):
        over_tasks(pass_hat_k, {"a": [True, True], "b": [True, None]}, 2)
    with pytest.raises(ValueError, match="no task"):
        over_tasks(pass_hat_k, {}, 2)
