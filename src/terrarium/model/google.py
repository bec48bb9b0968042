"""Google's models, through Google's own SDK."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from terrarium.core.errors import ConfigError, ModelRefused
from terrarium.model.answer import Answer
from terrarium.model.client import Client
from terrarium.model.retry import Kind
from terrarium.model.transport import new_http_client, told_by_transport
from terrarium.model.wire.google import GoogleWire
from terrarium.model.wire.wire import Tree, Wire

if TYPE_CHECKING:
    import httpx2
    from google import genai

_PATH = re.compile(r"/?(v[0-9a-z]+)/(?:models|tunedModels)/[^/:?]+:(\w+)(\?.*)?")


class GoogleModel(Client):
    """A Gemini, asked with Google's Gemini API. Settings: see `Client`.

    The key is in `GOOGLE_API_KEY` or `GEMINI_API_KEY`, another address in `GOOGLE_GEMINI_BASE_URL`.
    """

    wire: ClassVar[str] = "google"
    _format: ClassVar[Wire] = GoogleWire()
    _provider: ClassVar[str] = "google"
    _keys: ClassVar[tuple[str, ...]] = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    _address: ClassVar[str] = "GOOGLE_GEMINI_BASE_URL"
    _kinds: ClassVar[Mapping[str, Kind]] = {
        "RESOURCE_EXHAUSTED": "rate_limit",
        "UNAVAILABLE": "server",
        "INTERNAL": "server",
        "DEADLINE_EXCEEDED": "server",
        "INVALID_ARGUMENT": "refused",
        "FAILED_PRECONDITION": "refused",
        "UNAUTHENTICATED": "refused",
        "PERMISSION_DENIED": "refused",
        "NOT_FOUND": "refused",
    }

    _client: genai.Client | None = None
    _http: httpx2.AsyncClient | None = None

    def _own(self, path: str, body: Mapping[str, Any]) -> tuple[str, Tree]:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ModelRefused(
                f"{path[:200]!r} is no path of the Gemini API: it is /v1beta/models/NAME:generateContent"
            )
        return f"{found[1]}/models/{self._quoted()}:{found[2]}{found[3] or ''}", dict(body)

    def _streamed(self, body: Tree) -> tuple[str, Tree]:
        return f"v1beta/models/{self._quoted()}:streamGenerateContent?alt=sse", body

    def _quoted(self) -> str:
        return quote(self._model.removeprefix("models/"), safe="")

    @asynccontextmanager
    async def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        client, http = self._sdk()
        from google.genai import types

        version, _, rest = path.partition("/")
        options = types.HttpOptions(api_version=version, headers=dict(headers))
        # The SDK's own way to send reads answers into classes of its own, and loses what those have no field for.
        request = client._api_client._build_request("post", rest, dict(body), options)
        with told_by_transport():
            sent = http.build_request("POST", request.url, content=json.dumps(request.data), headers=request.headers)
            response = await http.send(sent, stream=True)
            try:
                yield Answer(response.status_code, response.headers, response.aiter_bytes())
            finally:
                await response.aclose()

    async def _close(self) -> None:
        if self._client is not None and self._http is not None:
            client, http, self._client, self._http = self._client, self._http, None, None
            client.close()
            await http.aclose()

    def _sdk(self) -> tuple[genai.Client, httpx2.AsyncClient]:
        """The SDK's client and what it sends with, made at the first request.

        Raises:
            ConfigError: The SDK is not installed.
            ModelRefused: There is no key.
        """
        if self._client is None or self._http is None:
            key = self._key()
            try:
                from google import genai
                from google.genai import types
            except ImportError:
                raise ConfigError("Google's models need a package: pip install 'terrarium[google]'") from None
            self._http = new_http_client()
            options = types.HttpOptions(base_url=self._where(), httpx_async_client=self._http)
            self._client = genai.Client(vertexai=False, api_key=key, http_options=options)
        return self._client, self._http
