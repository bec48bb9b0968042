"""The scripts, marks and prompts of simulated people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from terrarium.agent.user.by_model import ModelUser
from terrarium.agent.user.ending import ending_of, mark_of, words
from terrarium.agent.user.prompt import BEGIN, SILENCE
from terrarium.agent.user.script import ScriptedUser, rules_of
from terrarium.core.agent import Notice
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message, ToolResultBlock
from terrarium.core.tool import ToolCall, ToolResult
from terrarium.core.user import TEXT_LIMIT, Outcome
from terrarium.model.scripted import ScriptedModel


class Chair:
    """A seat outside of a world, whose tools give what they are told to."""

    name = "someone"
    tools: Sequence[Any] = ()

    def __init__(self, *news: Notice, **results: Any) -> None:
        self.news, self.results = list(news), results
        self.used: list[tuple[str, Any]] = []

    def notices(self) -> list[Notice]:
        news, self.news = self.news, []
        return news

    async def think(self, request: Any) -> Any:
        return await request()

    async def call(self, call: ToolCall) -> ToolResult:
        self.used.append((call.name, call.arguments))
        value = self.results.get(call.name)
        return ToolResult("no", error="refused") if value is None else ToolResult(str(value), value)


def _hears(user: Any, text: str, chair: Chair | None = None) -> str:
    return str(asyncio.run(user.act(Message("user", text), chair or Chair())).text)


def test_the_first_rule_that_fits_counts_and_lines_are_said_once():
    user = ScriptedUser(
        ["first", {"hears": "b", "says": "B"}, "second", {"hears": "c", "says": "C", "ends": "transfer"}]
    )
    assert [_hears(user, text) for text in ("", "b", "x", "B!", "c")] == [
        "first",
        "B",
        "second",
        "B",
        "C ###TRANSFER###",
    ]
    assert _hears(user, "nothing fits") == "###GIVE-UP###"


def test_what_was_said_is_remembered_across_a_save():
    user = ScriptedUser(["one", "two"])
    _hears(user, "")
    again = ScriptedUser(["one", "two"])
    again.load(user.save() or b"")
    assert _hears(again, "") == "two"


def test_mail_that_cannot_be_read_is_passed_over():
    notice = Notice("New mail", "email")
    user = ScriptedUser([{"hears": "lunch", "says": "yes"}])
    for results in ({}, {"email_list": {"mails": [{"id": "INBOX/1"}]}}, {"email_list": "odd"}):
        chair = Chair(notice, **results)
        assert _hears(user, "", chair) == ""
        assert "email_reply" not in [name for name, _ in chair.used]


def test_what_was_found_is_filled_in_and_nothing_else():
    rule = {
        "hears": r"order (?P<number>\w+)",
        "says": "{number} {goal} {}",
        "does": [{"tool": "look", "args": {"ids": ["{number}"], "deep": 3}}],
    }
    chair = Chair(look={"found": 1})
    assert _hears(ScriptedUser([rule]), "my order A{goal}1, order", chair) == "A {goal} {}"
    assert chair.used == [("look", {"ids": ["A"], "deep": 3})]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (7, "a line or a rule"),
        ({"hears": 7}, "regular expression"),
        ({"says": 7}, "`says` is text"),
        ({"once": "yes"}, "`once` is true or false"),
        ({"does": {"args": {}}}, "does must be"),
        ({"does": {"tool": "a", "with": 1}}, "does must be"),
        ({"does": ["a"]}, "does must be"),
        ({"sayz": "a"}, "did you mean 'says'"),
        ({"ends": "limit"}, "ends must be one of"),
    ],
)
def test_what_is_no_rule_is_named(entry: Any, told: str):
    with pytest.raises(ConfigError, match=told) as error:
        rules_of(["fine", entry])
    assert "script entry 1" in str(error.value)


@pytest.mark.parametrize("kind", [Outcome.SATISFIED, Outcome.GAVE_UP, Outcome.TRANSFER, Outcome.OUT_OF_SCOPE])
def test_a_mark_ends_and_is_not_seen(kind: Outcome):
    assert ending_of(f"Thanks. {mark_of(kind)}") == ("Thanks.", kind.value)
    assert ending_of(mark_of(kind)) == ("", kind.value)


def test_words_hold_no_marks_controls_or_books():
    assert words("a ###ST###STOP###OP### b") == "a  b"
    assert words("\x1b[2Ja\x00\x9bb\r\nc\td\re") == "[2Jab\nc\td\ne"
    assert len(words("x" * 10 * TEXT_LIMIT)) == TEXT_LIMIT
    assert ending_of("plain") == ("plain", None)


def _asked(model: Any) -> ModelUser:
    return ModelUser(model, "ada", "in a hurry", "GOAL", "FACT", lives=False)


def test_a_model_is_told_who_it_is_and_what_it_hears():
    heard: list[list[Message]] = []

    def answer(messages: Sequence[Message], tools: Sequence[Any]) -> Any:
        heard.append(list(messages))
        return [{"tool": "look", "args": {}}] if len(heard) == 2 else "so"

    user = _asked(ScriptedModel(answer))
    chair = Chair(look={"found": 1})
    assert [_hears(user, text, chair) for text in ("", "what?", "")] == ["so", "so", "so"]
    first = heard[0][0]
    assert first.role == "system"
    assert all(part in first.text for part in ("ada", "in a hurry", "GOAL", "FACT", "###STOP###"))
    assert [one[-1].text for one in (heard[0], heard[1], heard[3])] == [BEGIN, "what?", SILENCE]
    block = heard[2][-1].content[0]
    assert isinstance(block, ToolResultBlock)
    assert not block.is_error
    again = _asked(ScriptedModel(answer))
    again.load(user.save() or b"")
    assert _hears(again, "and?") == "so"
    assert len(heard[-1]) == len(heard[3]) + 2


def test_a_model_that_says_nothing_is_asked_twice_and_no_more():
    user = _asked(ScriptedModel(["", "now", "", ""]))
    assert _hears(user, "") == "now"
    with pytest.raises(ModelFault, match="says nothing"):
        _hears(user, "and?")
