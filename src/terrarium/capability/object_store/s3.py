"""The S3 interface of an object store: requests in, answers out. An ASGI application."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from terrarium.capability.object_store import chunked, keys
from terrarium.capability.object_store.answer import Answer, Asked, failure, refused
from terrarium.capability.object_store.buckets import Buckets
from terrarium.capability.object_store.keys import Keys
from terrarium.capability.object_store.objects import Objects
from terrarium.capability.object_store.shelf import Shelf
from terrarium.capability.object_store.uploads import Uploads
from terrarium.core.errors import CapabilityFault, NotFound, Refused
from terrarium.core.network import Caller
from terrarium.http.body import body_of

ANYBODY = "anonymous"
"""Who acts where a request is not signed."""
_QUERY_LIMIT = 100  # parameters


class S3:
    """Serves the buckets of a world to S3's clients.

    Args:
        shelf: The buckets.
        keys: Of the agents.
        hosts: Names it is served at; with a bucket's name before one, the path is in that bucket.
        after: Done after each request, before its answer.
    """

    def __init__(self, shelf: Shelf, keys: Keys, hosts: tuple[str, ...], after: Callable[[], Awaitable[None]]) -> None:
        self._shelf = shelf
        self._keys = keys
        self._hosts = hosts
        self._after = after
        self._buckets = Buckets(shelf)
        self._objects = Objects(shelf)
        self._uploads = Uploads(shelf)
        self._count = 0

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request (ASGI 3)."""
        if scope["type"] != "http":
            raise NotImplementedError("this application speaks HTTP only")
        body = await body_of(receive)
        if body is None:
            return
        self._count += 1
        request = f"{self._count:016X}"
        answer = await self._answer(scope, body, request)
        told = {"x-amz-request-id": request, **answer.headers}
        if "content-length" not in told:
            told["content-length"] = str(len(answer.body))
        headers = [(name.encode("latin-1"), text.encode("latin-1", "replace")) for name, text in told.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: MutableMapping[str, Any], body: bytes, request: str) -> Answer:
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        path = scope["raw_path"].decode("latin-1")
        try:
            headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
            query = _query(scope["query_string"])
            asked = keys.Asked(scope["method"], path, query, headers, self._named(headers.get("host", "")))
            agent, payload = self._keys.signer(asked, self._shelf.site.clock.now)
            if agent is not None and caller.agent not in (None, agent):
                raise refused("InvalidAccessKeyId", "this is the access key of another agent")
            bucket, key = self._place(asked.bucket, path)
            whole = Asked(asked.method, bucket, key, dict(query), headers, _content(body, payload, headers))
            async with self._shelf.site.request(Caller(agent, caller.sandbox if agent else ANYBODY)):
                answer = self._do(whole)
            await self._after()
            return answer
        except (Refused, NotFound, UnicodeDecodeError, UnicodeEncodeError) as error:
            told = error if isinstance(error, CapabilityFault) else refused("InvalidURI", "this is not UTF-8")
            return failure(told, path[:1024], request)

    def _do(self, asked: Asked) -> Answer:
        if not asked.bucket:
            if asked.method != "GET":
                raise refused("MethodNotAllowed", "The specified method is not allowed against this resource.")
            return self._buckets.all()
        if not asked.key:
            return self._buckets.do(asked)
        if "uploadId" in asked.query or "uploads" in asked.query:
            return self._uploads.do(asked)
        return self._objects.do(asked)

    def _named(self, host: str) -> str:
        """The bucket that a host names, or nothing."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return next((name.removesuffix(f".{own}") for own in self._hosts if name.endswith(f".{own}")), "")

    @staticmethod
    def _place(named: str, path: str) -> tuple[str, str]:
        """(bucket, key) of a path, at a host that may name the bucket."""
        words = unquote_to_bytes(path).decode().removeprefix("/")
        bucket, _, key = words.partition("/")
        return (named, words) if named else (bucket, key)


def _query(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_LIMIT)
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise refused("InvalidArgument", f"a request has at most {_QUERY_LIMIT} parameters") from None


def _content(body: bytes, payload: str, headers: dict[str, str]) -> bytes:
    """The content of a body, out of its coding and compared with its checksums."""
    told: dict[str, str] = headers
    if payload.startswith("STREAMING-") or "aws-chunked" in headers.get("content-encoding", ""):
        body, trailers = chunked.unpacked(body)
        told = {**headers, **trailers}
    elif len(payload) == 64 and hashlib.sha256(body).hexdigest() != payload:
        raise refused("XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 header does not match the body")
    chunked.check_sums(body, told)
    return body
