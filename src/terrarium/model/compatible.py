"""Models of servers that speak Chat Completions, each with what is its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from terrarium.core.message import Message, Usage
from terrarium.core.tool import Tool
from terrarium.model.openai_chat import OpenAIChatModel
from terrarium.model.wire.wire import Tree


class _OpenModel(OpenAIChatModel):
    """A model on a server of one's own: no key is needed, and `top_k` is known."""

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        given = {key: value for key, value in self.parameters.items() if key != "top_k"}
        own = {"top_k": self.parameters["top_k"]} if "top_k" in self.parameters else {}
        body = own | self.wire_format.request(self._model, messages, tools, given, schema)
        for turn in body["messages"]:
            for call in turn.get("tool_calls", ()):
                call["function"]["arguments"] = _object(call["function"]["arguments"])
        return body


class VllmModel(_OpenModel):
    """A model that vLLM serves; gives the ids of the tokens, for training."""

    provider: ClassVar[str] = "vllm"
    key: ClassVar[str] = "VLLM_API_KEY"
    address: ClassVar[str] = "VLLM_BASE_URL"
    home: ClassVar[str] = "http://127.0.0.1:8000/v1"

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        return {"return_token_ids": True, **super()._body(messages, tools, schema)}


class SglangModel(_OpenModel):
    """A model that SGLang serves."""

    provider: ClassVar[str] = "sglang"
    key: ClassVar[str] = "SGLANG_API_KEY"
    address: ClassVar[str] = "SGLANG_BASE_URL"
    home: ClassVar[str] = "http://127.0.0.1:30000/v1"


class OllamaModel(_OpenModel):
    """A model that Ollama serves."""

    provider: ClassVar[str] = "ollama"
    key: ClassVar[str] = "OLLAMA_API_KEY"
    address: ClassVar[str] = "OLLAMA_BASE_URL"
    home: ClassVar[str] = "http://127.0.0.1:11434/v1"

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        body = super()._body(messages, tools, schema)
        if "max_completion_tokens" in body:  # it knows only the old word
            body["max_tokens"] = body.pop("max_completion_tokens")
        return body


class OpenRouterModel(_OpenModel):
    """A model by way of OpenRouter, which says itself what an answer cost."""

    provider: ClassVar[str] = "openrouter"
    key: ClassVar[str] = "OPENROUTER_API_KEY"
    address: ClassVar[str] = "OPENROUTER_BASE_URL"
    home: ClassVar[str] = "https://openrouter.ai/api/v1"

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        return {"usage": {"include": True}, **super()._body(messages, tools, schema)}

    def _cost(self, answer: Mapping[str, Any], usage: Usage) -> float | None:
        told = answer.get("usage")
        cost = told.get("cost") if isinstance(told, Mapping) else None
        if isinstance(cost, (int, float)) and not isinstance(cost, bool) and 0 <= cost < float("inf"):
            return float(cost)
        return super()._cost(answer, usage)


def _object(arguments: str) -> str:
    """Arguments as these servers take them back: they read them, and refuse what is no object."""
    try:
        good = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        good = False
    return arguments if good else json.dumps({"arguments": arguments})
