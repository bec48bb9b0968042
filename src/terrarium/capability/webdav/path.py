"""Paths of resources: split, decoded, and written again."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlsplit

from terrarium.capability.webdav.answer import Failed


def segments(raw: str) -> list[str]:
    """The parts of a percent-encoded path, each decoded by itself; nothing in them can climb.

    Raises:
        Failed: A part is not UTF-8, is `.` or `..`, or holds a slash or a control character.
    """
    found = []
    for part in raw.split("/"):
        if not part:
            continue
        try:
            text = unquote_to_bytes(part).decode("utf-8")
        except UnicodeDecodeError:
            raise Failed(400, message="the path is not UTF-8") from None
        if text in (".", "..") or "/" in text or not text.isprintable() or len(text) > 300:
            raise Failed(400, message="that is not a path")
        found.append(text)
    return found


def path_of(url: str) -> str:
    """The path of a URL or path that a client names."""
    return urlsplit(url.strip()).path or "/"


def quoted(part: str) -> str:
    """A part of a path, percent-encoded."""
    return quote(part, safe="@~!$&'()*+,;=:")
