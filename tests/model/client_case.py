"""The clients of all providers, each with a server that speaks its format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from terrarium.core.message import Message
from terrarium.core.tool import Tool
from terrarium.http.limits import HttpLimits
from terrarium.http.listener import Listener
from terrarium.model.anthropic import AnthropicModel
from terrarium.model.google import GoogleModel
from terrarium.model.openai_chat import OpenAIChatModel
from terrarium.model.openai_responses import OpenAIResponsesModel
from terrarium.model.server.server import ModelServer

CLIENTS: list[Any] = [OpenAIChatModel, OpenAIResponsesModel, AnthropicModel, GoogleModel]
EACH = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.wire)
QUICK = {"max_wait": 0.01, "retries": 2}
HELLO = [Message("user", "hello")]
SAID = [{"say": "Good morning to everybody."}, *[{"tool": "look_up", "args": {"word": w}} for w in ("a", "b")]]


def look_up(word: str) -> str:
    """Look up a word.

    Args:
        word: Which.
    """
    return word


TOOLS = [Tool.of(look_up)]


def base(kind: Any) -> str:
    """What stands behind a server's address in the base address."""
    return "/v1" if kind.provider == "openai" else ""


def key_name(kind: Any) -> str:
    return {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GOOGLE_API_KEY"}[kind.provider]


@asynccontextmanager
async def served(
    kind: Any, *faults: str, answer: Any = SAID, key: str | None = None, **settings: Any
) -> AsyncIterator[tuple[Any, ModelServer]]:
    """A client, and the server that it asks."""
    server = ModelServer(lambda messages, tools: answer, faults=faults, key=key)
    await server.open()
    model = kind("m-1", base_url=server.url + base(kind), **{**QUICK, **settings})
    try:
        yield model, server
    finally:
        await model.close()
        await model.close()
        await server.close()


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(test())  # type: ignore[arg-type]


JSON = {"content-type": "application/json"}


@asynccontextmanager
async def answering(kind: Any, *answers: tuple[int, dict[str, str], bytes], **settings: Any) -> AsyncIterator[Any]:
    """A client of a server that answers just these bytes, in order; the last again and again."""
    left = list(answers)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, headers, body = left.pop(0) if len(left) > 1 else left[0]
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": body, "more_body": status == 200})
        if status == 200:  # a connection that nobody ends
            await asyncio.sleep(60)

    listener = Listener(app, "127.0.0.1", 0, HttpLimits(), print)
    await listener.open()
    model = kind("m-1", base_url=listener.url + base(kind), **{**QUICK, "retries": 0, **settings})
    try:
        yield model
    finally:
        await model.close()
        await listener.close()


def forwarded(kind: Any, stream: bool = False) -> tuple[dict[str, Any], str]:
    """The body and the path of a request for another model."""
    body = kind._format.request("other", HELLO, [], {})
    if kind is GoogleModel:
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return body, f"/v1beta/models/other:{method}"
    path = "/v1/messages?beta=true" if kind is AnthropicModel else f"/v1{kind._path}"
    return {**body, "stream": stream}, path


async def sent_on(model: Any, body: Any, path: str) -> tuple[Any, bytes]:
    async with model.forward(body, path, {"x-said": "1"}) as answer:
        return answer, b"".join([chunk async for chunk in answer.chunks])
