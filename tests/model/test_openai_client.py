"""The clients of OpenAI's two APIs, by the real SDK, against a real server: what they ask, and how each fault ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from terrarium.core.errors import ConfigError, ModelFault, ModelRefused
from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion, Forwarding, Streaming, Structured
from terrarium.core.tool import Tool
from terrarium.core.values import decode, encode
from terrarium.model.compatible import OllamaModel, OpenRouterModel, SglangModel, VllmModel
from terrarium.model.openai_chat import OpenAIChatModel
from terrarium.model.openai_failure import classify, retry_after
from terrarium.model.openai_responses import OpenAIResponsesModel
from terrarium.model.server.server import ModelServer
from terrarium.model.tape import Request

KINDS = [OpenAIChatModel, OpenAIResponsesModel]
BOTH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.wire_format.name)
HELLO = [Message("system", "Be brief."), Message("user", "Say hello.")]
QUICK = {"min_wait": 0.0, "max_wait": 0.01}


def look(word: str) -> str:
    """Look a word up.

    Args:
        word: Which.
    """
    return word


TOOLS = [Tool.of(look)]


@asynccontextmanager
async def asking(kind, answers, faults=(), key=None, **settings):
    """(client, server) for a block."""
    server = ModelServer(answers, faults=faults, key=key)
    await server.open()
    client = kind("m-1", base_url=f"{server.url}/v1", **{**QUICK, **settings})
    try:
        yield client, server
    finally:
        await client.close()
        await client.close()
        await server.close()


def run(work):
    return asyncio.run(work)


async def asked(kind, answers, messages=HELLO, tools=(), faults=(), **settings):
    async with asking(kind, answers, faults, **settings) as (client, server):
        return await client.generate(messages, tools), server.requests


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_with_everything(kind, stream):
    origin = kind.wire_format.name
    thought = ThinkingBlock("hm", None if origin == "openai_chat" else "sealed", origin)
    said = [
        thought,
        TextBlock("Grüße \U0001f33f"),
        ToolUseBlock("c1", "look", {"word": "ü"}),
        ToolUseBlock("c2", "look"),
    ]
    usage = Usage(100, 20, 30, 5, 10)
    given = Completion(Message("assistant", said), "tool_use", usage)
    completion, requests = run(asked(kind, lambda *_: given, tools=TOOLS, stream=stream, price="1/10", temperature=0.5))
    assert completion.message.content == said
    assert (completion.stop, completion.usage, completion.model) == ("tool_use", usage, "m-1")
    assert completion.cost == pytest.approx((100 * 1 + 20 * 10) / 1e6)
    assert completion.request == Request.of("openai/m-1", {"temperature": 0.5}, HELLO, TOOLS).digest
    assert completion.retries == {}
    assert requests[0].body.get("stream", False) is stream
    assert requests[0].asked.messages == HELLO
    assert requests[0].asked.parameters["temperature"] == 0.5


@BOTH
def test_a_conversation_goes_back_as_it_came(kind):
    origin = kind.wire_format.name
    image = ImageBlock(b"\x89PNG")
    talk = [
        Message("user", [TextBlock("what is it?"), image]),
        Message("assistant", [ThinkingBlock("t", "sig", origin), ToolUseBlock("c1", "look", {"word": "x"})]),
        Message("tool", [ToolResultBlock("c1", "seen", images=[image])]),
    ]
    _, requests = run(asked(kind, ["ok"], talk, TOOLS))
    there = requests[0].asked.messages
    assert there[0] == talk[0]
    assert there[1].tool_uses == talk[1].tool_uses
    assert there[2].content[0].content == "seen"
    assert any(image in getattr(message.content[0], "images", []) or image in message.content for message in there[2:])


@BOTH
def test_words_come_as_they_are_said(kind):
    async def work():
        async with asking(kind, ["one two three four"]) as (client, _):
            said = []
            completion = await client.generate_streaming(HELLO, [], said.append)
            return said, completion

    said, completion = run(work())
    assert len(said) > 1
    assert "".join(said) == completion.message.text == "one two three four"


@BOTH
def test_json_is_asked_for_with_its_schema_and_nothing_else_is_taken(kind):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    async def work():
        async with asking(kind, ["no JSON", '{"a": 1}']) as (client, server):
            return await client.generate_json(HELLO, schema), server.requests

    completion, requests = run(work())
    assert json.loads(completion.message.text) == {"a": 1}
    assert completion.retries == {"malformed": 1}
    assert requests[0].asked.schema == schema


@BOTH
@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("429,at=1,after=0", {"rate_limit": 1}),
        ("429,at=1,times=2", {"rate_limit": 2}),
        ("500,at=1", {"server": 1}),
        ("529,at=1", {"server": 1}),
        ("408,at=1", {"timeout": 1}),
        ("drop,at=1", {"connection": 1}),
        ("stall,at=1", {"stalled": 1}),
        ("malformed,at=1", {"malformed": 1}),
        ("empty,at=1", {"malformed": 1}),
        ("truncated,at=1", {"connection": 1}),
        ("cut,at=1", {"malformed": 1}),
        ("content_type,at=1", {"malformed": 1}),
        ("deep_body,at=1", {"malformed": 1}),
        ("huge,at=1,size=20000000", {"malformed": 1}),
    ],
    ids=lambda value: value.partition(",")[0] if isinstance(value, str) else "",
)
def test_what_passes_is_asked_again_and_counted(kind, fault, kinds):
    completion, requests = run(
        asked(kind, lambda *_: "hello there", faults=[fault], stall=0.3 if "stall" in fault else 30)
    )
    assert completion.message.text == "hello there"
    assert completion.retries == kinds
    assert len(requests) == 1 + sum(kinds.values())


@BOTH
@pytest.mark.parametrize("fault", ["malformed", "truncated", "huge,size=20000000", "stall"])
def test_so_does_an_answer_that_comes_whole(kind, fault):
    timeout = 0.5 if fault == "stall" else 30
    completion, _ = run(asked(kind, lambda *_: "hello", faults=[f"{fault},at=1"], stream=False, timeout=timeout))
    assert completion.message.text == "hello"
    assert sum(completion.retries.values()) == 1


@BOTH
@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_what_does_not_pass_is_not_asked_again(kind, status):
    async def work():
        async with asking(kind, ["x"], [f"{status}"]) as (client, server):
            with pytest.raises(ModelRefused, match=f"{status}: this is fault") as caught:
                await client.generate(HELLO, [])
            return caught.value, server.requests

    error, requests = run(work())
    assert len(requests) == 1
    assert error.code
    if status == 404 and kind is OpenAIResponsesModel:
        assert "ask for openai-chat/m-1" in str(error)
    if status == 401:
        assert "OPENAI_API_KEY" in str(error)
        assert "sk-planted" not in str(error)


@BOTH
def test_in_the_end_it_gives_up_and_says_why(kind):
    with pytest.raises(ModelFault, match=r"no answer in 3 requests; the last: 500: .*fault 500"):
        run(asked(kind, ["x"], faults=["500"], retries=2))
    with pytest.raises(ModelFault, match="no connection"):
        run(unreachable(kind))


async def unreachable(kind):
    client = kind("m", base_url="http://127.0.0.1:9/v1", retries=1, **QUICK)
    try:
        await client.generate(HELLO, [])
    finally:
        await client.close()


@BOTH
@pytest.mark.parametrize("fault", ["deep", "control", "surrogate", "duplicate_ids"])
def test_a_hostile_answer_is_contained(kind, fault):
    calls = [{"tool": "look", "args": {"word": "a"}}, {"tool": "look", "args": {"word": "b"}}, "text"]
    completion, _ = run(asked(kind, lambda *_: calls, tools=TOOLS, faults=[fault]))
    assert decode(encode(completion)) == completion
    ids = [use.id for use in completion.message.tool_uses]
    assert len(set(ids)) == len(ids) >= 1
    talk = [*HELLO, completion.message, Message("tool", [ToolResultBlock(call, "ok") for call in ids])]
    assert run(asked(kind, ["fine"], talk, TOOLS))[0].message.text == "fine"  # and it can be sent back


@BOTH
def test_no_key_says_which(kind, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    client = kind("m")
    with pytest.raises(ModelRefused, match=r"set OPENAI_API_KEY in the environment or in \.env"):
        run(client.generate(HELLO, []))
    assert run(asked(kind, ["a server of one's own needs none"]))[0].message.text


@BOTH
def test_the_key_and_the_address_come_from_the_environment(kind, monkeypatch):
    async def work():
        server = ModelServer(["yes"], key="sk-other")
        await server.open()
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OTHER", "sk-other")
        client = kind("m", variable="OTHER", **QUICK)
        try:
            return await client.generate(HELLO, [])
        finally:
            await client.close()
            await server.close()

    assert run(work()).message.text == "yes"


@BOTH
@pytest.mark.parametrize(
    "settings", [{"temperatur": 1}, {"reasoning": 5}, {"top_k": 4}, {"at_once": 0}, {"retries": -1}, {"price": "much"}]
)
def test_wrong_settings_are_refused_when_it_is_made(kind, settings):
    with pytest.raises((ConfigError, TypeError)):
        kind("m", **settings)


@BOTH
def test_a_request_of_its_own_format_is_sent_on(kind):
    async def work():
        async with asking(kind, ["pass it on"]) as (client, server):
            body = client.wire_format.request("claimed", HELLO, [], {}) | {"stream": True}
            async with client.forward(body, f"/v1{client.path}", {"x-beta": "1"}) as forwarded:
                data = b"".join([chunk async for chunk in forwarded.chunks])
            return forwarded, data, server.requests[0]

    forwarded, data, request = run(work())
    assert (forwarded.status, forwarded.media_type.partition(";")[0]) == (200, "text/event-stream")
    assert b"on" in data
    assert request.body["model"] == "m-1"
    assert request.headers["x-beta"] == "1"
    assert request.asked.usage


@BOTH
def test_an_error_is_an_answer_to_a_request_that_is_sent_on(kind):
    async def work(fault):
        async with asking(kind, ["x"], [fault], retries=1) as (client, server):
            body = client.wire_format.request("m", HELLO, [], {})
            async with client.forward(body, f"/v1{client.path}", {}) as forwarded:
                data = b"".join([chunk async for chunk in forwarded.chunks])
            return forwarded.status, json.loads(data), len(server.requests)

    for fault, status, count in (("400", 400, 1), ("503", 503, 2), ("429,after=0", 429, 2)):
        assert run(work(fault))[::2] == (status, count)
    with pytest.raises(ModelFault):
        run(work("drop"))


@BOTH
def test_what_is_sent_on_keeps_its_place_until_it_was_read(kind):
    async def work():
        async with asking(kind, lambda *_: "x", at_once=1) as (client, server):
            body = client.wire_format.request("m", HELLO, [], {}) | {"stream": True}
            async with client.forward(body, f"/v1{client.path}", {}) as forwarded:
                other = asyncio.ensure_future(client.generate(HELLO, []))
                await asyncio.sleep(0.1)
                before = len(server.requests)
                assert b"".join([chunk async for chunk in forwarded.chunks])
            await other
            return before, len(server.requests)

    assert run(work()) == (1, 2)


def test_used_up_quota_is_not_asked_again():
    import httpx2
    import openai

    response = httpx2.Response(429, request=httpx2.Request("POST", "http://x"), headers={"retry-after": "2"})
    body = {"code": "insufficient_quota", "message": "no money is left"}
    failure = classify(openai.RateLimitError("no", response=response, body=body))
    assert (failure.kind, failure.message) == ("refused", "429: no money is left")
    failure = classify(openai.RateLimitError("no", response=response, body={"message": "slower"}))
    assert (failure.kind, failure.retry_after) == ("rate_limit", 2.0)
    assert classify(KeyError("ours")) is None


@BOTH
def test_it_offers_all_that_a_model_can(kind):
    client = kind("m")
    assert isinstance(client, Structured)
    assert isinstance(client, Streaming)
    assert isinstance(client, Forwarding)
    assert client.shared


def test_how_long_to_wait_is_read_in_every_form():
    assert retry_after({"retry-after-ms": "1500"}) == 1.5
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "Fri, 21 Oct 2112 07:28:00 GMT"}) > 1e9
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def body_of(kind, messages=HELLO, **settings):
    return run(asked(kind, ["x"], messages, TOOLS, **settings))[1][0].body


def test_servers_of_open_models_get_their_own_words():
    assert body_of(VllmModel, top_k=5)["return_token_ids"] is True
    assert body_of(SglangModel, top_k=5)["top_k"] == 5
    assert body_of(OllamaModel, max_tokens=9)["max_tokens"] == 9
    assert body_of(VllmModel, max_tokens=9)["max_completion_tokens"] == 9
    broken = [Message("user", "x"), Message("assistant", [ToolUseBlock("c", "look", "{no")])]
    sent = body_of(VllmModel, [*broken, Message("tool", [ToolResultBlock("c", "bad")])])
    assert json.loads(sent["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"arguments": "{no"}


def test_keys_of_others_are_not_sent_to_a_server_of_ones_own(monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "mine")

    async def work():
        async with asking(VllmModel, ["x"], key="mine") as (client, _):
            return await client.generate(HELLO, [])

    assert run(work()).message.text == "x"
    monkeypatch.delenv("VLLM_API_KEY")
    with pytest.raises(ModelRefused, match="VLLM_API_KEY"):
        run(work())


def test_token_ids_and_probabilities_are_kept():
    given = Completion(Message("assistant", [TextBlock("ab")]), prompt_token_ids=[1, 2], completion_token_ids=[3, 4])
    given = Completion(**{**vars(given), "logprobs": [-0.5, -0.25]})
    for stream in (True, False):
        completion, _ = run(asked(VllmModel, lambda *_: given, stream=stream))
        assert completion.prompt_token_ids == [1, 2]
        assert completion.completion_token_ids == [3, 4]
        assert completion.logprobs == [-0.5, -0.25]


def test_openrouter_says_what_it_cost():
    client = OpenRouterModel("m")
    assert client._cost({"usage": {"cost": 0.25}}, Usage()) == 0.25
    assert client._cost({"usage": {"cost": -1}}, Usage()) is None
    assert body_of(OpenRouterModel)["usage"] == {"include": True}


@BOTH
def test_many_ask_at_once_and_no_more_than_may(kind):
    async def work():
        async with asking(kind, lambda *_: "x", at_once=3) as (client, server):
            await asyncio.gather(*(client.generate(HELLO, []) for _ in range(12)))
            return len(server.requests)

    assert run(work()) == 12
