"""What the clients of OpenAI's two APIs share: OpenAI's own SDK."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.model.answer import Answer
from terrarium.model.client import Client, installed
from terrarium.model.retry import Kind
from terrarium.model.transport import new_http_client, posted
from terrarium.model.wire.wire import Tree

if TYPE_CHECKING:
    import openai


class OpenAIClient(Client):
    """A client at `path` below the base address, which ends with `/v1`.

    Args:
        model: What the provider calls it.
        organization: Of the account that pays.
        project: Of the account that pays.
        settings: Those of `Client`.
    """

    provider: ClassVar[str] = "openai"
    _path: ClassVar[str]
    _keys: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)
    _address: ClassVar[str] = "OPENAI_BASE_URL"
    _home: ClassVar[str] = "https://api.openai.com/v1"
    _kinds: ClassVar[Mapping[str, Kind]] = {
        "rate_limit_exceeded": "rate_limit",
        "overloaded": "rate_limit",
        "server_error": "server",
        "insufficient_quota": "refused",
        "billing_hard_limit_reached": "refused",
        "invalid_prompt": "refused",
        "context_length_exceeded": "refused",
        "invalid_api_key": "refused",
    }

    _client: openai.AsyncOpenAI | None = None

    def __init__(
        self, model: str, *, organization: str | None = None, project: str | None = None, **settings: Any
    ) -> None:
        super().__init__(model, **settings)
        self._organization, self._project = organization, project

    def _own(self, path: str, body: Mapping[str, Any]) -> tuple[str, Tree]:
        own = {**body, "model": self.name}
        return path.removeprefix("/v1"), self._streamed(own) if own.get("stream") else own

    def _asked(self, body: Tree, stream: bool) -> tuple[str, Tree]:
        return self._path, self._streamed(body) if body.get("stream", stream) else body

    def _streamed(self, body: Tree) -> Tree:
        """The body with the wish to have the answer in pieces."""
        return {**body, "stream": True}

    def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
        import openai

        return posted(openai, self._client, path, body, headers)

    async def _close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _prepare(self) -> None:
        if self._client is None:
            key = self._key()
            sdk = await installed("openai", "openai")
            if self._client is None:  # somebody else may have been as quick
                self._client = sdk.AsyncOpenAI(
                    api_key=key,
                    base_url=self._where(),
                    max_retries=0,
                    organization=self._organization,
                    project=self._project,
                    http_client=new_http_client(),
                )
