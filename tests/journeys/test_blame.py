"""A process that stands still: only who was seen to hold it is blamed, and nobody for a pause of the machine."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import Job, JobResult
from tests.journeys.run_workers import workers

TASK = """
import time
from pathlib import Path
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def calm(env, agent):
    for number in range(4):
        env.email.send("a@x.example", "b@x.example", f"mail {number}", "b")
        agent.act("wait")
        time.sleep(0.3)
    return run_checkers({"four": lambda: env.email.count_inbox("b@x.example") == 4})
"""

AGENT = """
import os, re, time
from terrarium.core.agent import Reply

class Heavy:
    timing = "fixed"
    def __init__(self, how): self.how = how
    async def open(self, seat): ...
    async def act(self, instruction, seat, resumed=False):
        if self.how == "sleeps": time.sleep(60)
        if self.how == "holds the lock": re.match(r"(a+)+$", "a" * 60 + "b")
        if self.how == "leaves": os._exit(9)
        return Reply.say("done")
    def save(self): return None
    def load(self, memory): ...
    async def close(self): ...
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "calm.py").write_text(TASK)
    (tmp_path / "heavy_agent.py").write_text(AGENT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def _config(place: Path, *agents: AgentConfig) -> JobConfig:
    return JobConfig(
        agents=agents,
        tasks=(TaskConfig(path=str(place / "calm.py")),),
        job_dir=str(place / "run"),
        n_workers=1,
        baseline=False,
        snapshot="every-turn",
        retry=RetryConfig(max_retries=0),
    )


def _heavy(how: str) -> AgentConfig:
    return AgentConfig(name=f"heavy {how}", import_path="heavy_agent:Heavy", kwargs={"how": how})


@pytest.mark.parametrize("how", ["sleeps", "holds the lock", "leaves"])
def test_an_agent_that_holds_the_process_is_blamed_and_its_neighbours_are_not(place, how):
    result = asyncio.run(Job(_config(place, _heavy(how), AgentConfig(name="null"))).run())
    heavy, calm = result.results
    assert heavy.error is not None
    assert heavy.error["boundary"] == "agent", heavy.error
    assert "'agent'" in heavy.error["message"]
    assert heavy.verdict.reward is None
    assert calm.verdict.reward == 1.0


def test_a_pause_of_the_machine_costs_no_trial(place):
    async def go() -> JobResult:
        job = Job(_config(place, AgentConfig(name="null")))
        stopped: list[int] = []

        def stop(_data: object) -> None:
            if not stopped and _data["turn"] == 2:  # type: ignore[index]
                for pid in workers(place / "run"):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)

        job.on("progress", stop)
        result = await job.run()
        assert stopped
        return result

    (calm,) = asyncio.run(go()).results
    assert calm.error is None
    assert calm.verdict.reward == 1.0
    assert calm.tries == 1, "it went on from its last snapshot"
