"""ENVELOPE and BODYSTRUCTURE of a message (RFC 3501, 7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from terrarium.capability.imap.address_list import Mailbox, read_addresses
from terrarium.capability.imap.section import children, embedded
from terrarium.capability.mime_part import Part

_SAFE = re.compile(rb"[ -~]*\Z")
_FORBIDDEN = re.compile(rb"[\x00\r\n]")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
QUOTED_LIMIT = 1000
HEADER_LIMIT = 16 * 1024  # bytes of one header that are shown
ADDRESSES_LIMIT = 128 * 1024  # bytes of headers with addresses that are read of one message
BYTES_LIMIT = 1024 * 1024  # bytes of headers after which a message, with all within it, is no longer taken apart
_PART_BYTES = 500  # what a part counts beside its header


def string(value: bytes) -> bytes:
    """A string as it is sent: quoted where that is possible, else a literal."""
    if len(value) <= QUOTED_LIMIT and _SAFE.match(value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(value) + value


def nstring(value: bytes | None) -> bytes:
    """A string, or NIL."""
    return b"NIL" if value is None else string(value)


def listed(items: Iterable[bytes]) -> bytes:
    """Things in parentheses."""
    return b"(" + b" ".join(items) + b")"


class _Left:
    """What is still read of one message: the world waits for it, so it is the same however parts are nested."""

    def __init__(self) -> None:
        self.addresses = ADDRESSES_LIMIT
        self.bytes = BYTES_LIMIT


def envelope(message: Part) -> bytes:
    """The envelope of a message."""
    return _envelope(message, _Left())


def structure(part: Part, *, extended: bool) -> bytes:
    """The BODYSTRUCTURE of a part, or where not `extended` its BODY."""
    return _structure(part, extended, _Left())


def _envelope(message: Part, left: _Left) -> bytes:
    sender = _addresses(message, "from", left)
    return listed(
        [
            nstring(_first(message, "date")),
            nstring(_first(message, "subject")),
            _shown(sender),
            _shown(_addresses(message, "sender", left) or sender),
            _shown(_addresses(message, "reply-to", left) or sender),
            _shown(_addresses(message, "to", left)),
            _shown(_addresses(message, "cc", left)),
            _shown(_addresses(message, "bcc", left)),
            nstring(_first(message, "in-reply-to")),
            nstring(_first(message, "message-id")),
        ]
    )


def _structure(part: Part, extended: bool, left: _Left) -> bytes:
    if left.bytes <= 0:
        part = Part(part.raw, part.body_start, part.body_start, part.end)  # as if it had no header
    left.bytes -= part.body_start - part.start + _PART_BYTES
    kind, _, subtype = part.content_type.partition("/")
    within, message = children(part), embedded(part)
    if within:
        told = [b"".join(_structure(child, extended, left) for child in within), string(subtype.encode())]
        if extended:
            told += [_parameters(_first(part, "content-type")), *_extension(part)]
        return listed(told)
    given = _parameters(_first(part, "content-type"))
    if kind == "multipart":  # one that cannot be taken apart
        kind, subtype, given = "text", "plain", b"NIL"
    elif part.content_type == "message/rfc822" and message is None:
        kind, subtype = "application", "octet-stream"
    told = [
        string(kind.encode()),
        string(subtype.encode()),
        b'("charset" "us-ascii")' if given == b"NIL" and kind == "text" else given,
        nstring(_first(part, "content-id")),
        nstring(_first(part, "content-description")),
        string(_first(part, "content-transfer-encoding") or b"7bit"),
        b"%d" % part.size,
    ]
    lines = b"%d" % part.raw.count(b"\n", part.body_start, part.end)
    if message is not None:
        told += [_envelope(message, left), _structure(message, extended, left), lines]
    elif kind == "text":
        told.append(lines)
    if extended:
        told += [nstring(_first(part, "content-md5")), *_extension(part)]
    return listed(told)


def _extension(part: Part) -> list[bytes]:
    disposition = _first(part, "content-disposition")
    shown = b"NIL"
    if disposition:
        name = disposition.partition(b";")[0].strip()
        shown = listed([string(name or b"attachment"), _parameters(disposition)])
    language = [string(word) for word in re.split(rb"[,\s]+", _first(part, "content-language") or b"") if word]
    return [shown, listed(language) if language else b"NIL", nstring(_first(part, "content-location"))]


def _parameters(value: bytes | None) -> bytes:
    """The parameters of a value such as `text/plain; charset=utf-8`, as they are written."""
    words = []
    for name, quoted, bare in _PARAMETER.findall(value or b""):
        words.append(string(name.lower()))
        words.append(string(re.sub(rb"\\(.)", rb"\1", quoted) or bare.partition(b" (")[0].strip().strip(b'"')))
    return listed(words) if words else b"NIL"


def _first(part: Part, name: str) -> bytes | None:
    """A header on one line, without what no string may hold."""
    value = part.first(name)
    return None if value is None else _FORBIDDEN.sub(b" ", _FOLD.sub(b"", value[:HEADER_LIMIT])).strip()


def _addresses(message: Part, name: str, left: _Left) -> list[Mailbox]:
    value = (message.first(name) or b"")[: left.addresses]
    left.addresses -= len(value)
    return read_addresses(_FORBIDDEN.sub(b" ", _FOLD.sub(b"", value)))


def _shown(addresses: list[Mailbox]) -> bytes:
    if not addresses:
        return b"NIL"
    shown = (listed([nstring(one.name), b"NIL", nstring(one.local), nstring(one.domain)]) for one in addresses)
    return b"(" + b"".join(shown) + b")"
