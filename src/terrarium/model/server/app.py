"""The ASGI application of a model server: requests in any wire format, answered by a model, as faults let it."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from terrarium.core.errors import ModelFault, Refused, TerrariumError
from terrarium.core.model import Completion, Model
from terrarium.core.values import canonical, digest
from terrarium.http.body import body_of
from terrarium.http.connection import Gone
from terrarium.http.date import http_date
from terrarium.model.server import listing
from terrarium.model.server.fault import Fault, Faults
from terrarium.model.server.formats import wire_named
from terrarium.model.server.route import Route, route, wire_of
from terrarium.model.server.spoil import HTML, as_json, first_half, frames, spoiled, sse
from terrarium.model.wire.wire import Asked, Tree, Wire

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOSING = ("stall", "malformed", "truncated", "cut", "deep_body")  # kinds whose answers never arrive whole
_PAUSE = 0.05  # seconds between the pieces of a slow answer


@dataclass
class Served:
    """One request for an answer, and what became of it."""

    number: int
    wire: str
    path: str
    body: Any = None
    asked: Asked | None = None
    fault: str | None = None
    status: int = 0
    completion: Completion | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that do not authenticate."""


class Failure(Exception):
    """An answer that is an error of the server's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ModelApp:
    """Answers requests in the wire formats of providers.

    Args:
        model: Who answers, whatever model is asked for; or several by their names.
        faults: What goes wrong, and when.
        delay: Seconds before each answer.
        key: What clients must send as their key; None: any will do.
        served: Told of each request when it is over.
        keep: How many of the last requests are kept.
    """

    def __init__(
        self,
        model: Model | Mapping[str, Model],
        faults: Iterable[Fault | str | Mapping[str, Any]] = (),
        delay: float = 0.0,
        key: str | None = None,
        served: Callable[[Served], None] | None = None,
        keep: int = 1000,
    ) -> None:
        self._models = dict(model) if isinstance(model, Mapping) else {model.name: model}
        self._any = not isinstance(model, Mapping)
        self._faults = Faults(faults)
        self._delay = delay
        self._key = key
        self._told = served
        self._lost: dict[str, Completion] = {}
        self.requests: deque[Served] = deque(maxlen=keep)
        """The last requests for answers, oldest first."""
        self.count = 0
        """How many have come."""

    @property
    def names(self) -> list[str]:
        """What its models are called, sorted."""
        return sorted(self._models)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request; what comes of it is never an exception, but for a client or a connection that is gone."""
        if scope["type"] != "http":
            raise RuntimeError(f"this server speaks HTTP, not {scope['type']!r}")
        method, path = scope["method"], scope["path"]
        found = route(method, path)
        if found is not None and found.wanted == "answer":
            await self._serve(scope, receive, send, found)
            return
        wire = wire_named(found.wire if found else wire_of(path))
        try:
            if found is None:
                raise Failure(404, f"there is nothing at {method} {path}")
            if found.wanted != "health":
                self._admit(scope)
            tree: Tree = {"status": "ok"}
            if found.wanted == "count":
                tree = listing.count(found.wire, await _json_of(receive))
            elif found.wanted in ("models", "model"):
                tree = self._listed(found)
            await _answer(send, 200, as_json(tree))
        except Failure as failure:
            await _answer(send, failure.status, as_json(wire.error(failure.status, str(failure))))

    # -- answers --------------------------------------------------------------------------------------------------

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, found: Route) -> None:
        self.count += 1
        wire = wire_named(found.wire)
        served = Served(self.count, found.wire, scope["path"], headers=_plain_headers(scope))
        self.requests.append(served)
        fault = self._faults.next(served.number)
        served.fault = fault.kind if fault else None
        try:
            self._admit(scope)
            served.body = await _json_of(receive)
            await self._respond(served, wire, found, fault, send, parse_qs(scope["query_string"].decode("latin-1")))
        except Failure as failure:
            served.status = failure.status
            await _answer(send, failure.status, as_json(wire.error(failure.status, str(failure))))
        finally:
            if self._told is not None:
                self._told(served)

    async def _respond(
        self, served: Served, wire: Wire, found: Route, fault: Fault | None, send: Send, query: Mapping[str, list[str]]
    ) -> None:
        try:
            asked = wire.read_request(served.body, served.path)
        except Refused as error:
            raise Failure(400, str(error)) from None
        if found.stream is not None:
            asked = dataclasses.replace(asked, stream=found.stream)
        served.asked = asked
        model = self._model(asked.model)
        if self._delay:
            await asyncio.sleep(self._delay)
        if fault is not None and await self._instead(served, wire, fault, send):
            return
        completion = await self._completion(served, model, asked, fault)
        completion = served.completion = spoiled(completion, fault, wire.name, asked.tools)
        served.status = 200
        pieces, media = _pieces(wire, completion, asked, query)
        await self._send(send, pieces, media, fault, asked.stream)

    async def _instead(self, served: Served, wire: Wire, fault: Fault, send: Send) -> bool:
        """Whether something else was sent than what a model says."""
        if fault.status is not None:
            served.status = fault.status
            tree = wire.error(fault.status, f"this is fault {fault.kind}, as the server was told")
            await _answer(send, fault.status, as_json(tree), _retry_after(fault))
        elif fault.kind == "content_type":
            served.status = 200
            await _answer(send, 200, HTML, media=b"text/html; charset=utf-8")
        elif fault.kind == "drop":
            raise Gone("dropped, as the server was told")
        else:
            return False
        return True

    async def _completion(self, served: Served, model: Model, asked: Asked, fault: Fault | None) -> Completion:
        """What the model says; an answer that a fault has lost is given again to who asks the same again."""
        if fault is not None and fault.kind == "empty":
            from terrarium.core.message import Message

            return Completion(Message("assistant", []), model=asked.model)
        key = digest([served.path, canonical(served.body)]) if fault or self._lost else ""
        completion = self._lost.pop(key, None)
        if completion is None:
            try:
                completion = await model.generate(asked.messages, asked.tools)
            except ModelFault as error:
                raise Failure(400, str(error)) from None
            except TerrariumError as error:
                raise Failure(400, f"the policy fails: {error}") from None
            except Exception as error:
                raise Failure(400, f"the policy fails: {type(error).__name__}: {error}") from error
        if fault is not None and fault.kind in _LOSING:
            self._lost[key] = completion
        return dataclasses.replace(completion, model=asked.model)

    async def _send(self, send: Send, pieces: Iterable[bytes], media: bytes, fault: Fault | None, stream: bool) -> None:
        kind = fault.kind if fault else ""
        left_off = kind in ("stall", "truncated")
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", media), *_REQUEST_ID]}
        if not (stream or fault):
            await send(start)
            await send({"type": "http.response.body", "body": b"".join(pieces)})
            return
        await send(start)
        for piece in first_half(pieces, stream) if left_off else frames(pieces, fault, stream):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if kind == "slow":
                await asyncio.sleep(_PAUSE if fault is None or fault.seconds is None else fault.seconds)
        if kind == "stall":
            await asyncio.sleep(fault.seconds if fault and fault.seconds is not None else 3600.0)
        if left_off:
            raise Gone("left off, as the server was told")
        await send({"type": "http.response.body", "body": b""})

    # -- who asks, and what for -------------------------------------------------------------------------------------

    def _admit(self, scope: MutableMapping[str, Any]) -> None:
        if self._key is None:
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = [headers.get("x-api-key", ""), headers.get("x-goog-api-key", ""), query.get("key", [""])[0]]
        given.append(headers.get("authorization", "").removeprefix("Bearer "))
        if not any(hmac.compare_digest(one.encode(), self._key.encode()) for one in given):
            raise Failure(401, "the key is not the one this server wants")

    def _model(self, name: str) -> Model:
        if self._any:
            return next(iter(self._models.values()))
        found = self._models.get(name.removeprefix("models/"))
        if found is None:
            raise Failure(404, f"there is no model {name!r}; there are: {', '.join(sorted(self._models))}")
        return found

    def _listed(self, found: Route) -> Tree:
        if found.wanted == "models":
            return listing.models(self.names)
        if not self._any and found.model not in self._models:
            raise Failure(404, f"there is no model {found.model!r}")
        return listing.model(found.model)


_REQUEST_ID = ((b"x-request-id", b"req_local"), (b"request-id", b"req_local"))
_AUTHENTICATING = ("authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization")


def _plain_headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    return {name: value for name, value in pairs if name not in _AUTHENTICATING}


async def _json_of(receive: Receive) -> Any:
    body = await body_of(receive)
    if body is None:
        raise Gone("the client left in the middle of its request")
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failure(400, f"the body is no JSON: {type(error).__name__}") from None
    if not isinstance(tree, dict):
        raise Failure(400, "the body is no object of JSON")
    return tree


def _pieces(
    wire: Wire, completion: Completion, asked: Asked, query: Mapping[str, list[str]]
) -> tuple[Iterable[bytes], bytes]:
    if not asked.stream:
        return [as_json(wire.answer(completion, asked))], b"application/json"
    events = wire.events(completion, asked)
    if wire.name == "google" and query.get("alt") != ["sse"]:
        return _listed_events(data for _, data in events), b"application/json"
    return (sse(name, data) for name, data in events), b"text/event-stream; charset=utf-8"


def _listed_events(events: Iterator[Any]) -> Iterator[bytes]:
    """A stream of Google's where no events were asked for: one list."""
    before = b"["
    for data in events:
        yield before + as_json(data)
        before = b",\n"
    yield b"]"


def _retry_after(fault: Fault) -> list[tuple[bytes, bytes]]:
    if fault.after is None:
        return []
    said = http_date(datetime.now(UTC) + timedelta(seconds=1)) if fault.after == "date" else str(fault.after)
    return [(b"retry-after", said.encode("ascii"))]


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    media: bytes = b"application/json",
) -> None:
    sent = [(b"content-type", media), *_REQUEST_ID, *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
