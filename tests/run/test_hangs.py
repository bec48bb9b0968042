"""What never ends: models, people, judges and humans that say nothing, or never stop; limits end each of them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Any

import pytest

from terrarium.core.errors import ModelFault
from terrarium.core.message import Message, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.run.approval_rule import ApprovalRule
from terrarium.run.config import AgentConfig, JudgeConfig, PeopleConfig
from terrarium.run.trial import Trial

TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    reply = agent.act("go")
    env.reward(reply.stop, 0)
    return run_checkers({"so": lambda: True})
"""


class Silent:
    """Never answers."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None: ...


class Busy(Silent):
    """Uses tools without end."""

    async def generate(self, messages: Any, tools: Any) -> Completion:
        await asyncio.sleep(0)
        name = tools[0].name if tools else "nothing"
        return Completion(Message("assistant", [ToolUseBlock("", name, {})]), "tool_use")


def by(model: str, agent: str = "tool_loop", **settings: Any) -> AgentConfig:
    return AgentConfig(name=agent, model_name=f"{__name__}:{model}/m", kwargs=settings)


def with_(played: Any, **more: Any) -> Any:
    played.config = dataclasses.replace(played.config, **more)
    played.trial = Trial(dataclasses.replace(played.config, resume=False))
    return played.run()


def unscored(played: Any) -> bool:
    verdict = played.result.verdict
    return verdict is None or verdict.reward is None


@pytest.mark.parametrize("agent", ["tool_loop", "shell"])
@pytest.mark.parametrize("limit", ["turn_seconds", "trial_seconds"])
def test_a_model_that_never_answers(play: Any, agent: str, limit: str) -> None:
    played = play(TASK, by("Silent", agent), limits={limit: 0.5})
    assert played.said == [{"turn_seconds": "turn_time_limit", "trial_seconds": "time_limit"}[limit]]
    assert played.reward == 1.0


def test_a_human_who_is_not_there(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    monkeypatch.setenv("TERRARIUM_TTY", os.ttyname(slave))
    script = [{"tool": "notes_add", "args": {"text": "keep"}}]
    ask = [ApprovalRule(tool="notes_add", do="ask")]
    played = with_(play(TASK, script, run=False, limits={"turn_seconds": 0.5}), approval=ask)
    os.close(master)
    os.close(slave)
    assert played.said == ["turn_time_limit"]
    assert [event.data["tool"] for event in played.events("tool_call")] == []


USER = """
@entry(["notes"], NOTES)
def fn(env, agent):
    env.user("ann", goal="a flat", persona="curt").answer("hello")
    return run_checkers({"so": lambda: True})
"""


@pytest.mark.parametrize(("model", "error"), [("Silent", "trial_seconds"), ("Busy", "did not come to an end")])
def test_a_person_who_never_ends(play: Any, model: str, error: str) -> None:
    people = PeopleConfig(model_name=f"{__name__}:{model}/m")
    played = with_(play(USER, "null", run=False, limits={"trial_seconds": 0.5}), people=people)
    assert error in played.error
    assert unscored(played)


def test_a_judge_who_never_answers(play: Any) -> None:
    source = """
@entry(["notes"], NOTES)
def fn(env, agent):
    return run_checkers({"so": lambda: env.judge("is it so?", {"a": "b"})})
"""
    judge = JudgeConfig(model_name=f"{__name__}:Silent/m")
    played = with_(play(source, "null", run=False, limits={"trial_seconds": 0.5}), judge=judge)
    assert "trial_seconds" in played.error
    assert unscored(played)


class Quoting(Silent):
    async def generate(self, messages: Any, tools: Any) -> Completion:
        raise ModelFault("you sent Basic YW5uOmh1bnRlcjJwYXNz for ann:hunter2pass")


def test_what_a_server_quotes_in_its_refusal_is_written_down_without_secrets(play: Any) -> None:
    agent = by("Quoting").model_copy(update={"model_kwargs": {"base_url": "http://ann:hunter2pass@m.example"}})
    played = play(TASK, agent)
    assert played.error == "ModelFault: you sent Basic [secret] for ann:[secret]"
    assert not [path for path in played.folder.rglob("*") if path.is_file() and b"hunter2pass" in path.read_bytes()]
    assert b"YW5uOmh1" not in played.journal.read_bytes()
