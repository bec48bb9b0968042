"""Both wire formats of OpenAI: what is written is read again as it was meant, whole and in pieces."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terrarium.core.errors import ConfigError, ModelFault, Refused
from terrarium.core.message import (
    ImageBlock,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
)
from terrarium.core.model import Completion
from terrarium.core.tool import foreign_tool
from terrarium.core.values import decode, encode
from terrarium.model.wire.openai_chat import OpenAIChatWire
from terrarium.model.wire.openai_responses import OpenAIResponsesWire
from terrarium.model.wire.wire import Asked

CHAT, RESPONSES = OpenAIChatWire(), OpenAIResponsesWire()
WIRES = pytest.mark.parametrize("wire", [CHAT, RESPONSES], ids=lambda wire: wire.name)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ids = st.text("abc123_", min_size=1, max_size=12)
names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(text, values, max_size=3)
images = st.builds(ImageBlock, st.binary(max_size=20), st.sampled_from(["image/png", "image/jpeg"]))
uses = st.builds(ToolUseBlock, ids, names, objects)
results = st.builds(ToolResultBlock, ids, text)
usages = st.builds(lambda i, o, c, r, w: Usage(i + c + w, o + r, c, r, w), *[st.integers(0, 10**6)] * 5)
tools = st.lists(
    st.builds(
        lambda n, d, p: foreign_tool(n, d, {"type": "object", "properties": p}, lambda _: None), names, text, objects
    ),
    max_size=2,
)


def thought(wire, said):
    return ThinkingBlock(said, None if wire is CHAT else f"sealed {said}", wire.name)


@st.composite
def conversations(draw, wire):
    """A system prompt, and turns in which the assistant thinks, speaks and calls, and gets its results."""
    messages = draw(st.lists(st.builds(Message, st.just("system"), text), max_size=1))
    for _ in range(draw(st.integers(1, 3))):
        parts = st.lists(st.builds(TextBlock, text) | images, min_size=1, max_size=3)
        messages.append(Message("user", draw(text | parts)))
        blocks = [thought(wire, draw(text))] if draw(st.booleans()) else []
        blocks += [TextBlock(draw(text))]
        blocks += draw(st.lists(uses, max_size=2))
        messages.append(Message("assistant", blocks))
        if calls := [block.id for block in blocks if isinstance(block, ToolUseBlock)]:
            messages.append(Message("tool", [replace(draw(results), tool_use_id=call) for call in calls]))
    return messages


@st.composite
def completions(draw, wire):
    blocks = [thought(wire, draw(text))] if draw(st.booleans()) else []
    blocks += [TextBlock(draw(text))] if draw(st.booleans()) else []
    blocks += draw(st.lists(uses, max_size=3, unique_by=lambda use: use.id))
    if not any(isinstance(block, (TextBlock, ToolUseBlock)) for block in blocks):
        blocks.append(TextBlock("so be it"))
    used = any(isinstance(block, ToolUseBlock) for block in blocks)
    spoke = any(isinstance(block, TextBlock) for block in blocks)
    stop = "tool_use" if used else draw(st.sampled_from(["end", "length", *(["refusal"] if spoke else [])]))
    logprobs = draw(st.none() | st.lists(st.floats(-9, 0), min_size=1, max_size=3)) if spoke else None
    made = Completion(Message("assistant", blocks), stop, draw(usages), draw(names), logprobs=logprobs)
    if wire is RESPONSES:
        return made if stop != "refusal" else replace(made, logprobs=None)
    tokens = st.none() | st.lists(st.integers(0, 10**6), max_size=4)
    return replace(made, prompt_token_ids=draw(tokens), completion_token_ids=draw(tokens))


PARAMETERS = {
    "openai_chat": {
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 100, "stop": ["END"], "seed": 7, "reasoning": "low",
        "parallel_tool_calls": False, "cache": False, "logprobs": True, "extra": {"top_k": 5},
    },
    "openai_responses": {
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 100, "reasoning": "high", "parallel_tool_calls": True,
        "cache": False, "logprobs": True, "extra": {"service_tier": "flex"},
    },
}  # fmt: skip


def over_the_wire(tree):
    return json.loads(json.dumps(tree, ensure_ascii=False).encode())


@WIRES
@QUICK
@given(data=st.data())
def test_a_request_is_read_as_it_was_meant(wire, data):
    messages, offered = data.draw(conversations(wire)), data.draw(tools)
    parameters = PARAMETERS[wire.name] if offered else {"temperature": 0.25}
    schema = data.draw(st.none() | st.just({"type": "object", "properties": {"a": {"type": "string"}}}))
    asked = wire.read_request(over_the_wire(wire.request("m", messages, offered, parameters, schema)))
    assert asked.messages == messages
    told = [(tool.name, tool.description, tool.parameters) for tool in offered]
    assert [(tool.name, tool.description, tool.parameters) for tool in asked.tools] == told
    assert (asked.model, asked.parameters, asked.schema, asked.stream) == ("m", parameters, schema, False)


@WIRES
@QUICK
@given(data=st.data())
def test_an_answer_is_read_as_it_was_given_whole_and_in_pieces(wire, data):
    completion = data.draw(completions(wire))
    asked = Asked(completion.model, [Message("user", "?")])
    assert wire.read_answer(over_the_wire(wire.answer(completion, asked))) == completion
    events = list(wire.events(completion, asked))
    trees = [over_the_wire(tree) for _, tree in events if not isinstance(tree, str)]
    assert wire.read_answer(wire.assemble(trees)) == completion
    if completion.stop != "refusal":
        assert "".join(wire.text_of(tree) for tree in trees) == completion.message.text
    for cut in range(len(trees) - 1):
        if cut < len(trees) - 2:  # the last of Chat says only the usage
            with pytest.raises(ModelFault, match="cut off"):
                wire.assemble(trees[:cut])


@WIRES
def test_the_text_comes_in_several_pieces(wire):
    use = ToolUseBlock("c", "look", {"where": "in the garden"})
    completion = Completion(Message("assistant", [TextBlock("a longer text"), use]), "tool_use")
    trees = [tree for _, tree in wire.events(completion, Asked("m", [])) if not isinstance(tree, str)]
    assert sum(bool(wire.text_of(tree)) for tree in trees) > 2
    assert sum("in the garden" in json.dumps(tree) for tree in trees[:-1]) <= 2  # only where the item is done


@WIRES
@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"top_k": 3}, "no word for 'top_k'"),
        ({"reasoning": 2000}, "counts no tokens"),
        ({"extra": 3}, "must be a table"),
    ],
)
def test_a_parameter_that_cannot_be_said_is_refused(wire, parameters, told):
    with pytest.raises(ConfigError, match=told):
        wire.request("m", [Message("user", "x")], [], parameters)


def test_responses_have_no_stop_and_no_seed():
    for parameters in ({"stop": ["x"]}, {"seed": 1}):
        with pytest.raises(ConfigError, match="no word"):
            RESPONSES.request("m", [Message("user", "x")], [], parameters)


@WIRES
def test_thinking_of_another_provider_stays_here(wire):
    thoughts = [ThinkingBlock("hidden", "sig", "anthropic"), ThinkingBlock("hidden", "sig"), TextBlock("said")]
    body = wire.request("m", [Message("user", "x"), Message("assistant", thoughts)], [], {})
    assert "hidden" not in json.dumps(body)
    assert "said" in json.dumps(body)


def test_reasoning_of_another_provider_comes_back_through_a_server_of_responses():
    completion = Completion(Message("assistant", [ThinkingBlock("t", "c2ln", "anthropic"), TextBlock("x")]))
    item = RESPONSES.answer(completion, Asked("m", []))["output"][0]
    asked = RESPONSES.read_request({"model": "m", "input": [item, {"role": "user", "content": "go on"}]})
    assert asked.messages[0].content[0] == ThinkingBlock("t", "c2ln", "anthropic")


def test_images_of_a_result_are_in_it_or_follow_it():
    image = ImageBlock(b"png")
    results = [ToolResultBlock("a", "seen", images=[image]), ToolResultBlock("b", "too")]
    messages = [Message("user", "x"), Message("assistant", [ToolUseBlock("a", "f"), ToolUseBlock("b", "f")])]
    messages.append(Message("tool", results))
    assert RESPONSES.read_request(RESPONSES.request("m", messages, [], {})).messages[-1].content == results
    roles = [turn["role"] for turn in CHAT.request("m", messages, [], {})["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user"]
    assert image in CHAT.read_request(CHAT.request("m", messages, [], {})).messages[-1].content


@WIRES
def test_hostile_words_can_be_sent_on(wire):
    use = ToolUseBlock("c", "rm -rf /\x1b", "{broken \ud800")
    messages = [
        Message("user", "half \ud800"),
        Message("assistant", [TextBlock("\udfff"), use]),
        Message("tool", [ToolResultBlock("c", "\ud800", True)]),
    ]
    body = over_the_wire(wire.request("m", messages, [], {}))
    asked = wire.read_request(body)
    assert asked.messages[1].tool_uses[0].name == "rm_-rf___"
    assert asked.messages[2].content[0].content.startswith("error: ")


def chat_answer(**message):
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def chat_call(*functions):
    return chat_answer(tool_calls=[{"id": name, "function": {"name": "f", "arguments": a}} for name, a in functions])


def responses_call(*functions):
    calls = [{"type": "function_call", "call_id": name, "name": "f", "arguments": a} for name, a in functions]
    return {"status": "completed", "output": calls}


@pytest.mark.parametrize(("wire", "call"), [(CHAT, chat_call), (RESPONSES, responses_call)])
@pytest.mark.parametrize(
    "arguments",
    ["{broken", "[1]", '{"a": NaN}', '{"a": 1e999}', '{"a":' * 150 + "1" + "}" * 150, "[" * 100_000, '"text"'],
    ids=lambda arguments: arguments[:12],
)
def test_arguments_that_are_no_object_are_kept_as_text(wire, call, arguments):
    completion = wire.read_answer(call(("c", arguments)))
    assert completion.message.tool_uses[0].input == arguments
    assert decode(encode(completion)) == completion


@pytest.mark.parametrize(("wire", "call"), [(CHAT, chat_call), (RESPONSES, responses_call)])
def test_ids_that_are_missing_or_come_twice_are_replaced(wire, call):
    uses = wire.read_answer(
        call(("x", "{}"), ("x", '{"a":1}'), ("", ""), (None, "{}"), ("y" * 999, "{}"))
    ).message.tool_uses
    assert uses[0].id == "x"
    assert len({use.id for use in uses}) == 5
    assert all(0 < len(use.id) <= 64 for use in uses)
    assert [use.input for use in uses] == [{}, {"a": 1}, {}, {}, {}]


@WIRES
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": "x", "output": "x"},
        {"choices": [7], "output": None},
        {"error": {"message": "overloaded", "code": 503}},
        {"choices": [{"message": {"content": ""}, "finish_reason": "tool_calls"}], "status": "?", "output": []},
    ],
)
def test_what_is_no_answer_is_a_fault(wire, body):
    with pytest.raises(ModelFault, match=r"answer is"):
        wire.read_answer(body)


@WIRES
def test_an_answer_may_hold_nothing(wire):
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "status": "completed", "output": []}
    completion = wire.read_answer(body)
    assert (completion.message, completion.stop) == (Message("assistant", [TextBlock("")]), "end")


def test_nonsense_in_an_answer_is_taken_for_nothing():
    usage = {
        "prompt_tokens": -5,
        "completion_tokens": "many",
        "prompt_tokens_details": 3,
        "completion_tokens_details": None,
    }
    body = {**chat_answer(content="x", tool_calls=[3, {"function": 7}], refusal=9), "usage": usage, "model": 12}
    completion = CHAT.read_answer(body)
    assert completion.usage == Usage()
    assert [use.name for use in completion.message.tool_uses] == [""]
    assert completion.stop == "tool_use"
    nothing = {"output": [None, 3, {"type": "message", "content": [4, {"text": "x"}]}, {"type": "web_search_call"}]}
    assert RESPONSES.read_answer(nothing).message.text == "x"


def test_an_answer_that_used_up_its_tokens_thinking_is_one():
    body = {"choices": [{"message": {"content": None, "reasoning": "hm"}, "finish_reason": "length"}]}
    completion = CHAT.read_answer(body)
    assert (completion.stop, completion.message.content) == ("length", [ThinkingBlock("hm", origin="openai_chat")])
    body = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}
    assert RESPONSES.read_answer(body).stop == "length"


def delta(**piece):
    return {"choices": [{"delta": piece}]}


def piece(call, name="", arguments="", **index):
    return {**index, "id": call, "function": {"name": name, "arguments": arguments}}


ONE_NUMBER = [piece("a", "f", "{}", index=0), piece("b", "g", "{}", index=0)]
NO_NUMBERS = [piece("a", "f"), piece(None, "", "{}"), piece("b", "g")]
MIXED = [piece("a", "f", index=0), piece("b", "g", index=1), piece("", "", "{", index=0), piece("a", "", "}", index=0)]


@pytest.mark.parametrize("calls", [ONE_NUMBER, NO_NUMBERS, MIXED], ids=["one number for all", "no numbers", "mixed"])
def test_tool_calls_are_put_together_as_different_servers_send_them(calls):
    events = [delta(tool_calls=[call]) for call in calls]
    body = CHAT.assemble([*events, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}])
    uses = CHAT.read_answer(body).message.tool_uses
    assert [(use.id, use.name, use.input) for use in uses] == [("a", "f", {}), ("b", "g", {})]


def test_a_stream_that_tells_of_an_error_is_a_fault():
    with pytest.raises(ModelFault, match="overloaded") as caught:
        CHAT.assemble([delta(content="x"), {"error": {"message": "overloaded", "code": "server_error"}}])
    assert caught.value.code == "server_error"
    for event in (
        {"type": "error", "message": "overloaded", "code": "server_error"},
        {"type": "response.failed", "response": {"error": {"message": "overloaded", "code": "server_error"}}},
    ):
        with pytest.raises(ModelFault, match="overloaded") as caught:
            RESPONSES.assemble([event])
        assert caught.value.code == "server_error"


@WIRES
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": None}, "model is missing"),
        ({"messages": [], "input": []}, "is empty"),
        ({"messages": 3, "input": 3}, "(messages|input) is of the wrong type"),
        ({"messages": [3], "input": [3]}, r"\[0\] must be an object"),
        ({"messages": [{"role": "god"}], "input": [{"role": "god"}]}, r"\[0\]\.role is none of"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}],
          "input": [{"role": "user", "content": [{"type": "video"}]}]}, r"\[0\]\.content\[0\]\.type"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}],
          "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x/y.png"}]}]},
         "data URL"),
        ({"tools": [{"type": "function", "function": {}}]}, r"tools\[0\].*name is missing"),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_and_told_where(wire, change, told):
    body = wire.request("m", [Message("user", "x")], [], {})
    with pytest.raises(Refused, match=told):
        wire.read_request(body | change)


def test_a_request_that_leans_on_a_servers_memory_is_refused():
    with pytest.raises(Refused, match="nothing is kept here"):
        RESPONSES.read_request({"model": "m", "input": "x", "previous_response_id": "resp_1"})


def test_only_a_schema_that_is_closed_is_strict():
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    for schema, strict in ((closed, True), ({"type": "object", "properties": {"a": closed}}, False)):
        body = CHAT.request("m", [Message("user", "x")], [], {}, schema)
        assert body["response_format"]["json_schema"]["strict"] is strict
        assert RESPONSES.request("m", [Message("user", "x")], [], {}, schema)["text"]["format"]["strict"] is strict


@WIRES
def test_references_in_the_schema_of_a_tool_stay_what_they_are(wire):
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    body = wire.request("m", [Message("user", "x")], [foreign_tool("look", "", schema, lambda _: None)], {})
    [told] = body["tools"]
    assert told.get("function", told)["parameters"] == schema
