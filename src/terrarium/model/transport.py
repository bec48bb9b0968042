"""The HTTP client that the SDKs of providers are given: its answers have an end, and its errors are told in our words.

The time that an answer takes is watched by who reads it; here only a connection has a time of its own.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from terrarium.model.answer import MOST, STREAM, Answer, Unanswered
from terrarium.model.retry import Failure
from terrarium.model.wire.wire import Tree

if TYPE_CHECKING:
    import ssl

    import httpx2

_CONNECT = 20.0  # seconds


def new_http_client() -> httpx2.AsyncClient:
    """A client that reads no answer of more than `STREAM` bytes, no error of more than `MOST`; follows no redirection.

    Its certificates are read once in a process.
    """
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
            self._stream, self._most = stream, most

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._stream:
                size += len(chunk)
                if size > self._most:
                    raise Unanswered(Failure("malformed", f"the answer is larger than {self._most >> 20} MiB"))
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            if isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = Body(response.stream, STREAM if response.status_code < 300 else MOST)
            return response

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx2.AsyncClient(
        transport=Transport(verify=_certificates(), limits=limits),
        timeout=httpx2.Timeout(None, connect=_CONNECT),
        headers={"accept-encoding": "identity"},
    )


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom a connection trusts: to read that takes longer than many a request."""
    import httpx2

    return httpx2.create_ssl_context()


@contextmanager
def told_by_transport() -> Iterator[None]:
    """A block in which errors of the transport are `Unanswered`."""
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise Unanswered(Failure("timeout", f"{type(error).__name__}: {error}")) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise Unanswered(Failure("connection", f"no connection: {type(error).__name__}: {error}")) from None


async def chunks_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body of an answer as it comes.

    Raises:
        Unanswered: It breaks off.
    """
    with told_by_transport():
        async for chunk in response.aiter_bytes():
            yield chunk


@asynccontextmanager
async def posted(sdk: Any, client: Any, path: str, body: Tree, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
    """The answer to a request by the SDK of OpenAI or of Anthropic, which are built alike; its body is not yet read.

    Args:
        sdk: The module.
        client: Its client.
        path: Below the base address.
        body: Of the request.
        headers: Beside those of the SDK.

    Raises:
        Unanswered: Nobody answers; also inside the block, where the answer breaks off.
    """
    import httpx2

    with told_by_transport():
        try:
            response = await client.post(
                path, cast_to=httpx2.Response, body=body, stream=True, options={"headers": dict(headers)}
            )
        except sdk.APIStatusError as error:
            response = error.response
        except sdk.APITimeoutError:
            raise Unanswered(Failure("timeout", "no connection within the time for it")) from None
        except sdk.APIConnectionError as error:
            cause = error.__cause__ or error
            told = f"no connection: {type(cause).__name__}: {cause}"
            raise Unanswered(Failure("connection", told)) from None
    try:
        yield Answer(response.status_code, response.headers, chunks_of(response))
    finally:
        await response.aclose()
