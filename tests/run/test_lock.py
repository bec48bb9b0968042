"""The lock of a run's folder: one writer at a time, and none after a kill."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from terrarium.core.errors import ConfigError, EngineFault
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job
from terrarium.run.lock import Lock
from terrarium.run.trial import Trial, TrialConfig

HOLD = """
import sys, time
from pathlib import Path
from terrarium.run.lock import Lock
with Lock(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(600)
"""

TASK = """
from terrarium import entry, run_checkers

@entry()
def fn(env, agent):
    return run_checkers({"fine": lambda: True})
"""


def _holder(folder: Path, how: str) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), how], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "fine.py").write_text(TASK)
    return tmp_path / "fine.py"


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_a_second_run_is_refused_by_the_number_of_the_first_and_free_after_a_kill(task, tmp_path, how):
    run = tmp_path / "run"
    config = JobConfig(agents=(AgentConfig(name="null"),), tasks=(TaskConfig(path=str(task)),), job_dir=str(run))
    trial = Trial(TrialConfig(TaskConfig(path=str(task)), AgentConfig(name="null"), trial_dir=str(run)))
    holder = _holder(run, how)
    try:
        with pytest.raises(ConfigError, match=f"in use by process {holder.pid}"):
            asyncio.run(Job(config).run())
        if how == "alone":
            with pytest.raises(ConfigError, match=f"in use by process {holder.pid}"):
                trial.run_sync()
        else:
            assert trial.run_sync().scored, "trials share the folder of a run"
    finally:
        holder.kill()
        holder.communicate()
    assert all(one.scored for one in asyncio.run(Job(config).run()).results)
    assert not list(tmp_path.rglob("run.lock"))


def test_one_trial_is_not_run_twice_at_once(task, tmp_path):
    trial = Trial(TrialConfig(TaskConfig(path=str(task)), AgentConfig(name="null"), trial_dir=str(tmp_path / "run")))
    with Lock(trial.folder.trial(trial.spec.id)), pytest.raises(ConfigError, match="this process already"):
        trial.run_sync()
    assert trial.run_sync().scored


def test_a_folder_that_cannot_be_made_is_an_engine_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineFault, match="cannot write"), Lock(tmp_path / "file" / "run"):
        pass
