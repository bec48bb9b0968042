"""Anthropic's models, through Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.core.errors import ConfigError
from terrarium.core.values import Value
from terrarium.model.answer import Answer, Unanswered
from terrarium.model.client import Client
from terrarium.model.retry import Failure, Kind
from terrarium.model.transport import new_http_client, told_by_transport
from terrarium.model.wire.anthropic import AnthropicWire
from terrarium.model.wire.wire import Tree, Wire

if TYPE_CHECKING:
    import anthropic


class AnthropicModel(Client):
    """A Claude, asked with Anthropic's Messages API. Settings: see `Client`.

    The key is in `ANTHROPIC_API_KEY`, another address in `ANTHROPIC_BASE_URL`. `cache` is on where it is not set.
    """

    wire: ClassVar[str] = "anthropic"
    _format: ClassVar[Wire] = AnthropicWire()
    _provider: ClassVar[str] = "anthropic"
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
        return path, {**body, "model": self._model}

    def _streamed(self, body: Tree) -> tuple[str, Tree]:
        return "/v1/messages", {**body, "stream": True}

    @asynccontextmanager
    async def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        client = self._sdk()
        import anthropic
        import httpx2

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
                yield Answer(response.status_code, response.headers, response.aiter_bytes())
            finally:
                await response.aclose()

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _sdk(self) -> anthropic.AsyncAnthropic:
        """The SDK's client, made at the first request.

        Raises:
            ConfigError: The SDK is not installed.
            ModelRefused: There is no key.
        """
        if self._client is None:
            key = self._key()
            try:
                import anthropic
            except ImportError:
                raise ConfigError("Anthropic's models need a package: pip install 'terrarium[anthropic]'") from None
            self._client = anthropic.AsyncAnthropic(
                api_key=key, base_url=self._where(), max_retries=0, http_client=new_http_client()
            )
        return self._client
