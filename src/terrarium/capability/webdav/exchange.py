"""One request to a WebDAV server and its answer, as ASGI has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from functools import partial
from typing import Any

from terrarium.capability.webdav.answer import Answer
from terrarium.core.aside import aside
from terrarium.core.capability import Site
from terrarium.core.network import Caller
from terrarium.http.body import body_of

Message = MutableMapping[str, Any]
Answering = Callable[[str, str, dict[str, str], bytes, Caller], Answer]
"""Gives the answer to a method, a raw path, headers by lower-case name, a body, and who asks."""


async def exchange(
    site: Site,
    answering: Answering,
    looking: Collection[str],
    dav: str,
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Read a request wholly, have it answered while the world stands, and send the answer.

    Args:
        site: Where the capability stands.
        answering: Gives the answer.
        looking: The methods that change nothing; they may take long, and the engine's loop goes on meanwhile.
        dav: What the server says of itself in the header `DAV`.
        scope: ASGI's.
        receive: ASGI's.
        send: ASGI's.

    Raises:
        NotImplementedError: It is no HTTP, such as a lifespan, which such a server has not.
    """
    if scope["type"] != "http":
        raise NotImplementedError("this application speaks HTTP only")
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}
    body = await body_of(receive)
    if body is None:
        return
    caller: Caller = scope["extensions"]["terrarium"]["caller"]
    asked = (scope["method"], scope["raw_path"].decode("latin-1"), headers, body, caller)
    async with site.request(caller):
        if scope["method"] in looking:
            answer = await aside(partial(answering, *asked))
        else:
            answer = answering(*asked)
    told = {"dav": dav, **answer.headers}
    listed = [(name.encode("latin-1"), text.encode("latin-1", "replace")) for name, text in told.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": listed})
    await send({"type": "http.response.body", "body": answer.body})
