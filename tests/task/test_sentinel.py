"""A task that replaces what judges and times harms only itself."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

import terrarium.core.verdict as verdict
import terrarium.task.checking as checking
from terrarium.core.errors import EngineFault, TaskBroken, TaskFault
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job
from terrarium.task.module import load
from terrarium.task.sentinel import Watch

POISON = [
    ("import terrarium.task.checking as c; c.score = lambda checks: 1.0", "terrarium.task.checking.score"),
    ("import time; time.monotonic = lambda: 0.0", "time.monotonic"),
    ("import terrarium.core.verdict as v; v.score.__code__ = (lambda checks: 1.0).__code__", "verdict.score"),
    ("import terrarium.task.checking as c; c.CheckerResults.verdict = None", "CheckerResults.verdict"),
    ("import builtins; builtins.sum = max", "builtins.sum"),
]
CLEAN = (verdict.score, checking.score, checking.score.__code__, checking.CheckerResults.verdict, time.monotonic, sum)


def now() -> tuple[object, ...]:
    return (
        verdict.score,
        checking.score,
        checking.score.__code__,
        checking.CheckerResults.verdict,
        time.monotonic,
        sum,
    )


@pytest.mark.parametrize(("poison", "told"), POISON)
def test_a_file_that_replaces_it_is_broken_and_it_is_put_back(tmp_path: Path, poison: str, told: str):
    (tmp_path / "task.py").write_text(poison)
    with pytest.raises(TaskBroken, match=f"the task replaced .*{told}"):
        load(tmp_path / "task.py")
    assert now() == CLEAN


@pytest.mark.parametrize(("poison", "told"), POISON)
def test_a_trial_that_replaces_it_is_to_blame_and_its_neighbours_are_run_again(tmp_path: Path, poison: str, told: str):
    one, other = Watch(str(tmp_path / "one" / "task.py")), Watch(str(tmp_path / "other" / "task.py"))
    try:
        exec(compile(poison, str(tmp_path / "one" / "task.py"), "exec"))
        with pytest.raises((TaskFault, EngineFault)) as first:
            one.check()
        assert now() == CLEAN
        if "lambda" in poison:
            assert isinstance(first.value, TaskFault)
            assert told in str(first.value)
        with pytest.raises(EngineFault, match="another trial"):
            other.check()
        if "lambda" in poison:  # also where the neighbour comes upon it first
            exec(compile(poison, str(tmp_path / "one" / "task.py"), "exec"))
            with pytest.raises(EngineFault, match="another trial"):
                other.check()
            with pytest.raises(TaskFault, match=told):
                one.check()
        assert one.tripped
        assert other.tripped
    finally:
        one.end()
        other.end()
    alone = Watch(str(tmp_path / "one" / "task.py"))
    try:
        alone.check()
        exec(poison)
        with pytest.raises(TaskFault, match=told):
            alone.check()
    finally:
        alone.end()


TASK = """
from terrarium import entry, run_checkers

@entry(null="any")
def t(env, agent):
    {poison}
    agent.act("x")
    return run_checkers({{"never": lambda: False}})
"""


def test_in_a_run_the_others_keep_their_scores(tmp_path: Path):
    for name, poison in (("a", "pass"), ("b", POISON[0][0]), ("c", "pass")):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "task.py").write_text(TASK.format(poison=poison))
    config = JobConfig(
        agents=(AgentConfig(name="null"),),
        tasks=(TaskConfig(path=str(tmp_path / "set")),),
        n_workers=1,
        baseline=False,
        job_dir=str(tmp_path / "run"),
    )
    result = asyncio.run(Job(config).run())
    rewards = {one.trial.task: (one.verdict.reward, (one.error or {}).get("boundary")) for one in result.results}
    assert rewards == {"a": (0.0, None), "b": (None, "task"), "c": (0.0, None)}
    assert "terrarium.task.checking.score" in json.dumps([one.error for one in result.results])
