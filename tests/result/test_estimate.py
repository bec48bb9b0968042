"""Estimates: known tables, coverage, and what one value cannot tell."""

from __future__ import annotations

import random

import pytest

from terrarium.result.estimate import estimate, t_quantile, wilson

# Two-sided 95 % and 99.9 % points of Student's t, from printed tables with six digits.
TABLE = [
    (0.975, 1, 12.706205),
    (0.975, 2, 4.302653),
    (0.975, 3, 3.182446),
    (0.975, 4, 2.776445),
    (0.975, 5, 2.570582),
    (0.975, 10, 2.228139),
    (0.975, 20, 2.085963),
    (0.975, 30, 2.042272),
    (0.975, 60, 2.000298),
    (0.975, 120, 1.979930),
    (0.975, 10**9, 1.959964),
    (0.9995, 1, 636.619249),
    (0.9995, 10, 4.586894),
    (0.95, 7, 1.894579),
]


@pytest.mark.parametrize(("p", "df", "value"), TABLE)
def test_quantiles_of_t_are_those_of_the_tables(p, df, value):
    assert t_quantile(p, df) == pytest.approx(value, abs=1e-6)
    assert t_quantile(1 - p, df) == pytest.approx(-value, abs=1e-6)


def test_the_median_of_t_is_zero_and_nonsense_is_refused():
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)
    for p, df in ((0, 3), (1, 3), (0.9, 0)):
        with pytest.raises(ValueError, match="quantile"):
            t_quantile(p, df)


def test_wilson_is_the_textbook_interval():
    assert wilson(0.8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert wilson(0.0, 5)[0] == 0.0
    assert wilson(1.0, 5) == pytest.approx((0.565518, 1.0), abs=1e-6)


def test_one_passed_or_failed_attempt_for_each_task_is_wilson():
    found = estimate({f"t{i}": [float(i < 8)] for i in range(10)})
    assert (found.mean, found.n, found.method) == (0.8, 10, "Wilson over tasks")
    assert (found.low, found.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_attempts_of_one_task_do_not_count_as_tasks():
    clustered = estimate({"a": [1, 1, 1, 1], "b": [0, 0, 0, 0], "c": [1, 1, 0, 0]})
    assert (clustered.mean, clustered.n) == (0.5, 12)
    assert clustered.stderr == pytest.approx((0.25 / 3) ** 0.5)  # the spread of the means 1, 0 and 0.5
    assert clustered.method == "Student's t over tasks"
    assert (clustered.low, clustered.high) == (0.0, 1.0)  # the mean of what lies within 0..1 does so too


def test_values_that_are_alike_are_not_certainty():
    for alike in ({"a": [0.5, 0.5]}, {"a": [0.5], "b": [0.5]}, {"a": [0.25, 0.75], "b": [0.5, 0.5]}):
        found = estimate(alike)
        assert (found.low, found.high) == pytest.approx(wilson(0.5, 2))
        assert found.stderr == pytest.approx(0.125**0.5)
    beyond = estimate({"a": [3.0], "b": [3.0]})
    assert (beyond.mean, beyond.stderr, beyond.low, beyond.high) == (3.0, None, None, None)


def test_an_interval_ends_where_the_values_can_end():
    found = estimate({"a": [0.9], "b": [0.6]})
    assert (found.low, found.high) == (0.0, 1.0)
    beyond = estimate({"a": [2.0], "b": [0.0]})
    assert beyond.low is not None
    assert beyond.low < 0


def test_tasks_of_different_size_weigh_the_same():
    assert estimate({"a": [1.0] * 9, "b": [0.0]}).mean == 0.5


def test_one_value_has_no_interval():
    found = estimate({"a": [1.0]})
    assert (found.mean, found.n, found.stderr, found.low, found.high) == (1.0, 1, None, None, None)


def test_attempts_of_a_single_task_are_the_units_and_it_says_so():
    assert estimate({"a": [1, 0, 1, 1]}).method == "Wilson over attempts of one task"
    found = estimate({"a": [0.5, 0.25, 0.75], "empty": []})
    assert found.method == "Student's t over attempts of one task"
    assert found.stderr == pytest.approx(0.25 / 3**0.5)


def test_equal_outcomes_are_not_certainty():
    found = estimate({f"t{i}": [1, 1, 1] for i in range(5)})
    assert found.method == "Wilson over tasks"
    assert found.low == pytest.approx(0.565518, abs=1e-6)
    assert found.n == 15


def test_no_value_and_values_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="no value"):
        estimate({"a": []})
    with pytest.raises(ValueError, match="finite"):
        estimate({"a": [float("nan")]})


def _coverage(draw, truth: float, draws: int = 2000) -> float:
    rng = random.Random(7)
    hits = 0
    for _ in range(draws):
        found = estimate(draw(rng))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    return hits / draws


@pytest.mark.parametrize(("n", "p"), [(20, 0.5), (20, 0.9), (200, 0.97)])
def test_independent_outcomes_are_covered(n, p):
    assert 0.93 <= _coverage(lambda rng: {f"t{i}": [float(rng.random() < p)] for i in range(n)}, p) <= 0.98


def test_rewards_are_covered():
    assert 0.93 <= _coverage(lambda rng: {f"t{i}": [rng.uniform(0, 1)] for i in range(20)}, 0.5) <= 0.97


def test_clustered_attempts_are_covered():
    def draw(rng: random.Random) -> dict[str, list[float]]:
        found = {}
        for i in range(30):
            chance = rng.random()  # every task has its own
            found[f"t{i}"] = [float(rng.random() < chance) for _ in range(5)]
        return found

    assert 0.93 <= _coverage(draw, 0.5) <= 0.97
