"""The model server, asked by the SDKs of the providers."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types as google

from terrarium.core.errors import ConfigError
from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.model.cassette import Cassette
from terrarium.model.scripted import ScriptedModel
from terrarium.model.server.server import ModelServer
from terrarium.testing import serving

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SCHEMA = {"type": "object", "properties": {"limit": {"type": "integer"}}}
ANSWER = Completion(
    Message(
        "assistant",
        [TextBlock("I look."), ToolUseBlock("call_a", "list", {"limit": 3}), ToolUseBlock("call_b", "list", {})],
    ),
    "tool_use",
    Usage(40, 20, 10, 0),
)
CALLS = [("list", {"limit": 3}), ("list", {})]

Asked = Callable[[str, bool], tuple[str, list[tuple[str, Any]], tuple[int, int]]]


def chat(url: str, stream: bool) -> Any:
    """(text, calls, tokens in and out) of one answer to a prompt with a picture and a tool."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"}}
    asked: Any = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, image]}],
        "tools": [{"type": "function", "function": {"name": "list", "description": "Lists", "parameters": SCHEMA}}],
    }
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        if not stream:
            answer = client.chat.completions.create(**asked)
        else:
            with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as pieces:
                assert len(list(pieces)) > 5
                answer = pieces.get_final_completion()
    message, usage = answer.choices[0].message, answer.usage
    assert answer.choices[0].finish_reason == "tool_calls"
    assert usage.prompt_tokens_details.cached_tokens == 10
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]
    return message.content, calls, (usage.prompt_tokens, usage.completion_tokens)


def responses(url: str, stream: bool) -> Any:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"}
    asked: Any = {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Look"}, {**image, "detail": "auto"}]}],
        "tools": [{"type": "function", "name": "list", "description": "Lists", "parameters": SCHEMA, "strict": False}],
    }
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        if not stream:
            answer = client.responses.create(**asked)
        else:
            with client.responses.stream(**asked) as pieces:
                assert len(list(pieces)) > 5
                answer = pieces.get_final_response()
    calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
    assert answer.usage.input_tokens_details.cached_tokens == 10
    return answer.output_text, calls, (answer.usage.input_tokens, answer.usage.output_tokens)


def messages(url: str, stream: bool) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PICTURE).decode()}
    asked: Any = {
        "model": "m",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image", "source": source}]}
        ],
        "tools": [{"name": "list", "description": "Lists", "input_schema": SCHEMA}],
    }
    with anthropic.Anthropic(base_url=url, api_key="any") as client:
        if not stream:
            answer = client.messages.create(**asked)
        else:
            with client.messages.stream(**asked) as pieces:
                assert len(list(pieces)) > 5
                answer = pieces.get_final_message()
        assert client.messages.count_tokens(model="m", messages=asked["messages"]).input_tokens > 10
    text = "".join(block.text for block in answer.content if block.type == "text")
    calls = [(block.name, block.input) for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use"
    assert answer.usage.cache_read_input_tokens == 10
    return text, calls, (answer.usage.input_tokens + 10, answer.usage.output_tokens)


def gemini(url: str, stream: bool) -> Any:
    tool = google.FunctionDeclaration(name="list", description="Lists", parameters_json_schema=SCHEMA)
    asked: Any = {
        "model": "m",
        "contents": ["Look", google.Part.from_bytes(data=PICTURE, mime_type="image/png")],
        "config": google.GenerateContentConfig(
            tools=[google.Tool(function_declarations=[tool])],
            automatic_function_calling=google.AutomaticFunctionCallingConfig(disable=True),
        ),
    }
    with genai.Client(api_key="any", http_options=google.HttpOptions(base_url=url)) as client:
        chunks = list(client.models.generate_content_stream(**asked)) if stream else []
        chunks = chunks or [client.models.generate_content(**asked)]
        assert client.models.count_tokens(model="m", contents="hi").total_tokens
    assert not stream or len(chunks) > 2
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    usage = chunks[-1].usage_metadata
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    assert usage.cached_content_token_count == 10
    text = "".join(part.text or "" for part in parts)
    return text, calls, (usage.prompt_token_count, usage.candidates_token_count)


FORMATS: dict[str, Asked] = {
    "openai_chat": chat,
    "openai_responses": responses,
    "anthropic": messages,
    "google": gemini,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", FORMATS)
def test_the_sdk_of_each_provider_gets_text_calls_and_usage(wire: str, stream: bool) -> None:
    with serving(ScriptedModel([ANSWER])) as server:
        text, calls, usage = FORMATS[wire](server.url, stream)
        assert (text, calls, usage) == ("I look.", CALLS, (40, 20))
        [served] = server.requests
    assert served.wire == wire
    assert served.status == 200
    assert served.asked is not None
    asked = served.asked
    assert asked.model == "m"
    assert asked.stream is stream
    assert [tool.name for tool in asked.tools] == ["list"]
    blocks = asked.messages[-1].content
    assert [block for block in blocks if isinstance(block, ImageBlock)] == [ImageBlock(PICTURE, "image/png")]
    assert "Look" in asked.messages[-1].text


def test_every_sdk_lists_the_models_and_finds_one() -> None:
    with serving({"large": ScriptedModel(["a"]), "small": ScriptedModel(["b"])}) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as one:
            assert [model.id for model in one.models.list()] == ["large", "small"]
            assert one.models.retrieve("small").id == "small"
            with pytest.raises(openai.NotFoundError, match="there is no model 'tiny'"):
                one.models.retrieve("tiny")
            asked: Any = {"messages": [{"role": "user", "content": "hi"}]}
            assert one.chat.completions.create(model="small", **asked).choices[0].message.content == "b"
            with pytest.raises(openai.NotFoundError, match="there are: large, small"):
                one.chat.completions.create(model="tiny", **asked)
        with anthropic.Anthropic(base_url=server.url, api_key="any") as two:
            assert [model.id for model in two.models.list()] == ["large", "small"]
        with genai.Client(api_key="any", http_options=google.HttpOptions(base_url=server.url)) as three:
            assert [model.name for model in three.models.list()] == ["models/large", "models/small"]


def test_a_wrong_key_is_told_as_each_provider_tells_it() -> None:
    with serving(["never"], key="right-key") as server:
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong") as one,
            pytest.raises(openai.AuthenticationError),
        ):
            one.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        with (
            anthropic.Anthropic(base_url=server.url, api_key="wrong") as two,
            pytest.raises(anthropic.AuthenticationError),
        ):
            two.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        options = google.HttpOptions(base_url=server.url)
        with (
            genai.Client(api_key="wrong", http_options=options) as three,
            pytest.raises(genai.errors.ClientError, match="401"),
        ):
            three.models.generate_content(model="m", contents="hi")
        with anthropic.Anthropic(base_url=server.url, api_key="right-key") as two:
            answer = two.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
            assert answer.content[0].type == "text"
        assert [served.status for served in server.requests] == [401, 401, 401, 200]


def post(url: str, body: bytes) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b"[" * 100_000, b'{"model": 3}', b'{"messages": 7}'])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/models/m:x"])
def test_what_is_no_request_is_refused_and_the_server_goes_on(path: str, body: bytes, refusing: ModelServer) -> None:
    status, told = post(refusing.url + path.replace(":x", ":generateContent"), body)
    assert status == 400
    assert told["error"]["message"]


@pytest.fixture(scope="module")
def refusing() -> Any:
    with serving("echo") as server:
        yield server


def test_a_path_with_nothing_and_a_policy_that_breaks() -> None:
    with serving(lambda messages, tools: 1 / 0) as server:
        assert post(f"{server.url}/v1/embeddings", b"{}")[0] == 404
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        status, told = post(f"{server.url}/v1/chat/completions", json.dumps(asked).encode())
        assert status == 400
        assert "ZeroDivisionError" in told["error"]["message"]
        with urllib.request.urlopen(f"{server.url}/health", timeout=30) as answer:
            assert json.loads(answer.read()) == {"status": "ok"}


def test_requests_are_logged_without_keys(tmp_path: Path) -> None:
    log = tmp_path / "asked.jsonl"
    with serving("echo", log=log) as server:
        url = f"{server.url}/v1beta/models/m:generateContent?key=AIza-secret-1"
        asked = json.dumps({"contents": [{"role": "user", "parts": [{"text": "grüß \ud800"}]}]}).encode()
        request = urllib.request.Request(url, asked, {"x-goog-api-key": "AIza-secret-2"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert "grüß \ud800" in json.loads(answer.read())["candidates"][0]["content"]["parts"][0]["text"]
        assert "x-goog-api-key" not in server.requests[0].headers
    text = log.read_text("ascii")
    assert "AIza" not in text
    [line] = [json.loads(line) for line in text.splitlines()]
    assert line["wire"] == "google"
    assert line["status"] == 200
    assert line["body"]["contents"]


def test_a_log_that_cannot_be_written_and_a_port_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"), serving("echo", log=tmp_path / "no" / "log"):
        pass
    with serving("echo") as one, pytest.raises(ConfigError, match="cannot listen"), serving("echo", port=one.port):
        pass


def test_googles_stream_without_events_is_a_list(refusing: ModelServer) -> None:
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]}).encode()
    status, chunks = post(f"{refusing.url}/v1beta/models/m:streamGenerateContent", body)
    said = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert status == 200
    assert "".join(said) == "one two three"
    assert len(said) > 2


def test_a_cassette_answers_in_another_format_than_it_was_recorded_in(tmp_path: Path) -> None:
    thought = Message("assistant", [ThinkingBlock("hm", "sig", "anthropic"), TextBlock("Hello to you.")])
    recorder = Cassette(tmp_path / "c.jsonl", ScriptedModel([thought, "Bye."], "big"), parameters={"temperature": 0})
    question = [Message("system", "Be brief."), Message("user", [TextBlock("Hello.")])]
    asyncio.run(recorder.generate(question, []))
    asyncio.run(recorder.generate([*question, thought, Message("user", "Bye.")], []))
    with serving(f"cassette:{tmp_path / 'c.jsonl'}") as server:  # noqa: SIM117
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            say: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
            for _ in range(2):
                answer = client.chat.completions.create(model="other", messages=say)
                assert answer.choices[0].message.content == "Hello to you."
            say += [{"role": "assistant", "content": "Hello to you."}, {"role": "user", "content": "Bye."}]
            assert client.chat.completions.create(model="other", messages=say).choices[0].message.content == "Bye."
            with pytest.raises(openai.BadRequestError, match="no recording"):
                client.chat.completions.create(model="other", messages=say[:1])
