"""`kill -9` of a worker or of everything: no scored trial is lost, none is run twice, nothing is left running."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from terrarium.cli.summary import summary
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job, JobResult
from tests.journeys.run_workers import workers

TASK = """
import time
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def slow(env, agent):
    for number in range(4):
        env.email.send(from_addr="a@x.example", to="b@x.example", subject=f"mail {number}", body="b")
        agent.act("wait")
        time.sleep(0.02)
    return run_checkers({"four": lambda: env.email.count_inbox("b@x.example") == 4})
"""

RUNNER = """
import asyncio, sys
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job
config = JobConfig(agents=(AgentConfig(name="null"),), tasks=(TaskConfig(path=sys.argv[1]),), job_dir=sys.argv[2],
                   n_attempts=int(sys.argv[3]), n_workers=2, baseline=False, snapshot="every-turn")
asyncio.run(Job(config).run())
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "task.py").write_text(TASK)
    return tmp_path / "slow"


def _config(task: Path, run: Path, attempts: int) -> JobConfig:
    return JobConfig(
        agents=(AgentConfig(name="null"),),
        tasks=(TaskConfig(path=str(task)),),
        job_dir=str(run),
        n_attempts=attempts,
        n_workers=2,
        baseline=False,
        snapshot="every-turn",
    )


def _verdicts(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "verdicts").glob("[!.]*.json")}


def test_killing_everything_loses_nothing_and_repeats_nothing(task, tmp_path):
    run, attempts, dice = tmp_path / "run", 24, random.Random(7)
    kept: dict[str, bytes] = {}
    for _ in range(4):
        command = [sys.executable, "-c", RUNNER, str(task), str(run), str(attempts)]
        runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while len(_verdicts(run)) <= len(kept) and runner.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(dice.random() * 0.3)
        runner.kill()
        runner.wait()
        for _ in range(100):
            if not workers(run):
                break
            time.sleep(0.05)
        assert not workers(run), "workers die with their supervisor"
        now = _verdicts(run)
        for name, before in kept.items():
            assert now[name] == before, "a scored trial was run again"
        kept = now
    result = asyncio.run(Job(_config(task, run, attempts)).run())
    _all_scored(result, attempts)
    for name, before in kept.items():
        assert _verdicts(run)[name] == before


def test_killing_a_worker_costs_no_trial(task, tmp_path):
    run = tmp_path / "run"

    async def go() -> JobResult:
        job = Job(_config(task, run, 16))
        killed: list[int] = []

        def kill_one(_data: object) -> None:
            if len(killed) < 2:
                for pid in workers(run)[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

        job.on("finished", kill_one)
        result = await job.run()
        assert len(killed) == 2
        return result

    _all_scored(asyncio.run(go()), 16)


def test_killing_the_workers_that_list_the_tasks_costs_nothing(task, tmp_path):
    run = tmp_path / "run"

    async def go() -> JobResult:
        job, planned, killed = Job(_config(task, run, 2)), [], set()
        job.on("planned", planned.append)
        running = asyncio.create_task(job.run())
        while len(killed) < 2 and not running.done():
            assert not planned, "nobody was killed"
            for pid in set(workers(run)) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            await asyncio.sleep(0.01)
        return await running

    result = asyncio.run(go())
    assert result.broken == []
    _all_scored(result, 2)


def _all_scored(result: JobResult, attempts: int) -> None:
    assert result.undone == 0
    assert [one.verdict.reward for one in result.results] == [1.0] * attempts
    assert not list(Path(result.folder).glob("trials/*/try-*/world"))


def test_an_unwritable_folder_is_one_clear_error(task, tmp_path):
    from terrarium.core.errors import EngineFault

    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EngineFault, match="file"):
        asyncio.run(Job(_config(task, tmp_path / "file" / "run", 1)).run())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_ends_in_records_or_messages_never_in_a_hang(task, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        result = asyncio.run(Job(_config(task, disk / "run", 12)).run())
        failed = [one for one in result.results if not one.scored]
        assert failed, "the disk was not full"
        assert all(one.verdict.reward is None for one in failed)
        assert all(one.error is not None and one.error["boundary"] == "engine" for one in failed)
        assert any("No space left" in one.error["message"] for one in failed if one.error)
        assert result.exit_code == 1
        told = summary(result)["errors"]
        assert len(told) == 1, f"one cause is told once, whatever the file: {[group['message'] for group in told]}"
        assert sum(group["count"] for group in told) == len(failed)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_listener_that_fails_harms_no_trial(task, tmp_path):
    def fail(_data: object) -> None:
        raise OSError("no space left behind the terminal")

    job = Job(_config(task, tmp_path / "run", 4))
    for event in ("started", "progress", "finished"):
        job.on(event, fail)
    _all_scored(asyncio.run(job.run()), 4)
