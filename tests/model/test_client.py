"""The clients of all providers, through the providers' SDKs: what they ask, and how each fault ends."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.values import decode, encode
from terrarium.model.anthropic import AnthropicModel
from terrarium.model.google import GoogleModel
from terrarium.model.openai_chat import OpenAIChatModel
from terrarium.model.openai_responses import OpenAIResponsesModel
from terrarium.model.server.fault import KINDS
from terrarium.model.tape import Request
from tests.model.client_case import (
    CLIENTS,
    EACH,
    HELLO,
    JSON,
    TOOLS,
    answering,
    base,
    key_name,
    run,
    served,
)

# -- answers ----------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_with_everything(kind, stream):
    """A conversation with images, thinking and results goes out, an answer with thinking and two calls comes in."""
    blocks: list[Any] = [
        ThinkingBlock("hm", None if kind.wire == "openai_chat" else "c2ln", kind.wire),
        TextBlock("Grüße \U0001f33f"),
        ToolUseBlock("a", "look_up", {"word": "ü"}),
        ToolUseBlock("b", "look_up", {}),
    ]
    usage = Usage(120, 30, 100, 10)
    given = Completion(Message("assistant", blocks), "tool_use", usage)
    image = ImageBlock(b"\x89PNG")
    messages = [
        Message("system", "be brief"),
        Message("user", [TextBlock("see"), image]),
        Message("assistant", blocks),
        Message("tool", [ToolResultBlock("a", "seen", images=[image]), ToolResultBlock("b", "no such word", True)]),
    ]

    async def test():
        async with served(kind, answer=given, stream=stream, price="1/10/0.1", temperature=0.5) as (model, server):
            got = await model.generate(messages, TOOLS)
            [request] = server.requests
            return got, request, model.parameters

    got, request, parameters = run(test)
    assert (got.message, got.stop, got.usage, got.model) == (given.message, "tool_use", usage, "m-1")
    assert got.request == Request.of("m-1", parameters, messages, TOOLS).digest
    assert got.cost == pytest.approx((20 * 1 + 100 * 0.1 + 30 * 10) / 1e6)
    assert got.retries == {}
    assert request.asked.stream is stream
    assert request.asked.parameters["temperature"] == 0.5
    assert [m.role for m in request.asked.messages][:4] == ["system", "user", "assistant", "tool"]
    assert request.asked.messages[1] == messages[1]
    assert [use.input for use in request.asked.messages[2].tool_uses] == [{"word": "ü"}, {}]
    results = request.asked.messages[3].content
    assert results[0].content == "seen"
    assert results[1].is_error or results[1].content.startswith("error")
    assert any(
        image in (*message.content, *getattr(message.content[0], "images", ()))
        for message in request.asked.messages[3:]
    )
    assert os.environ[key_name(kind)] not in json.dumps(dict(request.headers)) or kind.provider == "openai"


@EACH
def test_words_come_as_they_are_said(kind):
    async def test():
        said: list[str] = []
        async with served(kind, "slow,seconds=0.001") as (model, _):
            return said, await model.generate_streaming(HELLO, TOOLS, said.append)

    said, completion = run(test)
    assert "".join(said) == completion.message.text == "Good morning to everybody."
    assert len(said) > 1


@EACH
def test_an_answer_held_to_a_schema(kind):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    cut_off = Completion(Message("assistant", [TextBlock('{"a":')]), "length")

    async def test():
        async with served(kind, answer='{"a": 1}') as (model, server):
            good, asked = await model.generate_json(HELLO, schema), server.requests[0].asked
            plain = await model.generate(HELLO, [])
        async with served(kind, answer="I would rather not") as (model, server):
            with pytest.raises(ModelFault, match=r"in 3 requests.*no JSON"):
                await model.generate_json(HELLO, schema)
        async with served(kind, answer=cut_off) as (model, server):
            with pytest.raises(ModelRefused, match="max_tokens are too few") as told:
                await model.generate_json(HELLO, schema)
            return good, plain, asked, told.value.code, len(server.requests)

    good, plain, asked, code, requests = run(test)
    assert json.loads(good.message.text) == {"a": 1}
    assert good.request != plain.request
    assert asked.schema == schema
    assert (code, requests) == ("length", 1)


# -- what goes wrong --------------------------------------------------------------------------------------------------

FAULTS = {
    "429,after=0.01": "rate_limit",
    "529": "rate_limit",
    "408": "server",
    "500": "server",
    "503": "server",
    "drop": "connection",
    "truncated": "connection",
    "cut": "malformed",
    "malformed": "malformed",
    "content_type": "malformed",
    "deep_body": "malformed",
    "stall": "stalled",
}
"""What comes once, and as what it is counted when it is asked again; the same for every provider."""
ARRIVES = ("slow", "empty", "deep", "control", "surrogate", "duplicate_ids")
"""What is taken as it is; proven below."""


def test_no_fault_is_left_out():
    assert {fault.partition(",")[0] for fault in FAULTS} | {*ARRIVES, "huge"} >= set(KINDS)


@EACH
@pytest.mark.parametrize("stream", [True, False])
def test_what_fails_once_is_asked_again_and_counted(kind, stream):
    """One conversation of all faults in a row."""
    plan = [f"{fault},at={2 * number + 1}" for number, fault in enumerate(FAULTS)]

    async def test():
        async with served(kind, *plan, stream=stream, stall=0.2, timeout=0.5) as (model, _):
            await model._prepare()  # imports the SDK
            return {fault: await model.generate([Message("user", fault)], TOOLS) for fault in FAULTS}

    found = run(test)
    assert {completion.message.text for completion in found.values()} == {"Good morning to everybody."}
    wanted = {fault: {word: 1} for fault, word in FAULTS.items()}
    if not stream:
        wanted["stall"] = {"timeout": 1}
    assert {fault: completion.retries for fault, completion in found.items()} == wanted


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "kind", [CLIENTS[0], *[pytest.param(kind, marks=pytest.mark.soak) for kind in CLIENTS[1:]]], ids=lambda k: k.wire
)
def test_an_answer_without_end_is_not_read(kind, stream):
    async def test():
        async with served(kind, "huge,at=1,size=17000000", stream=stream) as (model, _):
            return (await model.generate(HELLO, TOOLS)).retries

    assert run(test) == {"malformed": 1}


@EACH
def test_what_is_refused_is_not_asked_again(kind):
    statuses = (400, 401, 402, 403, 404, 413, 422)

    async def test():
        faults = [f"{status},at={number}" for number, status in enumerate(statuses, 1)]
        async with served(kind, *faults) as (model, server):
            for status in statuses:
                with pytest.raises(ModelRefused, match=f"HTTP {status}.*: this is fault {status}") as told:
                    await model.generate(HELLO, TOOLS)
                assert told.value.code
                keyed = status in (401, 403)
                assert (f"is the key in {key_name(kind)}" in str(told.value)) == keyed
                other = status == 404 and kind is OpenAIResponsesModel
                assert ("ask for openai-chat/m-1" in str(told.value)) == other
            return len(server.requests)

    assert run(test) == len(statuses)


@EACH
def test_what_always_fails_is_a_fault_after_all_retries(kind):
    async def test():
        async with served(kind, "500") as (model, server):
            with pytest.raises(ModelFault, match="in 3 requests; the last: HTTP 500") as told:
                await model.generate(HELLO, TOOLS)
            assert not isinstance(told.value, ModelRefused)
            return len(server.requests)

    assert run(test) == 3


@EACH
def test_nobody_there(kind):
    async def test():
        model = kind("m-1", base_url=f"http://127.0.0.1:9{base(kind)}", retries=1, max_wait=0.01)
        try:
            with pytest.raises(ModelFault, match=r"in 2 requests; the last: no connection: .*Connect"):
                await model.generate(HELLO, [])
            with pytest.raises(ModelFault, match="in 2 requests"):
                async with model.forward({}, "/v1beta/models/x:generateContent", {}):
                    pass
        finally:
            await model.close()

    run(test)


@EACH
@pytest.mark.parametrize("stream", [True, False])
def test_an_empty_answer_is_an_answer(kind, stream):
    """A model may end its turn without a word: whether that will do is for the agent to say."""

    async def test():
        async with served(kind, "empty,at=1", stream=stream) as (model, server):
            first = await model.generate(HELLO, TOOLS)
            again = await model.generate([*HELLO, first.message, Message("user", "well?")], TOOLS)
            return first, again, server.requests[1].asked.messages

    first, again, asked = run(test)
    assert (first.message, first.stop, first.retries) == (Message("assistant", [TextBlock("")]), "end", {})
    assert again.message.text
    assert asked[-1].text.endswith("well?")


@EACH
@pytest.mark.parametrize("fault", ["duplicate_ids", "deep", "control", "surrogate"])
def test_hostile_answers_are_taken_and_can_be_sent_again(kind, fault):
    async def test():
        async with served(kind, f"{fault},at=1") as (model, server):
            first = await model.generate(HELLO, TOOLS)
            results = [ToolResultBlock(call.id, "x") for call in first.message.tool_uses]
            await model.generate([*HELLO, first.message, Message("tool", results)], TOOLS)
            return first, server.requests[1].asked

    first, asked = run(test)
    calls = first.message.tool_uses
    assert decode(encode(first)) == first
    assert len({call.id for call in calls}) == len(calls) > 0
    sent = [m for m in asked.messages if m.role == "assistant"]
    assert [call.id for m in sent for call in m.tool_uses] == [call.id for call in calls]
    if fault == "control":
        assert "\x1b[2J" in first.message.text  # whoever shows it must not pass that on; here nothing is lost


TOLD: list[tuple[Any, int, dict[str, str], Any, str, str]] = [
    (OpenAIChatModel, 429, {}, {"error": {"code": "insufficient_quota", "message": "no money"}}, "refused", "no money"),
    (OpenAIResponsesModel, 429, {}, {"error": {"type": "insufficient_quota", "message": "no"}}, "refused", "no"),
    (OpenAIChatModel, 429, {}, {"error": {"type": "tokens", "message": "slow"}}, "fault", "HTTP 429 tokens: slow"),
    (OpenAIChatModel, 400, {}, {"message": "flat", "type": "Bad"}, "refused", "HTTP 400 Bad: flat"),
    (OpenAIChatModel, 500, {}, {"error": "bare"}, "fault", "HTTP 500: bare"),
    (AnthropicModel, 429, {"retry-after": "7200"}, {"error": {"message": "x"}}, "refused", "wait 2.0 h"),
    (AnthropicModel, 500, {"x-should-retry": "false"}, {"error": {"message": "x"}}, "refused", "HTTP 500"),
    (AnthropicModel, 503, {}, b"<h1>\x1b[2Jgone</h1>", "fault", r"HTTP 503: <h1> \[2Jgone"),
    (GoogleModel, 429, {}, [{"error": {"message": "x", "details": [{"retryDelay": "9000s"}]}}], "refused", "2.5 h"),
    (GoogleModel, 503, {}, b"\xff[[[", "fault", "HTTP 503"),
]


@pytest.mark.parametrize(("kind", "status", "headers", "body", "means", "told"), TOLD)
def test_what_an_error_says(kind, status, headers, body, means, told):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def test():
        async with answering(kind, (status, {**JSON, **headers}, data)) as model:
            with pytest.raises(ModelRefused if means == "refused" else ModelFault, match=told) as error:
                await model.generate(HELLO, [])
            return isinstance(error.value, ModelRefused)

    assert run(test) == (means == "refused")


OVERLOADED: list[tuple[Any, bytes]] = [
    (OpenAIChatModel, b'{"error": {"code": 529, "message": "busy"}}'),
    (OpenAIResponsesModel, b'{"type": "error", "code": "rate_limit_exceeded", "message": "busy"}'),
    (AnthropicModel, b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}'),
    (GoogleModel, b'{"error": {"status": "RESOURCE_EXHAUSTED", "message": "busy"}}'),
]


@pytest.mark.parametrize(("kind", "event"), OVERLOADED, ids=lambda value: getattr(value, "wire", ""))
def test_an_overload_in_the_middle_of_a_stream_slows_down_as_429_does(kind, event):
    async def test():
        stream = (200, {"content-type": "text/event-stream"}, b"data: " + event + b"\n\ndata: [DONE]\n\n")
        async with answering(kind, stream, at_once=8) as model:
            with pytest.raises(ModelFault, match="busy"):
                await model.generate(HELLO, [])
            return model._pace.allowed

    assert run(test) == 4


@pytest.mark.parametrize("kind", CLIENTS[:3], ids=lambda kind: kind.wire)
def test_an_answer_that_is_whole_is_taken_though_its_connection_stays_open(kind):
    wire = kind._format
    asked = wire.read_request({**wire.request("m", HELLO, [], {}), "stream": True})
    events = wire.events(Completion(Message("assistant", [TextBlock("all of it")])), asked)
    data = b"".join(
        b"data: " + (tree if isinstance(tree, str) else json.dumps(tree)).encode() + b"\n\n" for _, tree in events
    )

    async def test():
        async with answering(kind, (200, {"content-type": "text/event-stream"}, data)) as model:
            return await model.generate(HELLO, [])

    completion = run(test)
    assert completion.message.text == "all of it"
    assert completion.retries == {}
