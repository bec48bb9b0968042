"""Metrics by name; what is unscored is left out and counted."""

from __future__ import annotations

import pytest

from terrarium.core.errors import ConfigError
from terrarium.result.metric import Outcome, parse

OUTCOMES = [
    Outcome("a", 1.0, True),
    Outcome("a", 0.5, False),
    Outcome("b", 0.0, False),
    Outcome("b", None, None),
    Outcome("b", 0.0, False),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", 0.375), ("max", 1.0), ("min", 0.0), ("sum", 1.5), ("pass@1", 0.25), ("pass@2", 0.5), ("pass^2", 0.0)],
)
def test_metrics_leave_out_what_is_unscored(name, value):
    found = parse(name)(OUTCOMES)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert (found.name, found.trials, found.unscored, found.note) == (name, 4, 1, "")


def test_too_few_attempts_are_not_guessed_at():
    found = parse("pass@3")(OUTCOMES)
    assert found.value is None
    assert "'a' has 2 attempts" in found.note


def test_nothing_scored_is_not_zero():
    found = parse("mean")([Outcome("a", None, None)])
    assert (found.value, found.trials, found.unscored) == (None, 0, 1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("maen", "did you mean 'mean'"), ("pass@0", "number of attempts"), ("pass@", "number"), ("x", "known")],
)
def test_unknown_metrics_name_what_there_is(name, hint):
    with pytest.raises(ConfigError, match=hint):
        parse(name)
