"""The HTTP client that the SDKs of providers are given: its answers have an end, and its errors are told in our words.

The time that an answer takes is watched by who reads it; here only a connection has a time of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from terrarium.model.answer import MOST, Unanswered
from terrarium.model.retry import Failure

if TYPE_CHECKING:
    import httpx2

_CONNECT = 20.0  # seconds


def new_http_client() -> httpx2.AsyncClient:
    """A client that reads no answer of more than `MOST` bytes, errors included, and follows no redirection."""
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._stream:
                size += len(chunk)
                if size > MOST:
                    raise Unanswered(Failure("malformed", f"the answer is larger than {MOST // 2**20} MB"))
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            if isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = Body(response.stream)
            return response

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    return httpx2.AsyncClient(
        transport=Transport(limits=limits),
        timeout=httpx2.Timeout(None, connect=_CONNECT),
        headers={"accept-encoding": "identity"},
    )


@contextmanager
def told_by_transport() -> Iterator[None]:
    """A block in which errors of the transport are `Unanswered`."""
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise Unanswered(Failure("timeout", f"{type(error).__name__}: {error}")) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise Unanswered(Failure("connection", f"{type(error).__name__}: {error}")) from None


async def chunks_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body of an answer as it comes.

    Raises:
        Unanswered: It breaks off.
    """
    with told_by_transport():
        async for chunk in response.aiter_bytes():
            yield chunk
