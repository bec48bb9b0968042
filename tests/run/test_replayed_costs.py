"""World time that actions cost: what they took, and what they took in another run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from terrarium.core.errors import ConfigError
from terrarium.run.replayed_costs import costs_of

TASK = """
    @entry(["notes"], NOTES, limits={limits}, zone="Europe/Berlin", clock={clock!r})
    def fn(env, agent):
        agent.act("go")
        env.reward(f"{{env.clock.local:%H:%M %Z}}", 0)
        return run_checkers({{"noted": lambda: env.notes.count() == 1}})

    @fn.solution
    def solve(seat):
        seat.call("notes_add", text="x")
        return "done"
"""
MEASURED = {"model_cost": "measured", "tool_cost": "measured"}
START = "2030-01-07T09:00"


def test_what_is_measured_is_written_down_and_can_be_replayed(play):
    first = play(TASK.format(limits=MEASURED, clock=START), "oracle")
    costs = [event.data["cost"] for event in first.events("step", "tool_result")]
    assert [kind for kind, _ in costs] == ["model", "tool", "model"]
    assert all(0 <= micros < 60_000_000 for _, micros in costs)
    assert first.events("stop")[0].data["timing"] == "measured"
    assert not first.events("header")[0].data["deterministic"]
    again = play(TASK.format(limits={**MEASURED, "costs_from": str(first.journal)}, clock=START), "oracle")
    assert [event.time for event in again.events("step", "tool_result", "change")] == [
        event.time for event in first.events("step", "tool_result", "change")
    ]
    assert "timing" not in again.events("stop")[0].data
    assert again.events("header")[0].data["deterministic"]


def test_a_journal_that_cannot_be_read_is_named(play, tmp_path):
    played = play(TASK.format(limits={"costs_from": str(tmp_path / "none.jsonl")}, clock=START), "oracle")
    assert "limits.costs_from: cannot read" in played.error
    with pytest.raises(ConfigError):
        costs_of(Path(tmp_path))


def test_local_time_is_time_in_the_zone(play):
    assert play(TASK.format(limits={}, clock=START), "oracle").said == ["09:00 CET"]


def test_on_a_wall_clock_world_time_is_real_time(play):
    source = (
        TASK.format(limits={}, clock="wall")
        .replace(
            'agent.act("go")',
            'env.after("200ms", lambda: env.notes.add("on time")); env.clock.advance("300ms"); agent.act("go")',
        )
        .replace("== 1", "== 2")
    )
    before = datetime.now(UTC)
    played = play(source, "oracle")
    after = datetime.now(UTC)
    assert played.reward == 1.0
    call = next(event for event in played.events("call") if event.data["path"] == "env.after")
    fired = next(event for event in played.events("fire"))
    assert before <= call.time <= fired.time <= after
    assert (fired.time - call.time).total_seconds() >= 0.2
    assert not played.events("header")[0].data["deterministic"]
