"""The clients of Anthropic and Google, through the providers' SDKs against a server that speaks their formats."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from terrarium.core.errors import ConfigError, ModelFault, ModelRefused
from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion, Forwarding, Streaming, Structured
from terrarium.core.tool import Tool
from terrarium.http.limits import HttpLimits
from terrarium.http.listener import Listener
from terrarium.model.anthropic import AnthropicModel
from terrarium.model.cassette import Cassette
from terrarium.model.google import GoogleModel
from terrarium.model.prices import price_of
from terrarium.model.server.server import ModelServer
from terrarium.model.tape import Request

BOTH = pytest.mark.parametrize("kind", [AnthropicModel, GoogleModel])
QUICK = {"max_wait": 0.01, "retries": 2}
HELLO = [Message("user", "hello")]
SAID = [{"say": "Good morning to everybody."}, *[{"tool": "look_up", "args": {"word": w}} for w in ("a", "b")]]


def look_up(word: str) -> str:
    """Look up a word.

    Args:
        word: Which.
    """
    return word


TOOLS = [Tool.of(look_up)]


@asynccontextmanager
async def served(
    kind: Any, *faults: str, answer: Any = SAID, **settings: Any
) -> AsyncIterator[tuple[Any, ModelServer]]:
    """A client, and the server that it asks."""
    server = ModelServer(lambda messages, tools: answer, faults=faults)
    await server.open()
    model = kind("m-1", base_url=server.url, **{**QUICK, **settings})
    try:
        yield model, server
    finally:
        await model.close()
        await model.close()
        await server.close()


def run(test: Callable[[], Any]) -> Any:
    return asyncio.run(test())


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_with_everything(kind, stream):
    """A conversation with images, thinking and results goes out, an answer with thinking and two calls comes in."""
    blocks: list[Any] = [
        ThinkingBlock("hm", "c2ln", kind.wire),
        TextBlock("Well then."),
        ToolUseBlock("a", "look_up", {}),
    ]
    usage = Usage(120, 30, 100, 10)
    given = Completion(Message("assistant", blocks), "tool_use", usage)
    messages = [
        Message("system", "be brief"),
        Message("user", [TextBlock("see"), ImageBlock(b"png")]),
        Message("assistant", blocks),
        Message("tool", [ToolResultBlock("a", "no such word", True)]),
    ]

    async def test():
        async with served(kind, answer=given, stream=stream, price=price_of("x", "y", "1/10/0.1")) as (model, server):
            got = await model.generate(messages, TOOLS)
            [request] = server.requests
            return got, request, model.parameters

    got, request, parameters = run(test)
    assert (got.message, got.stop, got.usage, got.model) == (given.message, "tool_use", usage, "m-1")
    assert got.request == Request.of("m-1", parameters, messages, TOOLS).digest
    assert got.cost == pytest.approx((20 * 1 + 100 * 0.1 + 30 * 10) / 1e6)
    assert got.retries == {}
    assert request.asked.stream is stream
    assert [m.role for m in request.asked.messages] == ["system", "user", "assistant", "tool"]
    assert request.asked.messages[1].content[1] == ImageBlock(b"png")
    assert request.asked.messages[3].content[0].is_error
    assert os.environ[model_key(kind)] not in json.dumps(dict(request.headers))


def model_key(kind: Any) -> str:
    return "ANTHROPIC_API_KEY" if kind is AnthropicModel else "GOOGLE_API_KEY"


FAULTS = {
    "429,at=1,after=0.01": "rate_limit",
    "529,at=1": "rate_limit",
    "500,at=1": "server",
    "503,at=1": "server",
    "drop,at=1": "connection",
    "truncated,at=1": "connection",
    "cut,at=1": "malformed",
    "malformed,at=1": "malformed",
    "empty,at=1": "malformed",
    "content_type,at=1": "malformed",
    "deep_body,at=1": "malformed",
    "huge,at=1,size=17000000": "malformed",
}


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_what_fails_once_is_asked_again_and_counted(kind, stream):
    async def one(fault: str) -> dict[str, int]:
        async with served(kind, fault, stream=stream) as (model, _):
            completion = await model.generate(HELLO, TOOLS)
            assert completion.message.text == "Good morning to everybody."
            return completion.retries

    async def test():
        return {fault: await one(fault) for fault in FAULTS}

    assert run(test) == {fault: {word: 1} for fault, word in FAULTS.items()}


@BOTH
def test_an_answer_that_stands_still_is_asked_again(kind):
    async def test():
        async with served(kind, stall=0.3) as (model, _):
            await model.generate(HELLO, TOOLS)  # the first request of a process also imports the SDK
        async with served(kind, "stall,at=1", stall=0.3) as (model, _):
            streamed = await model.generate(HELLO, TOOLS)
        async with served(kind, "stall,at=1", stream=False, timeout=0.5) as (model, _):
            return streamed, await model.generate(HELLO, TOOLS)

    streamed, whole = run(test)
    assert streamed.retries == {"stalled": 1}
    assert whole.retries == {"timeout": 1} or whole.retries == {"stalled": 1}


@BOTH
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_what_is_refused_is_not_asked_again(kind, status):
    async def test():
        async with served(kind, str(status)) as (model, server):
            with pytest.raises(ModelRefused, match=f"HTTP {status}") as told:
                await model.generate(HELLO, TOOLS)
            assert told.value.code == str(status)
            assert ("is the key in" in str(told.value)) == (status in (401, 403))
            return len(server.requests)

    assert run(test) == 1


@BOTH
def test_what_always_fails_is_a_fault_after_all_retries(kind):
    async def test():
        async with served(kind, "500") as (model, server):
            with pytest.raises(ModelFault, match="in 3 requests; the last: HTTP 500") as told:
                await model.generate(HELLO, TOOLS)
            assert not isinstance(told.value, ModelRefused)
            return len(server.requests)

    assert run(test) == 3


@BOTH
def test_nobody_there(kind):
    async def test():
        model = kind("m-1", base_url="http://127.0.0.1:9", retries=1, max_wait=0.01)
        try:
            with pytest.raises(ModelFault, match=r"in 2 requests; the last: .*Connect"):
                await model.generate(HELLO, [])
            with pytest.raises(ModelFault, match="in 2 requests"):
                async with model.forward({}, "/v1beta/models/x:generateContent", {}):
                    pass
        finally:
            await model.close()

    run(test)


@BOTH
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
    assert len({call.id for call in calls}) == len(calls) > 0
    sent = [m for m in asked.messages if m.role == "assistant"]
    assert [call.id for m in sent for call in m.tool_uses] == [call.id for call in calls]
    if fault == "control":
        assert "\x1b[2J" in first.message.text  # whoever shows it must not pass that on; here nothing is lost


@BOTH
def test_words_come_as_they_are_said(kind):
    async def test():
        said: list[str] = []
        async with served(kind, "slow,seconds=0.01") as (model, _):
            completion = await model.generate_streaming(HELLO, TOOLS, said.append)
            return said, completion

    said, completion = run(test)
    assert "".join(said) == completion.message.text == "Good morning to everybody."
    assert len(said) > 1


@BOTH
def test_an_answer_held_to_a_schema(kind):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}

    async def ask(answer: Any) -> Any:
        async with served(kind, answer=answer) as (model, server):
            completion = await model.generate_json(HELLO, schema)
            assert server.requests[0].asked.schema == schema
            return json.loads(completion.message.text)

    assert run(lambda: ask('{"a": 1}')) == {"a": 1}
    with pytest.raises(ModelFault, match="no JSON"):
        run(lambda: ask("I would rather not"))
    with pytest.raises(ModelRefused, match="max_tokens are too few"):
        run(lambda: ask(Completion(Message("assistant", [TextBlock('{"a":')]), "length")))


FORWARDED = {
    AnthropicModel: (
        "/v1/messages?beta=true",
        {"model": "other", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]},
    ),
    GoogleModel: ("/v1beta/models/other:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
}


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_is_sent_on_for_the_own_model_with_the_own_key(kind, stream):
    path, body = FORWARDED[kind]
    if stream:
        body = {**body, "stream": True} if kind is AnthropicModel else body
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")

    async def test():
        async with served(kind, "500,at=1") as (model, server):
            async with model.forward(body, path, {"anthropic-beta": "new-2030", "x-said": "1"}) as forwarded:
                chunks = [chunk async for chunk in forwarded.chunks]
            return forwarded, b"".join(chunks), server.requests

    forwarded, answer, requests = run(test)
    assert [request.status for request in requests] == [500, 200]
    assert requests[1].asked.model == "m-1"
    assert requests[1].headers["x-said"] == "1"
    assert forwarded.status == 200
    assert forwarded.media_type == ("text/event-stream" if stream else "application/json")
    assert b"Good" in answer


@BOTH
def test_an_error_is_an_answer_when_it_is_sent_on(kind):
    path, body = FORWARDED[kind]

    async def test(fault: str) -> Any:
        async with served(kind, fault) as (model, _), model.forward(body, path, {}) as forwarded:
            return forwarded.status, json.loads(b"".join([chunk async for chunk in forwarded.chunks]))

    for fault in ("400", "503"):
        status, told = run(lambda fault=fault: test(fault))
        assert status == int(fault)
        assert told["error"]["message"] == f"this is fault {fault}, as the server was told"


@BOTH
def test_an_answer_that_breaks_off_while_it_is_sent_on(kind):
    path, body = FORWARDED[kind]

    async def test(fault: str) -> None:
        async with served(kind, fault, stall=0.3) as (model, _), model.forward(body, path, {}) as forwarded:
            async for _ in forwarded.chunks:
                pass

    for fault in ("truncated", "stall"):
        with pytest.raises(ModelFault, match="broke off"):
            run(lambda fault=fault: test(fault))


@BOTH
def test_without_a_key_it_says_which_variable_to_set(kind, monkeypatch):
    for name in (
        "ANTHROPIC_API_KEY",
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "ANTHROPIC_BASE_URL",
        "GOOGLE_GEMINI_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    model = kind("m-1")
    with pytest.raises(ModelRefused, match=rf"set {model_key(kind)}.* in the environment or in .env"):
        asyncio.run(model.generate(HELLO, []))


@BOTH
def test_the_address_may_stand_in_the_environment(kind, monkeypatch):
    async def test():
        async with served(kind) as (_, server):
            name = "ANTHROPIC_BASE_URL" if kind is AnthropicModel else "GOOGLE_GEMINI_BASE_URL"
            monkeypatch.setenv(name, server.url)
            other = kind("m-2")
            completion = await other.generate(HELLO, TOOLS)
            await other.close()
            return completion.message.text, server.requests[0].asked.model

    assert run(test) == ("Good morning to everybody.", "m-2")


@BOTH
def test_a_key_that_a_provider_quotes_is_masked(kind):
    key = os.environ[model_key(kind)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps({"error": {"message": f"invalid key {key}", "type": "authentication_error"}}).encode()
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    async def test():
        listener = Listener(app, "127.0.0.1", 0, HttpLimits(), print)
        await listener.open()
        model = kind("m-1", base_url=listener.url)
        try:
            await model.generate(HELLO, [])
        finally:
            await model.close()
            await listener.close()

    with pytest.raises(ModelRefused, match=r"invalid key \[secret\]") as told:
        run(test)
    assert key not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stall": 0}, "stall is a number from"),
        ({"retries": "many"}, "retries is a number"),
        ({"at_once": 0}, "at_once is a number from 1"),
        ({"base_url": "localhost:80"}, "base_url begins with"),
        ({"seed": 1}, "no word for seed"),
        ({"reasoning": "hard"}, "reasoning is"),
    ],
)
def test_wrong_settings_are_told_at_once(settings, told):
    with pytest.raises(ConfigError, match=told):
        AnthropicModel("m-1", **settings)


@BOTH
def test_they_keep_the_optional_contracts(kind):
    model = kind("m-1", stop="END", extra={"a": 1})
    assert isinstance(model, Structured)
    assert isinstance(model, Streaming)
    assert isinstance(model, Forwarding)
    assert model.shared
    assert model.parameters == {
        **({"cache": True} if kind is AnthropicModel else {}),
        "stop": ["END"],
        "extra": {"a": 1},
    }


@BOTH
def test_a_cassette_answers_for_them(kind, tmp_path):
    async def test():
        async with served(kind) as (model, server):
            recording = Cassette(tmp_path / "tape.jsonl", model)
            first = await recording.generate(HELLO, TOOLS)
            again = await Cassette(tmp_path / "tape.jsonl", kind("m-1")).generate(HELLO, TOOLS)
            return first == again, len(server.requests)

    assert run(test) == (True, 1)
