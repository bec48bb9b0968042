"""An agent's own failures: they are the agent's, they end in time, and a verdict that was reached stands."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from terrarium.core.agent import Reply
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig

TASK = """
@entry(capabilities=["email"], limits={"turn_seconds": 0.4, "open_seconds": 0.4, "close_seconds": 0.4, "tool_calls": 3})
def fn(env, agent):
    agent.act("go")
    return run_checkers({"fine": lambda: True})
"""


class Failing:
    """An agent that does something wrong at one place."""

    timing = "fixed"

    def __init__(self, where: str, how: str) -> None:
        self.where, self.how = where, how

    async def _at(self, where: str) -> None:
        if where != self.where:
            return
        if self.how == "raises":
            raise ValueError("ouch")
        if self.how == "exits":
            raise SystemExit(3)
        if self.how == "hangs":
            await asyncio.sleep(1000)
        ended = time.monotonic() + 30
        while self.how == "hangs on" and time.monotonic() < ended:
            try:
                await asyncio.sleep(0.05)
            except BaseException:
                pass

    async def open(self, seat: Any) -> None:
        await self._at("open")

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        await self._at("act")
        if self.how == "defies":
            ended = time.monotonic() + 30
            while time.monotonic() < ended:
                try:
                    await seat.call(ToolCall("email_list_folders", {}, "1"))
                except BaseException:
                    pass
        return Reply.say("done")

    def save(self) -> Any:
        if self.where == "save":
            if self.how == "raises":
                raise ValueError("ouch")
            return 17
        return b"memory"

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None:
        await self._at("close")


def _failing(where: str, how: str) -> AgentConfig:
    return AgentConfig(name="failing", import_path="test_guard:Failing", kwargs={"where": where, "how": how})


@pytest.mark.parametrize("how", ["raises", "exits", "hangs", "hangs on"])
def test_a_verdict_stands_whatever_the_agent_does_at_its_end(play, how):
    played = play(TASK, _failing("close", how))
    assert played.reward == 1.0
    (note,) = played.events("error")
    assert (note.actor, note.data["boundary"]) == ("agent", "agent")
    assert "close()" in note.data["message"]
    assert played.events()[-1].kind == "verdict"


@pytest.mark.parametrize(
    ("where", "how", "told"),
    [
        ("open", "raises", "open(): ValueError: ouch"),
        ("open", "exits", "SystemExit: 3"),
        ("open", "hangs", "open() did not end within 0.4 s"),
        ("open", "hangs on", "did not stop though its time was up"),
        ("act", "exits", "SystemExit: 3"),
        ("act", "hangs on", "did not stop though its time was up"),
        ("act", "defies", "acts on and on though its turn is over"),
        ("save", "raises", "save(): ValueError: ouch"),
        ("save", "returns a number", "save() gave int"),
    ],
)
def test_what_the_agent_does_wrong_is_the_agents_fault(play, where, how, told):
    played = play(TASK, _failing(where, how), snapshot="every-turn")
    assert played.result.error["boundary"] == "agent", played.error
    assert told in played.error
    assert played.result.verdict.reward is None


def test_a_turn_that_takes_too_long_is_only_cut_short(play):
    played = play(TASK, _failing("act", "hangs"))
    assert played.reward == 1.0
    assert [event.data["stop"] for event in played.events("turn") if event.data["state"] == "end"] == [
        "turn_time_limit"
    ]
