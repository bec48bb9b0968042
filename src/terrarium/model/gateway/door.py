"""The door of a gateway: what programs say in the words of a provider's API, and who may say it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from terrarium.core.errors import ModelFault, ModelRefused, Refused
from terrarium.core.model import Completion, Forwarding
from terrarium.core.network import Caller
from terrarium.model.gateway.exchange import Exchange, Left
from terrarium.model.gateway.load import Crowded, Load
from terrarium.model.gateway.reach import query_within_reach, within_reach
from terrarium.model.gateway.reading import PARTS, aside, parse, parts_of
from terrarium.model.gateway.steps import Over, Steps
from terrarium.model.gateway.wires import wire
from terrarium.model.wire.wire import Asked

Message = MutableMapping[str, Any]

_ROUTES = {
    "/v1/chat/completions": "openai_chat",
    "/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/responses": "openai_responses",
    "/v1/messages": "anthropic",
}
_COUNT = re.compile(r"/v1/messages/count_tokens|/v1(beta)?/models/[^/]+:countTokens")
_MODELS = re.compile(r"(/v1|/v1beta)?/models(/[^:]+)?")
_GOOGLE = re.compile(r"/v1(beta)?/models/[^/]+:(generateContent|streamGenerateContent)")
_MEANT = re.compile(r"(anthropic-(beta|version)|openai-beta|x-stainless-helper.*|x-goog-api-client)\Z")
"""Headers of a request that go on to the provider: none that says who asks."""
_PER_TOKEN = 4  # bytes


class Door:
    """An ASGI application for the programs of one agent.

    Args:
        steps: What is behind it.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._load = Load()

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """One request.

        Raises:
            NotImplementedError: It is about a lifespan, which this has not.
        """
        if scope["type"] != "http":
            raise NotImplementedError
        path = scope["path"].rstrip("/") or "/"
        name = _ROUTES.get(path) or ("google" if _GOOGLE.fullmatch(path) else None)
        spoken = name or ("google" if path.startswith("/v1beta") else "anthropic" if "count" in path else "openai_chat")
        exchange = Exchange(spoken, send)
        try:
            await self._answer(scope, path, name, exchange, receive)
        except Left:
            pass  # whoever asked is gone

    async def _answer(
        self, scope: Message, path: str, name: str | None, exchange: Exchange, receive: Callable[[], Awaitable[Message]]
    ) -> None:
        steps, headers = self._steps, _headers(scope)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        if path == "/" and scope["method"] in ("GET", "HEAD"):
            await exchange.json(200, {"service": "model gateway"})  # some clients see first whether somebody is there
        elif not steps.admits(_shown(headers, query), caller):
            await exchange.error(401, "the key is not that of the agent whose sandbox this is")
        elif _COUNT.fullmatch(path):
            tokens = sum([len(part) async for part in _parts(receive)]) // _PER_TOKEN + 1
            await exchange.json(200, {"input_tokens": tokens, "totalTokens": tokens})
        elif scope["method"] == "GET" and _MODELS.fullmatch(path):
            await exchange.json(200, _models(path, steps.model.name))
        elif name is None:
            await exchange.error(404, f"{path[:200]} is not served here")
        elif scope["method"] != "POST":
            await exchange.error(405, "ask with POST")
        else:
            with self._load.holding() as held:
                try:
                    content = b"".join([held(part) async for part in _parts(receive)])
                    held.parts(min(parts_of(content), PARTS))  # more are refused unread
                except Crowded:
                    await exchange.error(429, "too much is asked at the same time")
                    return
                await self._ask(exchange, name, path, query, headers, content)

    async def _ask(
        self,
        exchange: Exchange,
        name: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes,
    ) -> None:
        steps = self._steps
        try:
            asked, own = await aside(len(content), _read, name, path, content)
        except Refused as error:
            await exchange.error(400, str(error))
            return
        refused = steps.refusal()
        if refused is not None:
            await exchange.error(400, refused)
            return
        if steps.busy:
            await exchange.error(429, "too many requests at the same time")
            return
        model = steps.model
        try:
            if isinstance(model, Forwarding) and model.wire == name:
                kept = query_within_reach(query)
                target = f"{path}?{urlencode(kept)}" if kept else path
                meant = {key: value for key, value in headers.items() if _MEANT.match(key)}
                await steps.take(lambda: self._priced(exchange.forward(model, wire(name), own, target, meant, content)))
                await exchange.finish()
                return
            completion = await steps.take(lambda: exchange.generate(model, asked, content))
            await exchange.completion(wire(name), completion, asked, listed="alt" not in query)
        except Left:
            raise
        except ModelRefused:
            await exchange.error(400, "the model does not take this request", final=True)
        except ModelFault:
            await exchange.error(502, "the model gave no answer", final=True)
        except Exception as error:
            told = steps.refusal() if isinstance(error, Over) else None
            await exchange.error(400 if told else 500, told or "the gateway failed", final=True)

    async def _priced(self, forwarded: Awaitable[Completion]) -> Completion:
        completion, price = await forwarded, self._steps.price
        return completion if price is None else replace(completion, cost=price(completion.usage))


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _shown(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The key that a request shows, wherever its API has it."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or headers.get("x-api-key") or headers.get("x-goog-api-key") or query.get("key", "")


def _read(name: str, path: str, content: bytes) -> tuple[Asked, dict[str, Any]]:
    """A request as it is understood, and as it may go on to the provider.

    Raises:
        Refused: It is none.
    """
    body = parse(content)
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    return wire(name).read_request(body, path), within_reach(name, body)


async def _parts(receive: Callable[[], Awaitable[Message]]) -> AsyncIterator[bytes]:
    """The body as it comes, which the server bounds."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Left
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def _models(path: str, name: str) -> dict[str, Any]:
    """What models there are, in the words of all the APIs that ask at this path."""
    if path.startswith("/v1beta"):
        methods = ["generateContent", "streamGenerateContent", "countTokens"]
        one = {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
        return one if path.count("/") > 2 else {"models": [one]}
    one = {"id": name, "object": "model", "type": "model", "display_name": name, "owned_by": "terrarium"}
    one |= {"created": 0, "created_at": "1970-01-01T00:00:00Z"}  # type: ignore[dict-item]
    many = {"object": "list", "data": [one], "has_more": False, "first_id": name, "last_id": name}
    return one if path.rpartition("/")[2] != "models" else many
