"""A trial that is killed in the middle of a turn goes on from its last step."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from terrarium.core.journal import EventKind, read
from terrarium.core.points import Points
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import Job
from terrarium.run.spec import TrialResult

TASK = """
from terrarium import entry, run_checkers

@entry(capabilities=["email"], notices=["email"])
def fn(env, agent):
    drawn = [env.random.randint(1, 100)]
    env.every("3s", lambda: env.email.send("boss@x.example", "agent@world.example", "tick", str(env.clock.now)))
    env.when(lambda: env.email.count_inbox("agent@world.example") > 2, lambda: drawn.append(env.random.random()))

    def roll(sides: int) -> int:
        \"\"\"Roll a die.\"\"\"
        drawn.append(env.random.randint(1, sides))
        return drawn[-1]

    agent.register_tools(roll)
    first = agent.act("work")
    second = agent.act(f"again: {first.text}")
    return run_checkers({"done": lambda: second.text.startswith("end"), "rolled": lambda: len(drawn) > 8})
"""

AGENT = """
import os
from pathlib import Path

def plan(seat):
    told = []
    for turn in range(2):
        for number in range(4):
            told += seat.notices()
            told.append(seat.call("roll", sides=20 + number))
            if number == {at}:
                with Path({marks!r}).open("a") as marks:
                    marks.write(str(turn))
                if len(Path({marks!r}).read_text()) in {kills}:
                    os.kill(os.getpid(), 9)
        yield f"turn {{turn}}: {{told}}" if turn == 0 else f"end {{told}}"
"""


def _played(folder: Path, kills: tuple[int, ...], at: int = 2, **more: str) -> tuple[TrialResult, list[str], Path]:
    """Result, equal parts of the journal, and folder of the one try."""
    place = folder / "task"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / "task.py").write_text(TASK)
    marks = folder / "marks"
    (place / "plan.py").write_text(AGENT.format(marks=str(marks), kills=kills, at=at))
    config = JobConfig(
        agents=(AgentConfig(name="scripted", kwargs={"script": "plan:plan"}),),
        tasks=(TaskConfig(path=str(place / "task.py")),),
        job_dir=str(folder / "run"),
        n_workers=1,
        baseline=False,
        snapshot=more.get("snapshot", "every-step"),
        retry=RetryConfig(max_retries=4, min_wait_sec=0.01),
    )
    (result,) = asyncio.run(Job(config).run()).results
    (one,) = (folder / "run" / "trials").glob("*/try-*")
    return result, [event.equal_part() for event in read(one / "journal.jsonl")][1:], one


def test_it_goes_on_from_the_last_step_and_writes_the_same_journal(tmp_path):
    """Killed in the first turn and twice in the second: what was done is neither lost nor done again."""
    result, journal, _ = _played(tmp_path / "whole", ())
    assert result.verdict.passed, result
    again, resumed, folder = _played(tmp_path / "killed", (1, 2, 4))
    assert again.verdict == result.verdict
    assert resumed == journal
    assert again.totals == result.totals
    lost = [list(read(path)) for path in sorted(folder.glob("lost-*.jsonl"))]
    assert len(lost) == 3
    for tail in lost:
        calls = [event for event in tail if event.kind is EventKind.TOOL_CALL]
        assert len(calls) == 1, "only the step that was under way was lost"


def test_a_turn_end_is_enough_where_steps_are_not_saved(tmp_path):
    result, journal, _ = _played(tmp_path / "whole", (), snapshot="every-turn")
    again, resumed, folder = _played(tmp_path / "killed", (2,), snapshot="every-turn")
    assert (again.verdict, resumed) == (result.verdict, journal)
    assert not Points(folder / "journal.jsonl").read()


@pytest.mark.parametrize("damage", ["torn", "foreign", "snapshot gone"])
def test_points_that_cannot_be_used_are_passed_over(tmp_path, damage):
    result, journal, folder = _played(tmp_path, ())
    points = folder / "points.jsonl"
    lines = points.read_bytes().splitlines(keepends=True)
    run = tmp_path / "run"
    (run / "verdicts" / f"{result.trial.id}.json").unlink()
    path = folder / "journal.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept[:-12]))
    if damage == "torn":
        points.write_bytes(b"".join(lines[:-1]) + lines[-1][:10])
    elif damage == "foreign":
        points.write_bytes(b'{"seq": "x"}\n[]\nnot json\n' + b"".join(lines))
    else:
        shutil.rmtree(run / "snapshots" / json.loads(lines[-1])["snapshot"])
    again, resumed, _ = _played(tmp_path, ())
    assert (again.verdict, resumed) == (result.verdict, journal)


FICKLE = """
import os
from pathlib import Path

def plan(seat):
    mark = Path({mark!r})
    again = mark.exists()
    mark.touch()
    seat.call("roll", sides=6)
    seat.result("other" if again else "roll", sides=6)
    seat.call("roll", sides=6)
    if not again:
        os.kill(os.getpid(), 9)
    yield "end"
    yield "end"
"""


def test_where_an_agent_does_something_else_the_trial_begins_anew(tmp_path):
    place = tmp_path / "task"
    place.mkdir()
    (place / "task.py").write_text(TASK)
    (place / "plan.py").write_text(FICKLE.format(mark=str(tmp_path / "mark")))
    config = JobConfig(
        agents=(AgentConfig(name="scripted", kwargs={"script": "plan:plan"}),),
        tasks=(TaskConfig(path=str(place / "task.py")),),
        job_dir=str(tmp_path / "run"),
        n_workers=1,
        baseline=False,
        snapshot="every-step",
        retry=RetryConfig(max_retries=1, min_wait_sec=0.01),
    )
    (result,) = asyncio.run(Job(config).run()).results
    assert (result.error, result.tries) == (None, 2)
    first = next((tmp_path / "run" / "trials").glob("*/try-1/journal.jsonl"))
    (error,) = [event.data for event in read(first) if event.kind is EventKind.ERROR]
    assert error["boundary"] == "engine"
    assert "cannot be resumed in the middle of a turn" in error["message"]
