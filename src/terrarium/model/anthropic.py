"""Anthropic's models, through Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.core.values import Value
from terrarium.model.answer import Answer
from terrarium.model.client import Client, installed
from terrarium.model.retry import Kind
from terrarium.model.transport import new_http_client, posted
from terrarium.model.wire.anthropic import AnthropicWire
from terrarium.model.wire.wire import Tree, Wire

if TYPE_CHECKING:
    import anthropic


class AnthropicModel(Client):
    """A Claude, asked with Anthropic's Messages API. Settings: see `Client`.

    The key is in `ANTHROPIC_API_KEY`, another address in `ANTHROPIC_BASE_URL`. `cache` is on where it is not set.
    """

    provider: ClassVar[str] = "anthropic"
    wire: ClassVar[str] = "anthropic"
    _format: ClassVar[Wire] = AnthropicWire()
    _keys: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY",)
    _address: ClassVar[str] = "ANTHROPIC_BASE_URL"
    _home: ClassVar[str] = "https://api.anthropic.com"
    _chosen: ClassVar[Mapping[str, Value]] = {"cache": True}
    _kinds: ClassVar[Mapping[str, Kind]] = {
        "overloaded_error": "rate_limit",
        "rate_limit_error": "rate_limit",
        "api_error": "server",
        "timeout_error": "server",
        "invalid_request_error": "refused",
        "authentication_error": "refused",
        "billing_error": "refused",
        "permission_error": "refused",
        "not_found_error": "refused",
        "request_too_large": "refused",
    }

    _client: anthropic.AsyncAnthropic | None = None

    def _own(self, path: str, body: Mapping[str, Any]) -> tuple[str, Tree]:
        return path, {**body, "model": self.name}

    def _asked(self, body: Tree, stream: bool) -> tuple[str, Tree]:
        return "/v1/messages", {**body, "stream": stream}

    def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
        import anthropic

        return posted(anthropic, self._client, path, body, headers)

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _prepare(self) -> None:
        if self._client is None:
            key = self._key()
            sdk = await installed("anthropic", "anthropic")
            if self._client is None:  # somebody else may have been as quick
                self._client = sdk.AsyncAnthropic(
                    api_key=key, base_url=self._where(), max_retries=0, http_client=new_http_client()
                )
