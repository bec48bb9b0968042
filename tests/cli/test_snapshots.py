"""`terrarium snapshots`: what was saved of a run, of a trial, and what one snapshot holds."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

STORY = """
    from terrarium import entry, run_checkers

    @entry(capabilities=["email", "workspace"], capabilities_config={"workspace": {"sandbox": "memory"}})
    def program(env, agent):
        env.email.send("ann@x.example", env.email.address(), "Hi", "x" * 100_000)
        agent.act("one")
        agent.act("two")
        return run_checkers({"fine": lambda: True})

    @program.solution
    def solve(seat):
        seat.call("workspace_write", path="mine.txt", content="mine")
        yield "done"
        yield "done"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one trial, all of whose snapshots are kept."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "task.py").write_text(textwrap.dedent(STORY))
    config = TrialConfig(
        task=TaskConfig(path=str(folder / "task.py")),
        agent=AgentConfig(name="oracle"),
        trial_dir=str(folder / "out"),
        snapshot="every-turn",
    )
    assert Trial(config).run_sync().verdict.passed
    return folder / "out"


def told(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(terrarium, ["snapshots", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def as_data(*args: object) -> Any:
    return json.loads(told(*args, "--json"))


def test_a_run_and_a_trial_are_listed(run: Path):
    rows = as_data(run)
    assert [row["why"] for row in rows][:2] == ["turn end", "turn end"]
    assert [row["turn"] for row in rows][:2] == [1, 2]
    assert rows[-1]["why"] == "end"
    assert [row["event"] for row in rows] == sorted(row["event"] for row in rows)
    assert {tuple(row["capabilities"]) for row in rows} == {("email", "workspace")}
    assert all(row["own"] > 0 and row["shared"] > 0 and row["trouble"] is None for row in rows)
    trial = rows[0]["trial"]
    assert as_data(run, rows[0]["task"]) == as_data(run, trial[:8]) == as_data(run / "trials" / trial) == rows
    text = told(run)
    assert rows[0]["snapshot"][:12] in text
    assert "2030-01-07 09:00" in text


def test_one_is_described(run: Path):
    first = as_data(run)[0]
    one = as_data(run, "--snapshot", first["snapshot"][:10])
    parts = {part["capability"]: part for part in one["capabilities"]}
    assert parts["workspace"]["rows"] > 0
    assert len(parts["email"]["digest"]) == 64
    assert one["clock"] >= "2030-01-07T09:00"
    text = told(run, "--snapshot", first["snapshot"][:10])
    assert "nothing was running" in text
    assert parts["email"]["digest"][:12] in text


def test_what_is_not_there_is_said(run: Path, tmp_path: Path):
    assert "there is no run" in told(tmp_path / "none", code=2)
    assert "has no 'f00'" in told(run, "--snapshot", "f00", code=2)
    assert "snapshots of" in told(run, "--snapshot", "", code=2)
    assert "has no trial" in told(run, "nobody", code=2)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    rows = as_data(copy)
    shutil.rmtree(rows[0]["path"])
    Path(rows[1]["path"], "world.json").write_text("{}")
    after = as_data(copy)
    assert after[0]["trouble"] == "gone"
    assert "damaged" in after[1]["trouble"]
    assert "gone" in told(copy)
    assert "not there any more" in told(copy, "--snapshot", rows[0]["snapshot"], code=1)
    assert "damaged" in told(copy, "--snapshot", rows[1]["snapshot"], code=1)
    shutil.rmtree(copy / "snapshots")
    assert {row["trouble"] for row in as_data(copy)} == {"gone"}


def test_steps_in_turns_are_listed_while_they_are_there(tmp_path: Path):
    (tmp_path / "task.py").write_text(textwrap.dedent(STORY))
    agent, task = AgentConfig(name="oracle"), TaskConfig(path=str(tmp_path / "task.py"))
    for mode in ("every-step", "auto"):
        config = TrialConfig(task=task, agent=agent, trial_dir=str(tmp_path / mode), snapshot=mode)
        assert Trial(config).run_sync().verdict.passed
    rows = as_data(tmp_path / "every-step")
    assert [row["event"] for row in rows] == sorted(row["event"] for row in rows)
    assert {row["why"] for row in rows} == {"step", "turn end", "checks", "end"}
    assert [row["turn"] for row in rows if row["why"] == "step"] == [1, 1, 2]
    points = next((tmp_path / "auto" / "trials").glob("*/try-1")) / "points.jsonl"
    points.write_text(json.dumps({"seq": 3, "snapshot": "0" * 64}) + "\n")
    assert "step" not in {row["why"] for row in as_data(tmp_path / "auto")}
