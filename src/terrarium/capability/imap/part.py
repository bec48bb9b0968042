"""A message as the bytes it is made of: header, body and parts with their places (RFC 2045, 2046, 5322).

Nothing is decoded and nothing is ever wrong: what is no MIME is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

DEPTH_LIMIT = 30  # parts in parts
PARTS_LIMIT = 2000  # of one message; what comes behind them belongs to the last one

_BLANK = re.compile(rb"(?:\A|(?<=\n))\r?\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_TOKEN = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_FOLD = re.compile(rb"\r?\n[ \t]*")


@dataclass(frozen=True)
class Part:
    """One part of a message, or the whole of it.

    Attributes:
        raw: The bytes that all parts share.
        start: Where its header starts.
        body: Where its body starts.
        end: Where it ends.
        default: Its type where its header names none.
    """

    raw: bytes = field(repr=False)
    start: int
    body: int
    end: int
    default: str = "text/plain"
    children: tuple[Part, ...] = ()
    message: Part | None = None

    @property
    def header_bytes(self) -> bytes:
        """The header with the empty line behind it."""
        return self.raw[self.start : self.body]

    @property
    def body_bytes(self) -> bytes:
        """The body as it was sent."""
        return self.raw[self.body : self.end]

    @property
    def lines(self) -> int:
        """Lines of the body."""
        return self.raw.count(b"\n", self.body, self.end)

    @cached_property
    def fields(self) -> list[tuple[str, bytes]]:
        """The fields of the header: name in lower case, and all its bytes with the line end."""
        return list(_fields(self.header_bytes))

    def header(self, name: str) -> bytes | None:
        """The first field of that lower-case name, unfolded, or None."""
        for known, content in self.fields:
            if known == name:
                return _FOLD.sub(b" ", content.partition(b":")[2]).strip()
        return None

    @cached_property
    def type(self) -> tuple[str, str]:
        """Type and subtype, in lower case."""
        return _type(self.header("content-type"), self.default)

    def parameters(self, name: str = "content-type") -> list[tuple[str, bytes]]:
        """The parameters of a field, in the order given; names in lower case."""
        return parameters(self.header(name) or b"")

    def parameter(self, name: str) -> bytes | None:
        """A parameter of the type."""
        return dict(self.parameters()).get(name)

    def select(self, names: frozenset[str], *, without: bool = False) -> bytes:
        """The fields called so, or those called otherwise, and an empty line."""
        chosen = [content for name, content in self.fields if (name in names) != without]
        return b"".join([*chosen, b"\r\n"])

    def at(self, path: Sequence[int]) -> Part | None:
        """The part at a path such as 2.1, counted as IMAP counts (RFC 3501, 6.4.5); None where there is none."""
        part, outermost = self, True
        for number in path:
            inside = part if outermost or part.children else part.message
            if inside is None:
                return None
            if inside.children:
                if not 0 < number <= len(inside.children):
                    return None
                part = inside.children[number - 1]
            elif number == 1:
                part = inside
            else:
                return None
            outermost = False
        return part

    def leaves(self) -> Iterator[Part]:
        """The parts that have none of their own, those of embedded messages included."""
        if self.message is not None:
            yield from self.message.leaves()
        elif self.children:
            for child in self.children:
                yield from child.leaves()
        else:
            yield self


def read_message(raw: bytes) -> Part:
    """The parts of a message."""
    return _read(raw, 0, len(raw), "text/plain", 0, [PARTS_LIMIT])


def parameters(value: bytes) -> list[tuple[str, bytes]]:
    """The parameters of a value such as `text/plain; charset=utf-8`."""
    found = []
    for name, quoted, bare in _PARAMETER.findall(value):
        content = re.sub(rb"\\(.)", rb"\1", quoted) if quoted else bare.partition(b" (")[0].strip().strip(b'"')
        found.append((name.decode("latin-1").lower(), content))
    return found


def _read(raw: bytes, start: int, end: int, default: str, depth: int, left: list[int]) -> Part:
    left[0] -= 1
    blank = _BLANK.search(raw, start, end) if start < end else None
    body = blank.end() if blank else end
    bare = Part(raw, start, body, end, default)
    if depth >= DEPTH_LIMIT or left[0] <= 0:
        return bare
    kind, subtype = bare.type
    if (kind, subtype) == ("message", "rfc822"):
        inner = _read(raw, body, end, "text/plain", depth + 1, left)
        return Part(raw, start, body, end, default, message=inner)
    if kind == "multipart":
        inside = "message/rfc822" if subtype == "digest" else "text/plain"
        spans = list(_split(raw, body, end, bare.parameter("boundary") or b"", left[0]))
        children = [_read(raw, low, high, inside, depth + 1, left) for low, high in spans]
        if not children:  # without its boundary it is one part, as a client needs at least one
            children = [Part(raw, body, body, end)]
        return Part(raw, start, body, end, default, children=tuple(children))
    return bare


def _split(raw: bytes, body: int, end: int, boundary: bytes, most: int) -> Iterator[tuple[int, int]]:
    if not boundary:
        return
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?$", re.MULTILINE)
    begun = -1
    for found in line.finditer(raw, body, end):
        if begun >= 0:
            yield begun, max(begun, _before(raw, found.start()))
            most -= 1
        if found[1] or most <= 0:
            return
        begun = min(found.end() + 1, end)
    if begun >= 0:
        yield begun, end


def _before(raw: bytes, at: int) -> int:
    """Where the line end before `at` starts."""
    if at > 0 and raw[at - 1] == 10:
        at -= 1
        if at > 0 and raw[at - 1] == 13:
            at -= 1
    return at


def _fields(header: bytes) -> Iterator[tuple[str, bytes]]:
    name, content = "", b""
    for line in re.findall(rb"[^\n]*\n|[^\n]+", header):  # a bare CR ends no line
        if line[:1] in b" \t" and name:
            content += line
            continue
        if name:
            yield name, content
        named = _FIELD.match(line)
        name, content = (named[1].decode("ascii").lower(), line) if named else ("", b"")
    if name:
        yield name, content


def _type(value: bytes | None, default: str) -> tuple[str, str]:
    kind, slash, rest = (value or b"").partition(b"/")
    main, sub = _TOKEN.fullmatch(kind.strip()), _TOKEN.match(rest.strip())
    if not slash or main is None or sub is None:
        kind_text, _, sub_text = (default if value is None else "text/plain").partition("/")
        return kind_text, sub_text
    return main[0].decode("ascii").lower(), sub[0].decode("ascii").lower()
