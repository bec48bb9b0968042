"""The scripted agent does what its script says and nothing else."""

from __future__ import annotations

import pytest

from terrarium.agent.scripted import ScriptedAgent
from terrarium.core.errors import ConfigError
from terrarium.run.config import AgentConfig

TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    for round in range(3):
        env.reward(agent.act(f"round {round}").text, 0)
    return run_checkers({"notes": lambda: env.notes.count() == 2})
"""


def test_calls_and_replies_in_order_then_silence(play):
    script = [
        {"tool": "notes_add", "args": {"text": "a"}},
        {"tool": "nosuch"},
        "first",
        {"tool": "notes_add", "args": {"text": "b"}},
        {"say": "second"},
    ]
    played = play(TASK, script)
    assert played.reward == 1.0
    assert played.said == ["first", "second", ""]
    assert [event.data["tool"] for event in played.events("tool_call")] == ["notes_add", "nosuch", "notes_add"]


def solve(seat):
    for text in "ab":
        seat.call("notes_add", text=text)
        yield text


def test_a_generator_named_by_its_path(play):
    played = play(TASK, AgentConfig(name="scripted", kwargs={"script": "test_scripted:solve"}))
    assert played.reward == 1.0
    assert played.said == ["a", "b", ""]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("text", "a script is a list"),
        ([5], "script entry 0 is neither"),
        (["a", {}], "script entry 1 is neither"),
        ([{"tol": "x"}], "did you mean 'tool'"),
    ],
)
def test_bad_scripts_are_refused(script, told):
    with pytest.raises(ConfigError, match=told):
        ScriptedAgent(script)
