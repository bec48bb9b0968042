"""The wire formats of Anthropic and Google: what one side writes, the other reads as it was meant."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrarium.core.errors import ConfigError, ModelFault, Refused
from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import foreign_tool
from terrarium.core.values import decode, encode
from terrarium.model.wire.anthropic import AnthropicWire
from terrarium.model.wire.google import GoogleWire
from terrarium.model.wire.wire import Asked, Wire

ANTHROPIC, GOOGLE = AnthropicWire(), GoogleWire()
BOTH = pytest.mark.parametrize("wire", [ANTHROPIC, GOOGLE], ids=lambda wire: wire.name)
MODEL = "gemini-3-pro"
PATH = f"/v1beta/models/{MODEL}:generateContent"
ASKED = Asked(MODEL, [Message("user", "hello")])
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
PNG = ImageBlock(b"\x89PNG...", "image/png")

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda text: text.strip())
ids = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(words, values, max_size=3)
images = st.builds(ImageBlock, st.binary(min_size=1, max_size=20), st.sampled_from(["image/png", "image/jpeg"]))
usages = st.builds(
    lambda fresh, cached, written, said, thought: Usage(
        fresh + cached + written, said + thought, cached, thought, written
    ),
    *[st.integers(0, 10**7)] * 5,
)


def tool_of(name: str, description: str, fields: dict[str, Any]) -> Any:
    return foreign_tool(name, description, {"type": "object", "properties": fields}, lambda given: None)


tools = st.lists(st.builds(tool_of, ids, words, tables), max_size=2)


@st.composite
def answers(draw: Any, wire: Wire) -> Completion:
    """An answer as the provider gives them: thinking, then text, then calls with ids of their own."""
    blocks: list[Any] = []
    if draw(st.booleans()):
        blocks.append(ThinkingBlock(draw(words), draw(ids), wire.name))
    if draw(st.booleans()) or not blocks:
        blocks.append(TextBlock(draw(words)))
    for name in draw(st.lists(ids, max_size=3, unique=True)):
        blocks.append(ToolUseBlock(name, draw(ids), draw(tables), draw(ids) if wire is GOOGLE else None))
    calls = any(isinstance(block, ToolUseBlock) for block in blocks)
    stop = "tool_use" if calls else draw(st.sampled_from(["end", "length", "refusal", "other"]))
    usage = draw(usages)
    if wire is GOOGLE:
        usage = replace(usage, cache_write_tokens=0)
    return Completion(Message("assistant", blocks), stop, usage, draw(ids))


@st.composite
def conversations(draw: Any, wire: Wire) -> list[Message]:
    messages = [Message("system", text) for text in draw(st.lists(words, max_size=2))]
    messages.append(
        Message("user", draw(words | st.lists(st.builds(TextBlock, words) | images, min_size=1, max_size=2)))
    )
    for turn in draw(st.lists(answers(wire), max_size=3)):
        messages.append(turn.message)
        results = [
            ToolResultBlock(call.id, draw(words), draw(st.booleans()), draw(st.lists(images, max_size=1)))
            for call in turn.message.tool_uses
        ]
        messages += [Message("tool", results)] if results else []
        messages += [Message("user", draw(words))] if draw(st.booleans()) or not results else []
    return messages


@st.composite
def parameters(draw: Any, wire: Wire) -> dict[str, Any]:
    given: dict[str, Any] = {
        "temperature": draw(st.floats(0, 1)),
        "top_p": draw(st.floats(0, 1)),
        "top_k": draw(st.integers(1, 100)),
        "max_tokens": draw(st.integers(1, 10**5)),
        "stop": draw(st.lists(words, min_size=1, max_size=3)),
        "reasoning": draw(st.sampled_from(["none", "low", "medium", "high", 2048])),
    }
    given |= {"seed": draw(st.integers(0, 10**6)), "logprobs": True} if wire is GOOGLE else {"cache": True}
    return {name: value for name, value in given.items() if draw(st.booleans())}


@BOTH
@settings(max_examples=25)
@given(data=st.data())
def test_a_request_is_read_as_it_was_meant(wire, data):
    messages, offered = data.draw(conversations(wire)), data.draw(tools)
    given, schema = data.draw(parameters(wire)), data.draw(st.none() | st.just(CLOSED))
    body = json.loads(json.dumps(wire.request(MODEL, messages, offered, given, schema)))
    asked = wire.read_request(body, PATH)
    assert asked.model == MODEL
    assert {name: asked.parameters[name] for name in given} == given
    assert asked.schema == schema
    assert [(t.name, t.description, t.parameters) for t in asked.tools] == [
        (t.name, t.description, t.parameters) for t in offered
    ]
    assert wire.request(asked.model, asked.messages, asked.tools, asked.parameters, asked.schema) == body
    heard = "".join(block.text for m in asked.messages for block in m.content if isinstance(block, TextBlock))
    assert [m.tool_uses for m in asked.messages if m.tool_uses] == [m.tool_uses for m in messages if m.tool_uses]
    for message in messages:
        if message.role == "user" and isinstance(message.content, list):
            assert all(block.text in heard for block in message.content if isinstance(block, TextBlock))


@BOTH
@settings(max_examples=25)
@given(data=st.data())
def test_an_answer_is_read_as_it_was_meant_whole_and_in_pieces(wire, data):
    completion = data.draw(answers(wire))
    body = json.loads(json.dumps(wire.answer(completion, ASKED)))
    assert wire.read_answer(body) == completion
    events = [json.loads(json.dumps(event)) for _, event in wire.events(completion, ASKED)]
    assert wire.read_answer(wire.assemble(events)) == completion
    assert "".join(wire.text_of(event) for event in events) == completion.message.text
    for cut in range(len(events)):
        with pytest.raises(ModelFault, match="cut off"):
            wire.assemble(events[:cut])


@BOTH
@settings(max_examples=30)
@given(tree=tables)
def test_nonsense_is_refused_in_words(wire, tree):
    with pytest.raises(ModelFault):
        wire.read_answer(tree)
    with pytest.raises(Refused):
        wire.read_request({**tree, "messages": tree}, PATH)
    with pytest.raises(ModelFault):
        wire.assemble([tree, tree])
    assert isinstance(wire.text_of(tree), str)


@BOTH
@settings(max_examples=30)
@given(data=st.data())
def test_an_answer_with_anything_anywhere_is_taken_or_is_a_fault(wire, data):
    """One place of a good answer is replaced by anything."""
    body = wire.answer(data.draw(answers(wire)), ASKED)
    place: Any = body
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(values)
    try:
        completion = wire.read_answer(body)
    except ModelFault:
        return
    assert decode(encode(completion)) == completion
    names = [call.id for call in completion.message.tool_uses]
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("wire", "given", "told"),
    [
        (ANTHROPIC, {"seed": 1}, "no word for seed=1"),
        (ANTHROPIC, {"logprobs": True}, "no word for logprobs"),
        (GOOGLE, {"parallel_tool_calls": False}, "no word for parallel_tool_calls"),
        (GOOGLE, {"temprature": 1}, "did you mean 'temperature'"),
        (ANTHROPIC, {"reasoning": "hard"}, "none, low, medium, high or a number"),
        (ANTHROPIC, {"stop": "END"}, "stop is a list"),
        (ANTHROPIC, {"extra": 3}, "extra is a table"),
    ],
)
def test_what_a_format_has_no_word_for_is_refused(wire, given, told):
    with pytest.raises(ConfigError, match=told):
        wire.request(MODEL, [], [], given)


@BOTH
def test_extra_is_laid_over_the_body(wire):
    extra = {"generationConfig": {"temperature": 0.1}, "output_config": {"effort": "max"}, "new": [1]}
    body = wire.request(MODEL, [Message("user", "hi")], [], {"temperature": 1.0, "extra": extra}, CLOSED)
    assert body["new"] == [1]
    assert body["generationConfig"]["temperature"] == 0.1
    assert body["output_config"]["effort"] == "max"
    inner = body["output_config"] if wire is ANTHROPIC else body["generationConfig"]
    assert len(inner) > 1  # what was there beside it has stayed


@BOTH
def test_thinking_of_another_provider_is_left_out(wire):
    other = ThinkingBlock("secret thoughts", "sig", "openai_responses")
    messages = [Message("user", "a"), Message("assistant", [other, TextBlock("b")]), Message("user", "c")]
    assert "secret thoughts" not in json.dumps(wire.request(MODEL, messages, [], {}))


@BOTH
def test_what_no_server_takes_is_replaced_before_it_is_sent(wire):
    call = ToolUseBlock("c", "f", {"half": "\ud800", "number": float("nan"), "\udfff": 1})
    messages = [Message("user", "\ud83d and \ud83d\ude00"), Message("assistant", [call])]
    text = json.dumps(wire.request(MODEL, messages, [], {}), ensure_ascii=False, allow_nan=False)
    assert text.encode("utf-8")


@BOTH
def test_calls_without_ids_or_with_the_same_get_ids_of_their_own(wire):
    blocks: list[Any] = [ToolUseBlock("", "f"), ToolUseBlock("x", "g"), ToolUseBlock("x", "h")]
    body = wire.answer(Completion(Message("assistant", blocks), "tool_use"), ASKED)
    names = [call.id for call in wire.read_answer(body).message.tool_uses]
    assert len(set(names)) == 3
    assert all(names)
    assert names[1] == "x"
    assert names == [call.id for call in wire.read_answer(body).message.tool_uses]  # the same answer, the same names


@BOTH
def test_arguments_that_are_no_object_are_kept_as_text(wire):
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    blocks: list[Any] = [ToolUseBlock(str(n), "f", value) for n, value in enumerate(['{"a": ', [1, 2], {"deep": deep}])]
    completion = wire.read_answer(wire.answer(Completion(Message("assistant", blocks), "tool_use"), ASKED))
    kept = [call.input for call in completion.message.tool_uses]
    assert kept[:2] == ['{"a": ', "[1, 2]"]
    assert kept[2].startswith('{"deep": [[[')
    assert encode(completion)


@BOTH
def test_an_answer_may_hold_nothing_where_it_says_why(wire):
    empty = Completion(Message("assistant", []), "end", Usage(1, 1), "m")
    assert wire.read_answer(wire.answer(empty, ASKED)) == replace(empty, message=Message("assistant", [TextBlock("")]))
    for stop in ("refusal", "length"):
        said = replace(empty, stop=stop)
        assert wire.read_answer(wire.answer(said, ASKED)) == said
    with pytest.raises(ModelFault, match="holds nothing"):
        wire.read_answer(wire.answer(replace(empty, stop="other"), ASKED))


@BOTH
def test_an_error_in_a_stream_or_in_place_of_an_answer_is_told(wire):
    error = wire.error(529 if wire is ANTHROPIC else 503, "too many of you")
    with pytest.raises(ModelFault, match="too many of you") as told:
        wire.assemble([error])
    assert told.value.code in ("overloaded_error", "UNAVAILABLE")
    with pytest.raises(ModelFault, match="too many of you"):
        wire.read_answer(error)
