"""The structure of a message as bytes: headers, body, parts in parts, each a slice of what came, nothing changed.

Reading never fails: what is broken becomes a part without structure. Sources: RFC 5322, 2045, 2046.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from terrarium.capability.mime_text import decoded, parameters

DEPTH_LIMIT = 20  # parts in parts; deeper ones have no structure
PARTS_LIMIT = 1000  # in one multipart
HEADER_LIMIT = 1024 * 1024  # bytes of a header section that are looked at
FIELDS_LIMIT = 2000  # headers of one part that are looked at

_BLANK = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_BEGINS = re.compile(rb"(?:From |>From )[^\n]*\n|[!-9;-~]{1,200}[ \t]*:")
_NO_BASE64 = bytes(set(range(256)).difference(string.ascii_letters.encode(), string.digits.encode(), b"+/"))


@dataclass(frozen=True)
class Part:
    """A message, or one part of one: the bytes from `start` to `end` of `raw`; its body begins at `body_start`."""

    raw: bytes = field(repr=False)
    start: int
    body_start: int
    end: int
    default_type: str = "text/plain"
    depth: int = 0

    @property
    def header(self) -> bytes:
        """The header section, with the blank line behind it."""
        return self.raw[self.start : self.body_start]

    @property
    def body(self) -> bytes:
        """What follows the header section, as it came."""
        return self.raw[self.body_start : self.end]

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.end - self.body_start

    @cached_property
    def fields(self) -> tuple[tuple[str, bytes], ...]:
        """The headers in their order: name as written, value as written, folds included."""
        header = self.raw[self.start : min(self.body_start, self.start + HEADER_LIMIT)]
        found = []
        for line in islice(_lines(header), FIELDS_LIMIT):
            match = _FIELD.match(line)
            if match is not None:
                found.append((match[1].decode("ascii"), match[2].strip()))
        return tuple(found)

    def first(self, name: str) -> bytes | None:
        """The value of the first header called `name`, or None."""
        wanted = name.lower()
        for known, value in self.fields:
            if known.lower() == wanted:
                return value
        return None

    @cached_property
    def _type(self) -> tuple[str, dict[str, str]]:
        value = self.first("content-type")
        kind, given = parameters(value) if value is not None else (self.default_type, {})
        return (kind, given) if re.fullmatch(r"[^\s/]+/[^\s/]+", kind) else ("text/plain", given)

    @property
    def content_type(self) -> str:
        """Such as `text/plain`, in lower case."""
        return self._type[0]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the content type; names in lower case."""
        return self._type[1]

    @cached_property
    def disposition(self) -> tuple[str, dict[str, str]]:
        """`inline`, `attachment` or nothing, and its parameters."""
        return parameters(self.first("content-disposition") or b"")

    @property
    def encoding(self) -> str:
        """The transfer encoding in lower case, `7bit` where none is given."""
        return decoded(self.first("content-transfer-encoding") or b"7bit").strip().lower()

    @property
    def filename(self) -> str:
        """The name it has as a file, or nothing."""
        return self.disposition[1].get("filename") or self.parameters.get("name") or ""

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a multipart; the one message in a message/rfc822; none otherwise."""
        if self.depth >= DEPTH_LIMIT:
            return ()
        if self.content_type == "message/rfc822" and self.encoding in ("7bit", "8bit", "binary"):
            return (_part(self.raw, self.body_start, self.end, "text/plain", self.depth + 1),)
        boundary = self.parameters.get("boundary", "")
        if not self.content_type.startswith("multipart/") or not 0 < len(boundary) <= 200:
            return ()
        kind = "message/rfc822" if self.content_type == "multipart/digest" else "text/plain"
        return tuple(
            _part(self.raw, start, end, kind, self.depth + 1)
            for start, end in _pieces(self.raw, self.body_start, self.end, boundary.rstrip().encode())
        )

    def leaves(self) -> Iterator[Part]:
        """The parts without parts, in their order; a message within is one of them."""
        if self.parts and self.content_type.startswith("multipart/"):
            for part in self.parts:
                yield from part.leaves()
        else:
            yield self

    def content(self) -> bytes:
        """The body without its transfer encoding; as it stands where that is unknown or broken."""
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        if self.encoding == "base64":
            letters = self.body.partition(b"=")[0].translate(None, _NO_BASE64)
            letters = letters[: len(letters) - (len(letters) % 4 == 1)]
            return base64.b64decode(letters + b"=" * (-len(letters) % 4))
        return self.body

    def text(self) -> str:
        """The content as text, line ends LF."""
        return decoded(self.content(), self.parameters.get("charset", "")).replace("\r\n", "\n").replace("\r", "\n")


def part_of(raw: bytes) -> Part:
    """The structure of a whole message."""
    return _part(raw, 0, len(raw), "text/plain", 0)


def _part(raw: bytes, start: int, end: int, kind: str, depth: int) -> Part:
    return Part(raw, start, _body_start(raw, start, end), end, kind, depth)


def _body_start(raw: bytes, start: int, end: int) -> int:
    """Where the body begins: behind the first blank line; at once where the first line is no header."""
    if raw.startswith(b"\n", start, end):
        return start + 1
    if raw.startswith(b"\r\n", start, end):
        return start + 2
    if not _BEGINS.match(raw, start, end):
        return start
    blank = _BLANK.search(raw, start, end)
    return end if blank is None else blank.end()


def _lines(header: bytes) -> Iterator[bytes]:
    """The header fields, folds included."""
    pieces: list[bytes] = []
    for line in header.split(b"\n"):
        if line[:1] not in (b" ", b"\t") and pieces:
            yield b"\n".join(pieces)
            pieces = []
        pieces.append(line)
    yield b"\n".join(pieces)


def _pieces(raw: bytes, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where each part between delimiter lines begins and ends; the line end before a delimiter belongs to it."""
    delimiter = re.compile(rb"\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\r?\Z|(?=\r))")
    began: int | None = None
    position, count = max(0, start - 1), 0
    while count < PARTS_LIMIT:
        match = delimiter.search(raw, position, end)
        if match is None:
            break
        if began is not None:
            stop = match.start() - (raw[match.start() - 1 : match.start()] == b"\r")
            yield began, max(began, stop)
            count += 1
        if match[1]:
            return
        began = match.end()
        position = max(match.end() - 1, match.start() + 1)
    if began is not None and count < PARTS_LIMIT:
        yield began, end
