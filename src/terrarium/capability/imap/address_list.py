"""The addresses in a header as an envelope shows them (RFC 5322, 3.4). Whatever somebody wrote, this reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Each alternative takes what it began with, closed or not, so that reading takes linear time whatever there is.
_TOKEN = re.compile(
    rb"""(?P<space>\s+)|(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<mark>[<>,:;@])|(?P<open>\()"""
    rb"""|(?P<bracket>\[[^\]]*\]?)|(?P<word>[^\s"<>,:;@(\[]+)|(?P<other>.)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address of an envelope. Only `local`: a group starts. Nothing at all: it ends."""

    name: bytes | None
    local: bytes | None
    domain: bytes | None


def read_addresses(value: bytes) -> list[Mailbox]:
    """The addresses of a header, groups marked as IMAP wants it."""
    found: list[Mailbox] = []
    words: list[tuple[str, bytes]] = []
    comment, grouped, angle = b"", False, False
    route = False  # inside of one such as `<@a,@b:c@d>`
    last = ("", b"")
    for kind, text in [*_tokens(value), ("mark", b",")]:
        if kind == "comment":
            comment = comment or text
        elif kind != "mark" or (text in b"@:" and angle) or text == b"@":
            route = route or (angle and (last, kind, text) == (("mark", b"<"), "mark", b"@"))
            words.append((kind, text))
        elif text in b"<>":
            angle, route = text == b"<", False
            words.append((kind, text))
        elif text == b":":
            found.append(Mailbox(None, _phrase(words) or b"group", None))
            words, comment, grouped = [], b"", True
        elif text == b";" or not route:
            one = _one(words, comment)
            if one is not None:
                found.append(one)
            words, comment, angle, route = [], b"", False, False
            if text == b";" and grouped:
                found.append(Mailbox(None, None, None))
                grouped = False
        if kind != "space":
            last = (kind, text)
    if grouped:
        found.append(Mailbox(None, None, None))
    return found


def _tokens(value: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(value):
        token = _TOKEN.match(value, at)
        if token is None:
            return
        at = token.end()
        kind = token.lastgroup or "other"
        if kind == "open":
            start, depth = at, 1
            while at < len(value) and depth:
                depth += {40: 1, 41: -1}.get(value[at], 0)
                at += 2 if value[at] == 92 else 1
            yield "comment", value[start : at - 1 if depth == 0 else at]
        elif kind == "quoted":
            yield "quoted", re.sub(rb"\\(.)", rb"\1", token[0][1:].removesuffix(b'"'), flags=re.DOTALL)
        else:
            yield kind, token[0]


def _one(words: list[tuple[str, bytes]], comment: bytes) -> Mailbox | None:
    marks = [text if kind == "mark" else b"" for kind, text in words]
    name = b""
    if b"<" in marks:
        at = marks.index(b"<")
        name, words = _phrase(words[:at]), words[at + 1 :]
        closing = next((index for index, word in enumerate(words) if word == ("mark", b">")), len(words))
        words = words[:closing]
        route = next((index for index, word in enumerate(words) if word == ("mark", b":")), -1)
        words = words[route + 1 :]
    spec = [(kind, text) for kind, text in words if kind != "space"]
    if not spec and not name:
        return None
    signs = [index for index, word in enumerate(spec) if word == ("mark", b"@")]
    if not signs:
        local, domain = (_phrase(words), b"")
    else:
        local = b"".join(text for _, text in spec[: signs[-1]])
        domain = b"".join(text for _, text in spec[signs[-1] + 1 :])
    # An address without a host would look like the start of a group.
    return Mailbox(name or comment.strip() or None, local, domain)


def _phrase(words: list[tuple[str, bytes]]) -> bytes:
    return re.sub(rb"\s+", b" ", b"".join(text for _, text in words)).strip()
