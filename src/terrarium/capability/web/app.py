"""A site as an ASGI application: it answers from the shelf, or has an application of the task's answer."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from terrarium.capability.web.answer import Answer, Asked, answer
from terrarium.capability.web.shelf import Shelf
from terrarium.core.aside import aside
from terrarium.core.capability import Site
from terrarium.core.network import Caller

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

APP_SECONDS = 30.0  # of wall time for one answer of an application
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of it


class SiteApp:
    """Serves one site.

    A request is read wholly before anything happens in the world, and answered after: a slow client holds up nobody.

    Args:
        site: Where the capability stands.
        shelf: What there is.
        host: The site.
        app: The task's application (ASGI 3, or WSGI), if it has one.
        wsgi: Which of the two.
    """

    def __init__(self, site: Site, shelf: Shelf, host: str, app: Any = None, wsgi: bool = False) -> None:
        self._site = site
        self._shelf = shelf
        self._host = host
        self._app = app
        self._wsgi = wsgi

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the lifespan (ASGI 3)."""
        if scope["type"] == "lifespan" and self._app is not None and not self._wsgi:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError("a site speaks HTTP only")
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        query = scope["query_string"].decode("latin-1")
        path = f"{scope['path']}?{query}" if query else scope["path"]
        async with self._site.request(caller):
            status, size = 500, 0
            try:
                start, content = await self._answer(scope, bytes(body))
                status, size = start["status"], 0 if scope["method"] == "HEAD" else len(content)
            finally:
                self._shelf.visited(self._host, scope["method"], path, status, size)
        await send(start)
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Message, body: bytes) -> tuple[Message, bytes]:
        if self._app is None:
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}
            query = scope["query_string"].decode("latin-1")
            return _sent(answer(self._shelf, self._host, Asked(scope["method"], scope["path"], query, headers)))
        try:
            async with asyncio.timeout(APP_SECONDS):
                if self._wsgi:
                    return await aside(lambda: _call_wsgi(self._app, scope, body, self._host))
                return await _call_asgi(self._app, scope, body)
        except TimeoutError:
            return _sent(Answer(504, b"the application has not answered in time\n", {"content-type": "text/plain"}))


def _sent(found: Answer) -> tuple[Message, bytes]:
    headers = [(name.encode("latin-1"), text.encode("latin-1", "replace")) for name, text in found.headers.items()]
    if found.status >= 200 and found.status not in (204, 304):
        headers.append((b"content-length", str(len(found.body)).encode()))
    return {"type": "http.response.start", "status": found.status, "headers": headers}, found.body


async def _call_asgi(app: Any, scope: Message, body: bytes) -> tuple[Message, bytes]:
    asked, start, content, ended = False, dict[str, Any](), bytearray(), asyncio.Event()

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            content.extend(message.get("body", b""))
            if len(content) > ANSWER_LIMIT:
                raise OSError(f"an answer may have {ANSWER_LIMIT} bytes")
            if not message.get("more_body", False):
                ended.set()

    await app(scope, receive, send)
    if not start:
        raise RuntimeError("the application gave no answer")
    return start, bytes(content)


def _call_wsgi(app: Any, scope: Message, body: bytes, host: str) -> tuple[Message, bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written = bytearray()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]
        return written.extend

    parts = app(_environ(scope, body, host), start_response)
    try:
        for part in parts:
            written.extend(part)
            if len(written) > ANSWER_LIMIT:
                raise OSError(f"an answer may have {ANSWER_LIMIT} bytes")
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = started[0]
    told = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers]
    return {"type": "http.response.start", "status": int(status[:3]), "headers": told}, bytes(written)


def _environ(scope: Message, body: bytes, host: str) -> dict[str, Any]:
    """What WSGI tells an application (PEP 3333)."""
    found: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": "443" if scope["scheme"] == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "terrarium.caller": scope["extensions"]["terrarium"]["caller"],
    }
    for name, text in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            found[key] = text.decode("latin-1")
        elif key != "CONTENT_LENGTH":
            known = found.get(f"HTTP_{key}")
            found[f"HTTP_{key}"] = f"{known},{text.decode('latin-1')}" if known else text.decode("latin-1")
    return found
