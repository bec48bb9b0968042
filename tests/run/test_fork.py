"""A fork begins as its parent did, and then goes its own way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from terrarium.core.errors import ConfigError
from terrarium.core.journal import Event, EventKind, read
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.folder import RunFolder
from terrarium.run.fork import fork, run_fork
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult
from terrarium.run.trial import Trial, TrialConfig

TASK = """
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def shop(env, agent):
    "Count."
    seen = []
    env.email.send("ann@x.example", "agent@world.example", "first", str(env.random.random()))
    env.every("4s", lambda: seen.append(env.email.count_inbox("agent@world.example")))
    for number in range(1, 5):
        env.workspace.fs.write_file(f"turn-{number}.txt", str(env.random.random()))
        seen.append(agent.act(f"turn {number}").text)
    mails = env.email.count_inbox("boss@x.example")
    return run_checkers({"asked": lambda: mails == 4, "all": lambda: "turn 3" in seen})

@shop.solution
def solve(seat):
    told = seat.instruction
    while True:
        seat.call("email_send", to=["boss@x.example"], subject=told, body=told)
        told = yield told
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[RunFolder, TrialResult]:
    """A trial of four turns by the oracle, with its world saved at every turn."""
    place = tmp_path_factory.mktemp("fork")
    (place / "shop.py").write_text(TASK)
    config = TrialConfig(TaskConfig(path=str(place / "shop.py")), trial_dir=str(place / "run"), snapshot="every-turn")
    result = Trial(config).run_sync()
    assert result.verdict.passed, result
    return RunFolder(place / "run"), result


def _run(run: RunFolder, parent: TrialResult, turn: int, **more: Any) -> tuple[TrialResult, list[Event]]:
    spec = fork(run, parent.trial, turn, **more)
    result = runtime().submit(run_fork(run, spec)).result()
    return result, list(read(run.tries(spec.id)[-1] / "journal.jsonl", run.blobs))


def _events(run: RunFolder, result: TrialResult) -> list[Event]:
    return list(read(run.tries(result.trial.id)[-1] / "journal.jsonl", run.blobs))


@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_a_fork_that_changes_nothing_is_the_same_story(recorded, turn):
    run, parent = recorded
    before = {path: path.read_bytes() for path in run.trial(parent.trial.id).rglob("*") if path.is_file()}
    result, events = _run(run, parent, turn)
    assert result.verdict == parent.verdict
    assert result.trial.id != parent.trial.id
    own = _events(run, parent)
    assert [event.equal_part() for event in events[1:]] == [event.equal_part() for event in own[1:]]
    assert events[0].data["branch"]["parent"] == parent.trial.id
    assert {path: path.read_bytes() for path in before} == before, "the parent is as it was"


def test_another_agent_acts_from_there_on(recorded):
    run, parent = recorded
    result, events = _run(run, parent, 3, agent=AgentConfig(name="scripted", kwargs={"script": ["hello", "you"]}))
    assert result.verdict.reward == 0.0
    ends = [event.data["text"] for event in events if event.kind is EventKind.TURN and event.data["state"] == "end"]
    assert ends == ["turn 1", "turn 2", "hello", "you"]
    assert not events[0].data["deterministic"]


def test_the_agent_is_told_something_else(recorded):
    run, parent = recorded
    result, events = _run(run, parent, 3, instruction="turn 7")
    assert [check.passed for check in result.verdict.checks] == [True, False]
    (edit,) = [event for event in events if event.kind is EventKind.OPERATOR]
    assert edit.data == {"edit": "instruction", "value": "turn 7", "before": "turn 3"}
    begins = [
        event.data["instruction"] for event in events if event.kind is EventKind.TURN and "instruction" in event.data
    ]
    assert begins == ["turn 1", "turn 2", "turn 7", "turn 4"]


def test_a_call_is_injected(recorded):
    run, parent = recorded
    mail = {"from_addr": "eve@x.example", "to": "boss@x.example", "subject": "psst", "body": "b"}
    calls = [{"call": "env.email.send", "args": mail}]
    result, events = _run(run, parent, 2, inject=calls)
    assert [check.passed for check in result.verdict.checks] == [False, True], "there are five mails now"
    (edit,) = [event for event in events if event.kind is EventKind.OPERATOR]
    assert edit.data["path"] == "env.email.send"
    again, same = _run(run, parent, 2, inject=calls)
    assert again.trial.id == result.trial.id
    assert len(same) == len(events), "the same fork is the same trial"


def test_another_seed_draws_other_numbers_in_the_world(recorded):
    run, parent = recorded
    _, one = _run(run, parent, 3, seed=5)
    _, two = _run(run, parent, 3, seed=6)
    _, same = _run(run, parent, 3, seed=5, number=2)
    drawn = [[event.equal_part() for event in events if event.kind is EventKind.CHANGE] for events in (one, two, same)]
    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1], "message ids are drawn"
    left = events_before(one, 3)
    assert events_before(two, 3) == left, "before it left, nothing is another"


def events_before(events: list[Event], turn: int) -> list[str]:
    """What happened before a turn began."""
    begins = (
        e.seq for e in events if e.kind is EventKind.TURN and e.data["state"] == "begin" and e.data["number"] == turn
    )
    end = next(begins)
    return [event.equal_part() for event in events[1:] if event.seq < end and event.kind is not EventKind.OPERATOR]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"call": "env.email.send", "args": {"nobody": 1}}, "cannot be injected"),
        ({"call": "env.nothing.send"}, "cannot be injected"),
        ({"call": "nothing"}, "there is no call"),
        ({"call": "agent.act", "args": {"instruction": "x"}}, "program's own"),
        ({"call": "env.clock.advance", "args": {"span": "1h"}}, "program's own"),
    ],
)
def test_what_cannot_be_injected_is_an_error_of_the_fork(recorded, call, told):
    run, parent = recorded
    result, _ = _run(run, parent, 2, inject=[call])
    assert result.error is not None
    assert result.error["type"] == "ConfigError"
    assert told in result.error["message"]
    assert result.verdict.reward is None


def test_forks_of_forks_and_several_of_one_turn(recorded):
    run, parent = recorded
    first, _ = _run(run, parent, 2, number=2, snapshot="every-turn")
    second, events = _run(run, first, 4)
    assert second.verdict == parent.verdict
    assert events[0].data["branch"]["parent"] == first.trial.id
    assert len({first.trial.id, second.trial.id, _run(run, parent, 2, number=3)[0].trial.id}) == 3


@pytest.mark.parametrize("turn", [0, 5])
def test_a_turn_that_never_was_is_refused(recorded, turn):
    run, parent = recorded
    with pytest.raises(ConfigError, match="the trial has 4 turns"):
        fork(run, parent.trial, turn)


@pytest.mark.parametrize("turn", [2, 4])
def test_a_turn_whose_world_was_not_saved_happens_again(recorded, tmp_path, turn):
    """The default keeps nothing of a scored trial's turns."""
    _, parent = recorded
    config = TrialConfig(TaskConfig(path=parent.trial.path), trial_dir=str(tmp_path / "run"))
    scored = Trial(config).run_sync()
    result, events = _run(RunFolder(tmp_path / "run"), scored, turn)
    assert result.verdict == scored.verdict
    own = _events(RunFolder(tmp_path / "run"), scored)
    assert [event.equal_part() for event in events[1:]] == [event.equal_part() for event in own[1:]]
    other, _ = _run(RunFolder(tmp_path / "run"), scored, turn, agent=AgentConfig(name="null"))
    again, _ = _run(RunFolder(tmp_path / "run"), other, max(turn, 3))
    assert again.verdict == other.verdict, "in a fork of a fork, what others did happens again, too"


def test_a_task_that_has_changed_cannot_happen_again(recorded, tmp_path):
    _, parent = recorded
    task = tmp_path / "shop.py"
    task.write_text(TASK)
    scored = Trial(TrialConfig(TaskConfig(path=str(task)), trial_dir=str(tmp_path / "run"))).run_sync()
    task.write_text(TASK.replace('"first"', '"another"'))
    with pytest.raises(ConfigError, match="it goes another way"):
        fork(RunFolder(tmp_path / "run"), scored.trial, 3)
    assert parent.verdict == scored.verdict


def test_a_trial_that_never_ran_cannot_be_forked(recorded):
    run, parent = recorded
    with pytest.raises(ConfigError, match="has never been run"):
        fork(run, replace(parent.trial, seed=99), 1)


def test_the_command(recorded, tmp_path):
    run, parent = recorded
    mail = {"from_addr": "eve@x.example", "to": "boss@x.example", "subject": "psst", "body": "b"}
    inject = json.dumps({"call": "env.email.send", "args": mail})
    base = ["fork", str(run.path), parent.trial.id[:10], "--at", "3"]
    done = CliRunner().invoke(terrarium, [*base, "-n", "2", "--inject", inject, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert [one["trial"]["branch"]["number"] for one in told] == [1, 2]
    shown = CliRunner().invoke(terrarium, ["show", str(run.path)])
    assert f"{parent.trial.id[:8]} at turn 3" in " ".join(shown.output.split())
    assert parent.trial.id in CliRunner().invoke(terrarium, ["show", str(run.path), "shop"]).output, "forks go by ids"
    story = CliRunner().invoke(terrarium, ["show", str(run.path), told[0]["id"]])
    assert f"fork of {parent.trial.id} at turn 3" in story.output
    for words, why in (
        (["--at", "9"], "the trial has 4 turns"),
        (["--at", "2", "--inject", "{"], "--inject is JSON"),
        (["--at", "2", "--inject", "[1]"], "an object"),
        (["--at", "2", "--inject", '{"call": 1}'], "a call such as"),
        (["--at", "2", "-a", "nobody"], "nobody"),
        (["--at", "2", "--task", str(tmp_path / "gone.py")], "say where it is"),
    ):
        refused = CliRunner().invoke(terrarium, [*base[:3], *words])
        assert why in refused.output, (words, refused.output)
        assert refused.exit_code in (1, 2)


def test_an_interrupted_fork_goes_on(recorded, tmp_path):
    """Its journal is cut in its own part, and its record is lost."""
    run, parent = recorded
    result, events = _run(run, parent, 2, number=9, snapshot="every-turn")
    folder: Path = run.tries(result.trial.id)[-1]
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[: len(lines) - 25]))
    (run.path / "verdicts" / f"{result.trial.id}.json").unlink()
    again, same = _run(run, parent, 2, number=9, snapshot="every-turn")
    assert again.verdict == result.verdict
    assert [event.equal_part() for event in same] == [event.equal_part() for event in events]
    assert list(folder.glob("lost-*.jsonl"))


FAILS_ONCE = """
from pathlib import Path

def plan(seat):
    mark = Path({mark!r})
    first = not mark.exists()
    mark.touch()
    yield "once more"
    if first:
        raise RuntimeError("not today")
    yield "again"
"""


def test_a_fork_that_failed_begins_anew_where_it_left_its_parent(recorded, tmp_path):
    run, parent = recorded
    plan = Path(parent.trial.path).with_name("failing.py")
    plan.write_text(FAILS_ONCE.format(mark=str(tmp_path / "mark")))
    agent = AgentConfig(name="scripted", kwargs={"script": "failing:plan"})
    failed, _ = _run(run, parent, 3, agent=agent)
    assert failed.error is not None
    again, events = _run(run, parent, 3, agent=agent)
    assert (again.error, again.tries) == (None, 1)
    ends = [event.data["text"] for event in events if event.kind is EventKind.TURN and event.data["state"] == "end"]
    assert ends == ["turn 1", "turn 2", "once more", "again"], "what its parent did is not done by its agent"
    assert list(run.tries(again.trial.id)[-1].glob("lost-*.jsonl")), "what failed is kept"


def test_a_fork_whose_record_is_gone_is_not_run_again(recorded):
    run, parent = recorded
    result, events = _run(run, parent, 4, number=7)
    (run.path / "verdicts" / f"{result.trial.id}.json").unlink()
    again, same = _run(run, parent, 4, number=7)
    assert (again.verdict, again.tries) == (result.verdict, 1)
    assert [event.wall for event in same] == [event.wall for event in events]
