"""Agents of other frameworks: what they do are steps and tool calls of the trial, and its limits hold for them."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path

import pytest

import framework_agents as made
from terrarium.agent.frameworks.function import FunctionAgent
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import ToolUseBlock
from terrarium.core.registry import find
from terrarium.model.scripted import ScriptedModel
from terrarium.run.config import AgentConfig
from terrarium.run.replaying import replay
from terrarium.testing import check_agent

EXAMPLES = Path(__file__).parents[2] / "examples"
TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    for number in range(TURNS):
        reply = agent.act(f"round {number}")
        env.reward(f"{reply.stop}: {reply.text}", 0)
    return run_checkers({"so": lambda: True})
"""
EACH = pytest.mark.parametrize("framework", made.MADE)


@pytest.fixture
def turns(play):
    """`turns(framework, 2, answers...)`: the trial in which a model gives these answers."""

    def go(framework, number, *answers, limits=None, agent=None, source=TASK):
        made.SCRIPT[:], made.ASKED[:] = answers, []
        settings = {"agent": agent or f"framework_agents:{made.MADE[framework]}"}
        config = AgentConfig(name=framework, model_name="framework_agents:telling/t-1", kwargs=settings)
        return play(source.replace("TURNS", str(number)), config, limits=limits)

    return go


def add(text):
    return {"tool": "notes_add", "args": {"text": text}}


@EACH
def test_its_requests_are_steps_and_its_uses_of_tools_are_tool_calls(turns, framework):
    played = turns(framework, 2, [{"say": "I look."}, add("a"), add("b")], "first", add("c"), "second")
    assert played.said == ["completed: first", "completed: second"]
    assert [event.data["arguments"]["text"] for event in played.events("tool_call")] == ["a", "b", "c"]
    assert len(played.events("step")) == 4
    ids = [use.id for event in played.events("model") for use in event.data["completion"].message.tool_uses]
    if framework != "function":
        assert [event.data["id"] for event in played.events("tool_call")] == ids
        assert any(message.text.startswith("round 0") for message in made.ASKED[3])  # it remembers
    roles = [message.role for message in made.ASKED[1]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert made.ASKED[0][0].text == made.RULES
    assert [block.content for block in made.ASKED[1][-1].content] == played.shown()[:2]


@EACH
def test_it_keeps_the_contract(framework):
    def answer(messages, tools):
        return {"tool": "remember", "args": {"text": "y"}} if messages[-1].role == "user" else "done"

    check_agent(
        lambda: find("agent", framework)(ScriptedModel(answer), agent=f"framework_agents:{made.MADE[framework]}")
    )


@EACH
def test_the_example_of_the_framework_runs(framework, capsys, monkeypatch):
    """Here, where the framework is imported already, instead of in a process of its own."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    name = framework if framework == "openai_agents" else f"{framework}_agent"
    runpy.run_path(str(EXAMPLES / f"{name}{'_sdk' if name == framework else ''}.py"), run_name="__main__")
    assert f"{framework}: reward 1.0 in 4 steps" in capsys.readouterr().out


@EACH
def test_what_a_provider_wants_back_goes_back(turns, framework):
    turns(framework, 1, made.signed(1), made.signed(2), "done")
    answers = [message for message in made.ASKED[2] if message.role == "assistant"]
    assert [answer.content for answer in answers] == [made.signed(1).message.content, made.signed(2).message.content]


@EACH
def test_limits_end_its_turn_and_it_is_judged(turns, framework):
    played = turns(framework, 2, add("again"), limits={"steps": 3})
    assert played.said == ["step_limit: ", "step_limit: "]
    assert len(played.events("step")) == 6
    played = turns(framework, 1, add("again"), limits={"tool_calls": 2})
    assert played.said == ["tool_call_limit: "]


@EACH
def test_a_model_that_does_not_answer_is_no_fault_of_the_agent(turns, framework):
    played = turns(framework, 1, add("a"), ModelFault("it is down"))
    assert played.error == "ModelFault: it is down"


@EACH
def test_its_own_mistakes_are_its_own(turns, framework):
    played = turns(framework, 1, "x", agent="framework_agents:broken")
    assert "AgentFault: the agent failed: RuntimeError: the agent's own mistake" in played.error


@EACH
def test_malformed_calls_are_answered(turns, framework):
    nonsense = made.Completion(
        made.Message(
            "assistant", [ToolUseBlock("c1", "notes_add", "{broken"), ToolUseBlock("c2", "notes_add", {"no": 1})]
        ),
        "tool_use",
    )
    played = turns(framework, 1, nonsense, "well")
    assert played.said == ["completed: well"]
    assert "error" in str(made.ASKED[1][-1].content)


@EACH
def test_its_trials_can_be_replayed(turns, framework):
    played = turns(framework, 2, add("a"), "first", add("b"), "second")
    found = asyncio.run(replay(played.journal))
    assert found.difference is None


@EACH
def test_it_is_told_what_the_task_tells_it(turns, framework):
    source = TASK.replace("    for number", '    agent.system_prompt = "You are terse."\n    for number')
    turns(framework, 1, "well", source=source)
    assert [message.text for message in made.ASKED[0] if message.role == "system"] == ["You are terse.", made.RULES]


def test_a_function_without_await_runs_in_a_thread(turns):
    played = turns("function", 1, add("a"), "done", agent="framework_agents:waiting")
    assert played.said == ["completed: done"]
    assert len(played.events("tool_call")) == 1
    played = turns("function", 1, add("a"), agent="framework_agents:waiting", limits={"steps": 1})
    assert played.said == ["step_limit: "]


def test_who_is_not_there_is_told_before_anything_runs(turns):
    played = turns("function", 1, "x", agent="framework_agents:nobody")
    assert "nobody" in played.error
    with pytest.raises(ConfigError):
        FunctionAgent(made.telling("m"), "framework_agents:RULES")
