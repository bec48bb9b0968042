from __future__ import annotations

import asyncio

from terrarium.core.message import Message
from terrarium.core.model import Completion, Structured
from terrarium.core.offers import offers
from terrarium.model.remembered import RememberedModel, remembered
from terrarium.model.scripted import ScriptedModel
from terrarium.model.tape import Request

ASKED = [Message("user", "What now?")]


def _answer(text: str, messages: list[Message], name: str = "scripted") -> Completion:
    return Completion(Message("assistant", text), request=Request.of(name, {}, messages, []).digest)


def _texts(model: RememberedModel, *conversations: list[Message]) -> list[str]:
    async def ask() -> list[str]:
        return [(await model.generate(messages, [])).message.text for messages in conversations]

    return asyncio.run(ask())


def test_the_same_request_gets_the_lost_answers_and_then_new_ones() -> None:
    live = ScriptedModel(["new"])
    model = RememberedModel(live, [_answer("first", ASKED), _answer("second", ASKED)])
    assert _texts(model, ASKED, ASKED, ASKED) == ["first", "second", "new"]
    assert live.asked == 1


def test_another_request_another_model_or_an_answer_without_digest_is_no_match() -> None:
    lost = [_answer("theirs", [Message("user", "Else?")]), _answer("x", ASKED, "other"), Completion(ASKED[0])]
    assert _texts(RememberedModel(ScriptedModel(["new"]), lost), ASKED) == ["new"]


def test_a_model_can_still_do_what_it_could() -> None:
    class Strict(ScriptedModel):
        async def generate_json(self, messages: object, schema: object) -> Completion:
            return Completion(Message("assistant", "{}"))

    plain, strict, lost = ScriptedModel([]), Strict([]), [_answer("x", ASKED)]
    assert remembered(plain, []) is plain
    assert not offers(remembered(plain, lost), Structured)
    again = remembered(strict, lost)
    assert isinstance(again, Structured)
    assert asyncio.run(again.generate_json(ASKED, {})).message.text == "{}"


def test_an_answer_that_was_held_to_a_schema_is_remembered_too() -> None:
    class Strict(ScriptedModel):
        async def generate_json(self, messages: object, schema: object) -> Completion:
            return Completion(Message("assistant", "{}"))

    request = Request.of("scripted", {"schema": {"type": "object"}}, ASKED, []).digest
    lost = Completion(Message("assistant", '{"a": 1}'), request=request)
    model = remembered(Strict([]), [lost])
    assert isinstance(model, Structured)
    answers = [asyncio.run(model.generate_json(ASKED, {"type": kind})) for kind in ("array", "object", "object")]
    assert [answer.message.text for answer in answers] == ["{}", '{"a": 1}', "{}"]
