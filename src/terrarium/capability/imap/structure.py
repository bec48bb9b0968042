"""ENVELOPE and BODYSTRUCTURE of a message (RFC 3501, 7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from terrarium.capability.imap.address_list import Mailbox, read_addresses
from terrarium.capability.imap.part import Part, parameters

_SAFE = re.compile(rb"[ -~]*\Z")
_FORBIDDEN = re.compile(rb"[\x00\r\n]")
QUOTED_LIMIT = 1000


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


def envelope(message: Part) -> bytes:
    """The envelope of a message."""
    sender = _addresses(message, "from")
    return listed(
        [
            nstring(_clean(message.header("date"))),
            nstring(_clean(message.header("subject"))),
            _shown(sender),
            _shown(_addresses(message, "sender") or sender),
            _shown(_addresses(message, "reply-to") or sender),
            _shown(_addresses(message, "to")),
            _shown(_addresses(message, "cc")),
            _shown(_addresses(message, "bcc")),
            nstring(_clean(message.header("in-reply-to"))),
            nstring(_clean(message.header("message-id"))),
        ]
    )


def structure(part: Part, *, extended: bool) -> bytes:
    """The BODYSTRUCTURE of a part, or where not `extended` its BODY."""
    kind, subtype = part.type
    if part.children:
        body = b"".join(structure(child, extended=extended) for child in part.children)
        told = [body, string(subtype.encode())]
        if extended:
            told += [_parameters(part.parameters()), *_extension(part)]
        return listed(told)
    told = [
        string(kind.encode()),
        string(subtype.encode()),
        _parameters(part.parameters() or ([("charset", b"us-ascii")] if kind == "text" else [])),
        nstring(_clean(part.header("content-id"))),
        nstring(_clean(part.header("content-description"))),
        string(_clean(part.header("content-transfer-encoding")) or b"7bit"),
        b"%d" % (part.end - part.body),
    ]
    if part.message is not None:
        told += [envelope(part.message), structure(part.message, extended=extended), b"%d" % part.lines]
    elif kind == "text":
        told.append(b"%d" % part.lines)
    elif kind == "multipart" or (kind, subtype) == ("message", "rfc822"):
        told[:2] = [b'"application"', b'"octet-stream"']  # nested too deep to be taken apart
    if extended:
        told += [nstring(_clean(part.header("content-md5"))), *_extension(part)]
    return listed(told)


def _extension(part: Part) -> list[bytes]:
    disposition = _clean(part.header("content-disposition"))
    shown = b"NIL"
    if disposition:
        name = disposition.partition(b";")[0].strip()
        shown = listed([string(name or b"attachment"), _parameters(parameters(disposition))])
    language = [string(word) for word in re.split(rb"[,\s]+", _clean(part.header("content-language")) or b"") if word]
    return [shown, listed(language) if language else b"NIL", nstring(_clean(part.header("content-location")))]


def _parameters(pairs: Sequence[tuple[str, bytes]]) -> bytes:
    if not pairs:
        return b"NIL"
    return listed(string(word) for name, value in pairs for word in (name.encode("latin-1"), _clean(value) or b""))


def _clean(value: bytes | None) -> bytes | None:
    """A header's text without what no string may hold."""
    return None if value is None else _FORBIDDEN.sub(b" ", value)


def _addresses(message: Part, name: str) -> list[Mailbox]:
    value = message.header(name)
    return [] if value is None else read_addresses(value)


def _shown(addresses: list[Mailbox]) -> bytes:
    if not addresses:
        return b"NIL"
    shown = (
        listed([nstring(_clean(one.name)), b"NIL", nstring(_clean(one.local)), nstring(_clean(one.domain))])
        for one in addresses
    )
    return b"(" + b"".join(shown) + b")"
