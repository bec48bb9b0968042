"""Google's models, through Google's own SDK."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from terrarium.core.errors import ModelRefused
from terrarium.model.answer import Answer
from terrarium.model.client import Client, installed
from terrarium.model.retry import Kind
from terrarium.model.transport import chunks_of, new_http_client, told_by_transport
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

    provider: ClassVar[str] = "google"
    wire: ClassVar[str] = "google"
    _format: ClassVar[Wire] = GoogleWire()
    _keys: ClassVar[tuple[str, ...]] = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    _address: ClassVar[str] = "GOOGLE_GEMINI_BASE_URL"
    _home: ClassVar[str] = "https://generativelanguage.googleapis.com"
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

    def _asked(self, body: Tree, stream: bool) -> tuple[str, Tree]:
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"v1beta/models/{self._quoted()}:{method}", body

    def _quoted(self) -> str:
        return quote(self.name.removeprefix("models/"), safe="")

    @asynccontextmanager
    async def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        from google.genai import types

        client, http = self._client, self._http
        assert client is not None
        assert http is not None

        version, _, rest = path.partition("/")
        options = types.HttpOptions(api_version=version, headers=dict(headers))
        # The SDK's own way to send reads answers into classes of its own, and loses what those have no field for.
        request = client._api_client._build_request("post", rest, dict(body), options)
        with told_by_transport():
            sent = http.build_request("POST", request.url, content=json.dumps(request.data), headers=request.headers)
            response = await http.send(sent, stream=True)
        try:
            yield Answer(response.status_code, response.headers, chunks_of(response))
        finally:
            await response.aclose()

    async def _close(self) -> None:
        if self._client is not None and self._http is not None:
            client, http, self._client, self._http = self._client, self._http, None, None
            client.close()
            await http.aclose()

    async def _prepare(self) -> None:
        if self._client is None:
            key = self._key()
            sdk = await installed("google.genai", "google")
            if self._client is None:  # somebody else may have been as quick
                self._http = new_http_client()
                options = sdk.types.HttpOptions(base_url=self._where(), httpx_async_client=self._http)
                self._client = sdk.Client(vertexai=False, api_key=key, http_options=options)
