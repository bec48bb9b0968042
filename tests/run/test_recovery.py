"""What a trial's folder still tells after a crash: its verdict, or where it goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terrarium.core.journal import EventKind, read
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import Job, JobResult
from terrarium.run.trial import Trial, TrialConfig

COUNTED = """
from pathlib import Path
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def fn(env, agent):
    with Path({marks!r}).open("a") as marks:
        marks.write("x")
    for number in range(3):
        env.email.send("a@x.example", "b@x.example", f"mail {{number}}", "b")
        agent.act("wait")
    {more}
    return run_checkers({{"three": lambda: env.email.count_inbox("b@x.example") == 3}})
"""


def _task(folder: Path, more: str = "") -> Path:
    (folder / "counted.py").write_text(COUNTED.format(marks=str(folder / "marks"), more=more))
    return folder / "counted.py"


def _job(task: Path, run: Path) -> JobResult:
    config = JobConfig(
        agents=(AgentConfig(name="null"),),
        tasks=(TaskConfig(path=str(task)),),
        job_dir=str(run),
        n_workers=1,
        baseline=False,
        snapshot="every-turn",
        retry=RetryConfig(max_retries=1, min_wait_sec=0.01),
    )
    return asyncio.run(Job(config).run())


def _runs(folder: Path) -> int:
    return len((folder / "marks").read_text())


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_record_that_is_gone_is_made_again_from_the_journal(tmp_path, damage):
    task, run = _task(tmp_path), tmp_path / "run"
    (first,) = _job(task, run).results
    record = run / "verdicts" / f"{first.trial.id}.json"
    record.unlink() if damage == "missing" else record.write_bytes(record.read_bytes()[:100])
    (again,) = _job(task, run).results
    assert _runs(tmp_path) == 1, "a scored trial was run again"
    assert (again.verdict, again.stop, again.totals, again.tries) == (
        first.verdict,
        first.stop,
        first.totals,
        first.tries,
    )
    assert record.is_file()


def test_a_trial_that_was_scored_is_not_run_again_unless_asked(tmp_path):
    task = _task(tmp_path)

    def trial(**more: bool) -> Trial:
        return Trial(TrialConfig(TaskConfig(path=str(task)), AgentConfig(name="null"), trial_dir=out, **more))

    out = str(tmp_path / "run")
    first = trial().run_sync()
    assert trial().run_sync().to_json() == first.to_json()
    assert _runs(tmp_path) == 1
    assert trial(resume=False).run_sync().tries == 2
    assert _runs(tmp_path) == 2


def test_a_try_whose_process_was_lost_goes_on_from_its_last_snapshot(tmp_path):
    """Killed three times; resumed by the retries, and by the next run, with an equal journal."""
    kill = "import os; os.kill(os.getpid(), 9) if len(Path({!r}).read_text()) < {} else None"
    whole = _job(_task(tmp_path, kill.format(str(tmp_path / "marks"), 0)), tmp_path / "whole")
    (tmp_path / "marks").unlink()
    lost = tmp_path / "lost"
    task = _task(tmp_path, kill.format(str(tmp_path / "marks"), 4))
    (failed,) = _job(task, lost).results
    assert failed.error is not None
    assert failed.error["type"] == "WorkerLost"
    assert _runs(tmp_path) == 3
    (scored,) = _job(task, lost).results
    assert scored.verdict.reward == 1.0
    (folder,) = (lost / "trials").glob("*/try-*")
    events = list(read(folder / "journal.jsonl"))
    (other,) = (tmp_path / "whole" / "trials").glob("*/try-*")
    plain = [event.equal_part() for event in read(other / "journal.jsonl")]
    assert [event.equal_part() for event in events][1:] == plain[1:], "but for the task's digest"
    assert len([event for event in events if event.kind is EventKind.HEADER]) == 1
    assert whole.results[0].verdict == scored.verdict


def test_a_damaged_snapshot_is_passed_over_for_the_one_before(tmp_path):
    mark = str(tmp_path / "marks")
    kill = f"import os; os.kill(os.getpid(), 9) if len(Path({mark!r}).read_text()) < 4 else None"
    task, run = _task(tmp_path, kill), tmp_path / "run"
    _job(task, run)
    (journal,) = (run / "trials").glob("*/try-*/journal.jsonl")
    names = [event.wall["digest"] for event in read(journal) if event.kind is EventKind.SNAPSHOT]
    (run / "snapshots" / names[-1] / "world.json").write_bytes(b"{}")
    (scored,) = _job(task, run).results
    assert scored.verdict.reward == 1.0


LONG = """
import time
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def fn(env, agent):
    for number in range(4):
        env.email.send("a@x.example", "b@x.example", f"mail {number}", "b")
        agent.act("x" * 200_000)
        time.sleep(0.3)
    return run_checkers({"fine": lambda: True})
"""


@pytest.mark.parametrize("mode", ["auto", "every-turn"])
def test_of_a_scored_trial_only_the_last_snapshot_stays_unless_all_were_asked_for(tmp_path, mode):
    (tmp_path / "long.py").write_text(LONG)
    config = TrialConfig(
        TaskConfig(path=str(tmp_path / "long.py")),
        AgentConfig(name="null"),
        trial_dir=str(tmp_path / "run"),
        snapshot=mode,
    )
    assert Trial(config).run_sync().scored
    (journal,) = (tmp_path / "run" / "trials").glob("*/try-1/journal.jsonl")
    marks = [event for event in read(journal) if event.kind is EventKind.SNAPSHOT and event.wall.get("digest")]
    stored = {path.name for path in (tmp_path / "run" / "snapshots").iterdir()}
    assert marks[-1].wall["digest"] in stored
    assert len(marks) >= 4
    assert len(stored) == (1 if mode == "auto" else len({event.wall["digest"] for event in marks}))
    states = [(tmp_path / "run" / "snapshots" / name / "world.json").stat().st_size for name in stored]
    assert max(states) < 100_000, "long messages stand in blobs, once"


JUDGED = """
from terrarium import aggregate_results, entry, run_checkers

@entry(capabilities=["email"])
def fn(env, agent):
    found = []
    for number in range(3):
        env.email.send("a@x.example", "b@x.example", f"mail {number}", "b")
        agent.act("wait")
        env.email.send("a@x.example", "b@x.example", f"more {number}", "b")
        found.append(run_checkers({"fine": lambda: True}))
        env.email.send("a@x.example", "b@x.example", f"last {number}", "b")
    return aggregate_results(*found)
"""


@pytest.mark.parametrize("known", [True, False])
def test_of_a_scored_trial_every_world_in_which_it_was_judged_stays(tmp_path, known):
    """Where the names of its snapshots are read from the journal, too: a first try was given up."""
    (tmp_path / "judged.py").write_text(JUDGED)
    config = TrialConfig(
        TaskConfig(path=str(tmp_path / "judged.py")), AgentConfig(name="null"), trial_dir=str(tmp_path / "run")
    )
    trial = Trial(config)
    if not known:
        (tmp_path / "run" / "trials" / trial.spec.id / "try-1").mkdir(parents=True)
    assert trial.run_sync().scored
    [journal] = (tmp_path / "run" / "trials").glob("*/try-*/journal.jsonl")
    marks = [event for event in read(journal) if event.kind is EventKind.SNAPSHOT and event.wall.get("digest")]
    stored = {path.name for path in (tmp_path / "run" / "snapshots").iterdir()}
    judged = {event.wall["digest"] for event in marks if "rows" in event.data}
    assert stored == judged
    assert len(judged) == 4, "three stages and the end"
