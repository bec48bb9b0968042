"""What hostile programs ask of a gateway: to reach more than the model, and to hold more than their share."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from terrarium.core.errors import Refused
from terrarium.model.gateway.load import MOST, Crowded, Load
from terrarium.model.gateway.reach import query_within_reach, within_reach
from terrarium.model.gateway.reading import PARTS, completion_of, parse
from terrarium.model.gateway.wires import wire
from tests.model.gateway_agent import Client, play_with

HI = {"role": "user", "content": "hi"}
AWAY = "http://169.254.169.254/latest"
PICTURE = "data:image/png;base64,aGk="


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("anthropic", {"type": "web_search_20250305", "name": "web_search"}),
        ("anthropic", {"type": "web_fetch_20250910", "name": "web_fetch"}),
        ("anthropic", {"type": "code_execution_20250825", "name": "code_execution"}),
        ("anthropic", {"type": "mcp_toolset", "mcp_server_name": "x"}),
        ("anthropic", {"type": ["custom"], "name": "x"}),
        ("openai_chat", {"type": "web_search"}),
        ("openai_responses", {"type": "mcp", "server_label": "x", "server_url": AWAY}),
        ("openai_responses", {"type": "web_search_preview"}),
        ("openai_responses", {"type": "file_search", "vector_store_ids": ["vs_1"]}),
        ("openai_responses", {"type": "code_interpreter", "container": {"type": "auto"}}),
        ("openai_responses", {"type": "namespace", "name": "n", "tools": [{"type": "mcp", "server_url": AWAY}]}),
        ("google", {"googleSearch": {}}),
        ("google", {"url_context": {}, "codeExecution": {}}),
    ],
)
def test_tools_that_the_provider_would_run_are_left_out(name: str, tool: dict[str, Any]) -> None:
    own = {
        "anthropic": {"name": "look", "input_schema": {"type": "object"}},
        "openai_chat": {"type": "function", "function": {"name": "look"}},
        "openai_responses": {"type": "function", "name": "look"},
        "google": {"functionDeclarations": [{"name": "look"}]},
    }[name]
    kept = within_reach(name, {"tools": [tool, own]})["tools"]
    assert kept[-1] == own
    assert AWAY not in json.dumps(kept)
    assert [one for one in kept[:-1] if one.get("tools") != []] == []
    alone = within_reach(name, {"tools": [tool], "tool_choice": {"type": "auto"}})
    assert alone == {} or tool["type"] == "namespace"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("anthropic", "mcp_servers", [{"type": "url", "url": AWAY}]),
        ("anthropic", "container", "c_1"),
        ("anthropic", "service_tier", "priority"),
        ("openai_chat", "models", ["big/one"]),
        ("openai_chat", "plugins", [{"id": "web"}]),
        ("openai_chat", "web_search_options", {}),
        ("openai_chat", "kv_transfer_params", {"remote_host": "169.254.169.254"}),
        ("openai_chat", "chat_template", "{{ x }}"),
        ("openai_responses", "background", True),
        ("openai_responses", "prompt", {"id": "pmpt_1"}),
        ("google", "cachedContent", "cachedContents/1"),
        ("google", "cached_content", "cachedContents/1"),
    ],
)
def test_fields_that_reach_further_are_left_out(name: str, field: str, value: Any) -> None:
    assert within_reach(name, {field: value, "tools": 7}) == {"tools": 7}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("anthropic", {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": AWAY}}]}]}),
        ("anthropic", {"messages": [{"content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]}),
        ("anthropic", {"messages": [{"content": [{"type": "container_upload", "file_id": "f"}]}]}),
        ("openai_chat", {"messages": [{"content": [{"type": "image_url", "image_url": {"url": AWAY}}]}]}),
        ("openai_chat", {"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}),
        ("openai_chat", {"messages": [{"content": [{"type": "video_url", "video_url": {"url": "file:///etc/x"}}]}]}),
        ("openai_responses", {"input": [{"type": "computer_call_output", "output": {"image_url": AWAY}}]}),
        ("openai_responses", {"input": [{"content": [{"type": "input_file", "file_url": AWAY}]}]}),
        ("google", {"contents": [{"parts": [{"fileData": {"fileUri": AWAY}}]}]}),
        ("google", {"contents": [{"parts": [{"functionResponse": {"parts": [{"file_data": {"file_uri": AWAY}}]}}]}]}),
    ],
)
def test_what_lies_elsewhere_is_refused(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="lies elsewhere"):
        within_reach(name, body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "anthropic",
            {
                "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {"content": [{"type": "image", "source": {"type": "base64", "data": "aGk="}}]},
                    {"content": [{"type": "tool_use", "input": {"source": {"type": "url"}, "file_id": AWAY}}]},
                ],
                "tools": [{"name": "look"}, {"type": "bash_20250124", "name": "bash"}],
                "thinking": {"type": "adaptive"},
            },
        ),
        (
            "openai_chat",
            {
                "messages": [{"content": [{"type": "image_url", "image_url": {"url": PICTURE}}], "file_id": None}],
                "tools": [{"type": "function", "function": {"name": "look"}}],
                "stream_options": {"include_usage": True},
            },
        ),
        (
            "openai_responses",
            {
                "input": [{"content": [{"type": "input_image", "image_url": PICTURE, "file_id": None}]}],
                "tools": [{"type": "custom", "name": "patch"}, {"type": "local_shell"}],
                "include": ["reasoning.encrypted_content"],
                "store": False,
            },
        ),
        (
            "google",
            {
                "contents": [{"parts": [{"functionCall": {"args": {"fileUri": AWAY, "source": {"type": "url"}}}}]}],
                "tools": [{"functionDeclarations": [{"name": "look"}]}],
                "generationConfig": {"temperature": 0},
            },
        ),
    ],
)
def test_all_else_goes_on_as_it_is(name: str, body: dict[str, Any]) -> None:
    assert within_reach(name, body) == body


def test_parameters_of_the_address_that_say_who_asks_stay_here() -> None:
    query = {"alt": "sse", "beta": "true", "key": "k", "access_token": "t", "$alt": "x", "callback": "c"}
    assert query_within_reach(query) == {"alt": "sse", "beta": "true"}


def test_a_request_that_goes_on_has_neither_tools_of_the_provider_nor_other_accounts(play: Any) -> None:
    sent: list[Any] = []

    async def go(client: Client) -> None:
        search = {"type": "web_search_20250305", "name": "web_search"}
        headers = {"x-goog-user-project": "theirs", "anthropic-beta": "b"}
        body = {"model": "m", "max_tokens": 9, "messages": [HI], "stream": True, "tools": [search]}
        answer = await client.http.post("/v1/messages?access_token=t", json=body, headers=headers)
        assert answer.status_code == 200
        away = [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": AWAY}}]}]
        assert (await client.ask(messages=away)).status_code == 400
        sent.extend(client.model.sent)

    assert play_with(play, go, "Provider/m").said == ["stop completed"]
    [(body, path, headers)] = sent
    assert "tools" not in body
    assert path == "/v1/messages"
    assert headers == {"anthropic-beta": "b"}


# -- size -----------------------------------------------------------------------------------------------------------


def test_json_of_too_many_parts_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="parts"):
        parse(b"[" + b"[]," * (PARTS // 2) + b"0]")
    with pytest.raises(Refused, match="parts"):
        parse("[" + "{}," * (PARTS // 2) + "0]")


def test_what_is_held_is_bounded_and_given_up() -> None:
    load = Load()
    with load.holding() as one, load.holding() as other:
        one(bytes(MOST // 2))
        other(bytes(MOST // 2))
        with pytest.raises(Crowded):
            one(b"x")
        with pytest.raises(Crowded):
            other.parts(10)
    with load.holding() as again:
        again(bytes(MOST))
    with load.holding() as again, pytest.raises(Crowded):
        again.parts(MOST)


def test_who_asks_for_too_much_at_once_is_told_to_come_back_and_the_next_is_answered(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terrarium.model.gateway.load.MOST", 1_000_000)

    async def go(client: Client) -> None:
        async def slowly() -> Any:
            yield b"{" + b" " * 600_000
            await asyncio.sleep(30)

        first = asyncio.ensure_future(client.http.post("/v1/messages", content=slowly()))
        await asyncio.sleep(0.3)
        assert (await client.http.post("/v1/messages", content=b" " * 600_000)).status_code == 429
        assert (await client.ask()).status_code == 200
        first.cancel()
        await asyncio.wait({first})
        async with asyncio.timeout(20):
            while (await client.http.post("/v1/messages", content=b" " * 900_000)).status_code == 429:
                await asyncio.sleep(0.05)

    assert play_with(play, go).said == ["stop completed"]


# -- answers --------------------------------------------------------------------------------------------------------


def test_line_ends_that_only_unicode_knows_do_not_tear_a_stream() -> None:
    said = "a\u2028b\u0085c"
    chunk = {"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": "stop"}]}
    text = json.dumps(chunk, ensure_ascii=False)
    content = f"data: {text}\r\n\r\ndata: [DONE]\n\n".encode()
    assert completion_of(wire("openai_chat"), content, True).message.text == said
