"""Judging: weights, gates, checkers that raise, and machinery that fails."""

from __future__ import annotations

import pytest

from terrarium.core.errors import (
    CapabilityFault,
    EngineFault,
    ModelFault,
    NotFound,
    ReplayDiverged,
    SandboxFault,
    VerifierFault,
)
from terrarium.core.verdict import Check
from terrarium.task.checking import CheckerResults, aggregate_results, check, run_checkers


def yes() -> bool:
    return True


def no() -> bool:
    return False


def raising(error: Exception):
    def checker():
        raise error

    return checker


def test_equal_shares_and_truth():
    found = run_checkers({"a": yes, "b": no, "c": lambda: [1], "d": lambda: None}, tags=["mail"])
    assert found.score == 0.5
    assert [(c.name, c.passed) for c in found.checks] == [("a", True), ("b", False), ("c", True), ("d", False)]
    assert found.by_tag("mail") == found.checks
    assert found.all_tags() == ["mail"]


def test_weights_required_and_forbidden():
    assert run_checkers({"a": check(yes, weight=3), "b": no}).score == 0.75
    assert run_checkers({"a": yes, "gate": check(no, required=True)}).score == 0.0
    assert run_checkers({"a": yes, "spam": check(no, forbidden=True)}).score == 1.0
    assert run_checkers({"a": yes, "spam": check(yes, forbidden=True)}).score == 0.0
    assert run_checkers({"a": yes, "bonus": check(no, weight=0)}).score == 1.0
    with pytest.raises(ValueError, match="at least 0"):
        check(yes, weight=-1)
    with pytest.raises(ValueError, match="not both"):
        check(yes, required=True, forbidden=True)


@pytest.mark.parametrize("error", [AssertionError("no"), IndexError("none"), NotFound("no mail"), RecursionError()])
def test_a_checker_that_raises_has_failed_and_says_why(error):
    found = run_checkers({"a": yes, "b": raising(error), "c": check(raising(error), forbidden=True)})
    assert [c.passed for c in found.checks] == [True, False, False]
    assert found.checks[1].exception == {"type": type(error).__name__, "message": str(error)}
    assert found.score == 0.0, "a forbidden thing that cannot be ruled out"


@pytest.mark.parametrize("kind", [CapabilityFault, SandboxFault, ModelFault, EngineFault, ReplayDiverged])
def test_machinery_that_fails_is_not_a_result(kind):
    with pytest.raises(kind):
        run_checkers({"a": raising(kind("x"))})


def test_a_full_disk_is_not_a_result():
    with pytest.raises(OSError, match="full"):
        run_checkers({"a": raising(OSError(28, "full"))})


def test_an_async_checker_has_failed_instead_of_always_passing():
    async def checker() -> bool:
        return False

    found = run_checkers({"a": checker})
    assert not found.checks[0].passed
    assert "plain functions" in str(found.checks[0].exception)


def test_nothing_checked_is_nothing_earned():
    assert run_checkers({}).score == 0.0
    assert aggregate_results().score == 0.0


def test_stages_are_scored_together():
    one, two = run_checkers({"a": yes}, tags=["one"]), run_checkers({"b": no, "c": no}, tags=["two"])
    both = aggregate_results(one, two)
    assert both.score == pytest.approx(1 / 3)
    assert both.all_tags() == ["one", "two"]


def test_verdicts():
    assert run_checkers({"a": yes}).verdict(["x", "y"]).rewards == {"x": 1.0, "y": 1.0}
    assert run_checkers({"a": yes, "b": check(no, weight=0)}).verdict(["x"]).passed is False
    given = CheckerResults([Check("a", True)], 0.25, {"x": 0.1})
    assert (given.verdict(["x", "y"]).reward, given.verdict(["x", "y"]).rewards) == (0.25, {"x": 0.1, "y": 0.25})


def test_in_a_trial_checks_are_written_down_and_infrastructure_is_unscored(play):
    source = """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            first = run_checkers({{"early": lambda: env.notes.count() == 0}})
            env.notes.add("x")
            return run_checkers({{"late": lambda: env.notes.count() == 1, "broken": env.notes.{method}}})
        """
    played = play(source.format(method="refuse"))
    assert played.reward == 0.5
    assert [(e.data["name"], e.data["passed"]) for e in played.events("check")] == [
        ("early", True),
        ("late", True),
        ("broken", False),
    ]
    assert all(event.seen_by == () for event in played.events("check"))
    failed = play(source.format(method="collapse"))
    assert failed.error == "CapabilityFault: the notes are on fire"
    assert (failed.result.verdict.reward, failed.result.verdict.passed) == (None, None)
    assert not failed.result.scored
    assert failed.result.retried


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (CheckerResults([], 17), "score is 17"),
        (CheckerResults([], -0.1), "score is -0.1"),
        (CheckerResults([], float("nan")), "score is nan"),
        (CheckerResults([], "1"), "score is '1'"),  # type: ignore[arg-type]
        (CheckerResults([{"name": "x"}], 1.0), r"list of Check, not \[\{'name': 'x'\}\]"),  # type: ignore[list-item]
        (CheckerResults(None, 1.0), "list of Check, not None"),  # type: ignore[arg-type]
        (CheckerResults([], 1.0, {"a": float("inf")}), r"numbers by agent, not \{'a': inf\}"),
        (CheckerResults([], 1.0, [1]), r"numbers by agent, not \[1\]"),  # type: ignore[arg-type]
    ],
)
def test_results_that_are_no_judgement_say_what_came(result: CheckerResults, told: str):
    with pytest.raises(VerifierFault, match=told):
        result.verdict(["agent"])
