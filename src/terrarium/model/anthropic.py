"""Anthropic's models, through Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.core.values import Value
from terrarium.model.answer import Answer, Unanswered
from terrarium.model.client import Client, installed
from terrarium.model.retry import Failure, Kind
from terrarium.model.transport import chunks_of, new_http_client, told_by_transport
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

    @asynccontextmanager
    async def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        import anthropic
        import httpx2

        client = self._client
        assert client is not None
        with told_by_transport():
            try:
                response = await client.post(
                    path, cast_to=httpx2.Response, body=body, stream=True, options={"headers": dict(headers)}
                )
            except anthropic.APIStatusError as error:
                response = error.response
            except anthropic.APITimeoutError:
                raise Unanswered(Failure("timeout", "no connection within the time for it")) from None
            except anthropic.APIConnectionError as error:
                cause = error.__cause__ or error
                raise Unanswered(Failure("connection", f"{type(cause).__name__}: {cause}")) from None
        try:
            yield Answer(response.status_code, response.headers, chunks_of(response))
        finally:
            await response.aclose()

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
