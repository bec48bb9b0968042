"""A web client inside the world: it knows the world's host names and nothing else."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

from terrarium.capability.web.shelf import METHODS
from terrarium.capability.web.text import text_of
from terrarium.core.aside import aside
from terrarium.core.authority import Authority
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller, Network
from terrarium.core.values import Value

READ_LIMIT = 2 * 1024 * 1024  # bytes of an answer that are read
SHOWN_LIMIT = 50_000  # characters of it that are shown
_PARSED = 500_000  # characters of HTML that are turned into text
_SECONDS = 60.0
_REDIRECTS = 10
_SHOWN_HEADERS = ("allow", "content-type", "etag", "last-modified", "location", "retry-after", "www-authenticate")
_TEXTUAL = re.compile(r"text/|.*(json|xml|javascript|yaml|toml|x-www-form-urlencoded)")


@dataclass(frozen=True)
class Came:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    more: bool
    """There was more of the body."""


async def fetch(
    network: Network, caller: Caller, url: str, method: str, body: str, headers: Mapping[str, str], raw: bool
) -> dict[str, Value]:
    """Ask a host of the world, and follow where it sends one.

    Returns:
        `status`, `url` (after redirects), `headers` (the telling ones), `text`, `truncated`.

    Raises:
        Refused: The address or a header cannot be one, nobody answers there, or it is no HTTP.
    """
    method = method.upper()
    if method not in METHODS:
        raise Refused(f"{method[:20]!r} is none of {', '.join(METHODS)}")
    for _ in range(_REDIRECTS):
        came = await _once(network, caller, url, method, body, headers)
        target = came.headers.get("location")
        if came.status not in (301, 302, 303, 307, 308) or not target:
            return _shown(url, came, raw)
        url = _joined(url, target)
        if came.status == 303 or (came.status in (301, 302) and method == "POST"):
            method, body = "GET", ""
    raise Refused(f"redirected more than {_REDIRECTS} times, at last to {url[:200]}")


async def _once(network: Network, caller: Caller, url: str, method: str, body: str, headers: Mapping[str, str]) -> Came:
    secure, host, port, target = _taken_apart(url)
    try:
        connection = network.connect(host, port, caller)
    except NotFound:
        raise Refused(f"nobody answers at {host}, port {port}") from None
    authority = network.authority if secure else None
    try:
        return await aside(lambda: _talk(connection, authority, host, port, method, target, body, headers))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"{host}, port {port}, gave no answer that could be read: {error}"[:500]) from None
    finally:
        connection.close()


def _talk(
    connection: socket.socket,
    authority: Authority | None,
    host: str,
    port: int,
    method: str,
    target: str,
    body: str,
    headers: Mapping[str, str],
) -> Came:
    """On a thread of its own."""
    connection.settimeout(_SECONDS)
    stream = authority.client().wrap_socket(connection, server_hostname=host) if authority else connection
    try:
        client = http.client.HTTPConnection(host, port, timeout=_SECONDS)
        client.sock = stream
        usual = {"Accept": "*/*", "Connection": "close", "User-Agent": "web_fetch"}
        if port in (80, 443):
            usual["Host"] = host
        given = {name.title(): text for name, text in headers.items()}
        client.request(method, target, body.encode() if body else None, {**usual, **given})
        answer = client.getresponse()
        content = answer.read(READ_LIMIT + 1)
        found = {name.lower(): text for name, text in answer.getheaders()}
        return Came(answer.status, found, content[:READ_LIMIT], len(content) > READ_LIMIT)
    finally:
        stream.close()


def _taken_apart(url: str) -> tuple[bool, str, int, str]:
    """(whether it is https, host, port, path with query) of an address.

    Raises:
        Refused: It is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused(f"{url[:200]!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or " " in url or "@" in parts.netloc:
        raise Refused(f"{url[:200]!r} is no address such as https://shop.example/page?q=1")
    secure = parts.scheme == "https"
    return secure, host, port or (443 if secure else 80), urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise Refused(f"{url[:200]} redirects to {target[:200]!r}, which is no address") from None


def _shown(url: str, came: Came, raw: bool) -> dict[str, Value]:
    kind = came.headers.get("content-type", "").lower()
    if came.body and (b"\0" in came.body[:10_000] or (kind and not _TEXTUAL.match(kind))):
        text = f"[{len(came.body)} bytes of {kind or 'binary data'}]"
    else:
        text = came.body.decode("utf-8", "replace")
        if not raw and kind.startswith("text/html"):
            text = text_of(text[:_PARSED], url)
    return {
        "status": came.status,
        "url": url,
        "headers": {name: came.headers[name] for name in _SHOWN_HEADERS if name in came.headers},
        "text": text[:SHOWN_LIMIT],
        "truncated": came.more or len(text) > SHOWN_LIMIT,
    }
