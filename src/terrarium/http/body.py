"""The body of a request to an application that wants all of it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any


async def body_of(receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> bytes | None:
    """All of a request's body, whose size the server bounds; None where its client has gone."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)
