"""Models of servers that speak Chat Completions, each with what is its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.core.errors import ConfigError
from terrarium.core.message import Message, Usage
from terrarium.core.tool import Tool
from terrarium.model.openai_chat import OpenAIChatModel
from terrarium.model.wire.wire import Tree

if TYPE_CHECKING:
    from terrarium.model.vllm.lease import Lease
    from terrarium.model.vllm.settings import VllmSettings


class _OpenModel(OpenAIChatModel):
    """A model on a server of one's own: no key is needed, and `top_k` is known."""

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        given = {key: value for key, value in self.parameters.items() if key != "top_k"}
        own = {"top_k": self.parameters["top_k"]} if "top_k" in self.parameters else {}
        body = own | self._format.request(self.name, messages, tools, given, schema)
        for turn in body["messages"]:
            for call in turn.get("tool_calls", ()):
                call["function"]["arguments"] = _object(call["function"]["arguments"])
        return body


class VllmModel(_OpenModel):
    """A model that vLLM serves; gives the ids of the tokens, for training.

    Args:
        model: Its name.
        server: The settings of a server that is to be cared for: taken where it is, else started, and stopped in the
            end; True: those by default. See `VllmSettings`.
        settings: Those of `OpenAIChatModel`.
    """

    provider: ClassVar[str] = "vllm"
    _keys: ClassVar[tuple[str, ...]] = ("VLLM_API_KEY",)
    _address: ClassVar[str] = "VLLM_BASE_URL"
    _home: ClassVar[str] = "http://127.0.0.1:8000/v1"

    def __init__(self, model: str, *, server: Mapping[str, Any] | bool | None = None, **settings: Any) -> None:
        self._server: VllmSettings | None = None
        self._leased: asyncio.Future[Lease] | None = None
        if server is not None and server is not False:
            from terrarium.model.vllm.settings import VllmSettings

            if settings.get("base_url") is not None:
                raise ConfigError(
                    "a vLLM server that is cared for is where its own settings say: no base_url beside it"
                )
            given = VllmSettings.of({"model_name": model, **(server if isinstance(server, Mapping) else {})})
            self._server, model = given, given.name
            settings = {"timeout": given.request_timeout, **settings, "base_url": f"{given.url}/v1"}
        super().__init__(model, **settings)

    async def close(self) -> None:
        """Give up connections and the server; idempotent."""
        await super().close()
        leased, self._leased = self._leased, None
        if leased is not None and leased.done() and not leased.cancelled() and leased.exception() is None:
            await leased.result().release()

    async def _prepare(self) -> None:
        await self._have_server()
        await super()._prepare()

    async def _have_server(self) -> None:
        """Start a server where one is to be cared for and there is none."""
        if self._server is None:
            return
        from terrarium.model.vllm.lease import lease

        if self._leased is None or (self._leased.done() and self._leased.exception() is not None):
            self._leased = asyncio.ensure_future(lease(self._server))
        await asyncio.shield(self._leased)

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        return {"return_token_ids": True, **super()._body(messages, tools, schema)}


class SglangModel(_OpenModel):
    """A model that SGLang serves."""

    provider: ClassVar[str] = "sglang"
    _keys: ClassVar[tuple[str, ...]] = ("SGLANG_API_KEY",)
    _address: ClassVar[str] = "SGLANG_BASE_URL"
    _home: ClassVar[str] = "http://127.0.0.1:30000/v1"


class OllamaModel(_OpenModel):
    """A model that Ollama serves."""

    provider: ClassVar[str] = "ollama"
    _keys: ClassVar[tuple[str, ...]] = ("OLLAMA_API_KEY",)
    _address: ClassVar[str] = "OLLAMA_BASE_URL"
    _home: ClassVar[str] = "http://127.0.0.1:11434/v1"

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
    _keys: ClassVar[tuple[str, ...]] = ("OPENROUTER_API_KEY",)
    _address: ClassVar[str] = "OPENROUTER_BASE_URL"
    _home: ClassVar[str] = "https://openrouter.ai/api/v1"

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        return {"usage": {"include": True}, **super()._body(messages, tools, schema)}

    def _cost(self, answer: Tree, usage: Usage) -> float | None:
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
