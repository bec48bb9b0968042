"""The clients of servers that speak Chat Completions: what each has of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from terrarium.core.errors import ModelRefused
from terrarium.core.message import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import foreign_tool
from terrarium.model.compatible import OllamaModel, OpenRouterModel, SglangModel, VllmModel
from terrarium.model.server.server import ModelServer

HELLO = [Message("user", "Say hello.")]
TOOLS = [foreign_tool("look", "", {"type": "object"}, lambda arguments: None)]


def asked(kind: Any, answers: Any, messages: Any = HELLO, key: str | None = None, **settings: Any) -> Any:
    """The answer of a fresh client, and the body of its request."""

    async def work() -> Any:
        server = ModelServer(answers, key=key)
        await server.open()
        client = kind("m-1", base_url=f"{server.url}/v1", max_wait=0.01, **settings)
        try:
            return await client.generate(messages, TOOLS), server.requests[0].body
        finally:
            await client.close()
            await server.close()

    return asyncio.run(work())


def body_of(kind: Any, messages: Any = HELLO, **settings: Any) -> Any:
    return asked(kind, ["x"], messages, **settings)[1]


def test_servers_of_open_models_get_their_own_words() -> None:
    assert body_of(VllmModel, top_k=5)["return_token_ids"] is True
    assert body_of(SglangModel, top_k=5)["top_k"] == 5
    assert body_of(OllamaModel, max_tokens=9)["max_tokens"] == 9
    assert body_of(VllmModel, max_tokens=9)["max_completion_tokens"] == 9
    broken = [Message("user", "x"), Message("assistant", [ToolUseBlock("c", "look", "{no")])]
    sent = body_of(VllmModel, [*broken, Message("tool", [ToolResultBlock("c", "bad")])])
    assert json.loads(sent["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"arguments": "{no"}


def test_keys_of_others_are_not_sent_to_a_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "mine")
    assert asked(VllmModel, ["x"], key="mine")[0].message.text == "x"
    monkeypatch.delenv("VLLM_API_KEY")
    with pytest.raises(ModelRefused, match="VLLM_API_KEY"):
        asked(VllmModel, ["x"], key="mine")


def test_token_ids_and_probabilities_are_kept() -> None:
    message = Message("assistant", [TextBlock("ab")])
    given = Completion(message, prompt_token_ids=[1, 2], completion_token_ids=[3, 4], logprobs=[-0.5, -0.25])
    for stream in (True, False):
        completion = asked(VllmModel, lambda *_: given, stream=stream)[0]
        assert completion.prompt_token_ids == [1, 2]
        assert completion.completion_token_ids == [3, 4]
        assert completion.logprobs == [-0.5, -0.25]


def test_openrouter_says_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    client = OpenRouterModel("m", price="1/1")
    assert client._cost({"usage": {"cost": 0.25}}, Usage()) == 0.25
    assert client._cost({"usage": {"cost": -1}}, Usage(1_000_000)) == 1.0
    assert body_of(OpenRouterModel)["usage"] == {"include": True}
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with pytest.raises(ModelRefused, match="set OPENROUTER_API_KEY"):
        asyncio.run(OpenRouterModel("m").generate(HELLO, []))
