"""One HTTP request, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from terrarium.capability.google_sheets.fault import bad


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: In capital letters; the one that `X-HTTP-Method-Override` names, where there is one.
        parts: Of its path, decoded.
        query: Parameters, each with all its values.
        headers: By name in small letters.
        body: As it came.
    """

    method: str
    parts: list[str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def one(self, name: str) -> str | None:
        """The last value of a parameter, or None."""
        return self.query[name][-1] if name in self.query else None

    def many(self, name: str) -> list[str]:
        """All its values."""
        return self.query.get(name, [])

    def flag(self, name: str) -> bool:
        """Whether a parameter is true.

        Raises:
            Fault: It is neither true nor false.
        """
        word = (self.one(name) or "false").lower()
        if word not in ("true", "false", "1", "0"):
            raise bad(f"Invalid value at '{name}' (TYPE_BOOL), \"{word[:60]}\"")
        return word in ("true", "1")


def request_of(method: str, raw_path: bytes, raw_query: bytes, headers: Mapping[str, str], body: bytes) -> Request:
    """A request from what ASGI gives.

    Raises:
        Fault: Its path or query is not UTF-8, or has too many parts.
    """
    try:
        path = raw_path.partition(b"?")[0].decode("ascii")
        query = raw_query.decode("ascii")
        override = headers.get("x-http-method-override")
        if override and method == "POST":
            method = override.upper()
            if method == "GET" and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                query, body = f"{query}&{body.decode('ascii')}", b""
        parts = [unquote(part, errors="strict") for part in path.split("/")[1:]]
        asked = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=2000)
    except ValueError:
        raise bad("The address of the request cannot be read.") from None
    while parts and parts[-1] == "":
        parts.pop()
    return Request(method, parts, asked, headers, body)
