"""The scripted model: every form of answer, its end, and what is no answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message, TextBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.model.scripted import ScriptedModel
from terrarium.testing import check_model

ASKED = [Message("user", "go")]


def ask(model: Any, messages: Any = ASKED) -> Completion:
    return asyncio.run(model.generate(messages, []))


def test_every_form_of_an_answer():
    own = Completion(Message("assistant", "own"), "length", Usage(7, 8), "m-1")
    model = ScriptedModel(
        ["text", {"say": "said"}, {"tool": "t", "args": {"x": 1}}, ["a", {"tool": "t"}], Message("assistant", "m"), own]
    )
    said = [ask(model) for _ in range(6)]
    assert [one.stop for one in said] == ["end", "end", "tool_use", "tool_use", "end", "length"]
    assert [one.message.text for one in said] == ["text", "said", "", "a", "m", "own"]
    assert said[2].message.tool_uses == [ToolUseBlock("call_1_1", "t", {"x": 1})]
    assert said[5] is own
    assert said[0].model == "scripted"
    assert said[0].usage.input_tokens > 0
    with pytest.raises(ModelFault, match="more than its 6 answers"):
        ask(model)


def test_a_function_answers_what_it_is_asked():
    model = ScriptedModel(lambda messages, tools: f"{messages[-1].text}!", name="echo")
    assert [ask(model, [Message("user", word)]).message.content for word in ("a", "b")] == [
        [TextBlock("a!")],
        [TextBlock("b!")],
    ]
    assert model.asked == 2


def test_it_keeps_the_contract():
    check_model(lambda: ScriptedModel(["yes"] * 6))
    check_model(lambda: ScriptedModel(lambda messages, tools: [{"tool": t.name} for t in tools] or "none"))


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("text", "cannot be read from .text."),
        ([{"tol": "x"}], "did you mean 'tool'"),
        ([7], "neither text nor a tool call"),
    ],
)
def test_what_is_no_answer_is_named_at_once(answers, told):
    with pytest.raises(ConfigError, match=told):
        ScriptedModel(answers)
