"""Letters as messages on the wire: `render` writes one that has no bytes of its own, `parse` reads any bytes.

Sources: RFC 5322, 2045 to 2049, 2231. Rendering is deterministic byte for byte: boundaries are digests.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from itertools import islice
from urllib.parse import quote

from terrarium.capability.address import Address, parse_addresses
from terrarium.capability.letter import OWN_HEADERS, REFERENCES_LIMIT, stored_text, text_of
from terrarium.capability.letter import message_id as checked_id
from terrarium.capability.mime_part import PARTS_LIMIT, Part, part_of
from terrarium.capability.mime_text import addresses, header_value, moment, unfolded, words_encoded
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields
from terrarium.core.values import Blobs, Value

_ID = re.compile(r"<[^<>\s]{1,900}>")
_PLAIN = re.compile(r"[\t\n -~]*")
_HEADERS_LIMIT = 100  # further headers of a letter that are kept as fields
_TYPES = {
    "csv": "text/csv", "gif": "image/gif", "htm": "text/html", "html": "text/html", "ics": "text/calendar",
    "jpeg": "image/jpeg", "jpg": "image/jpeg", "json": "application/json", "md": "text/markdown",
    "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "txt": "text/plain", "xml": "application/xml",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}  # fmt: skip


@dataclass(frozen=True)
class Message:
    """What a message says, as far as it can be understood."""

    message_id: str | None = None
    author: Address | None = None
    """The first address in From."""
    sender: str = ""
    """The From header as text; `to` and `cc` likewise."""
    to: str = ""
    cc: str = ""
    addressed: tuple[str, ...] = ()
    """The keys of all addresses in To and Cc."""
    blind: tuple[Address, ...] = ()
    """Those in Bcc, which a sender's own copy may have."""
    subject: str = ""
    date: datetime | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    body: str = ""
    html: str | None = None
    attachments: tuple[tuple[str, bytes], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers, the first of each name."""


def parse(raw: bytes) -> Message:
    """What any bytes say as a message; never fails. Line ends of texts become LF."""
    whole = part_of(raw)
    sender, authors = addresses(whole.first("from") or b"")
    to, to_found = addresses(whole.first("to") or b"")
    cc, cc_found = addresses(whole.first("cc") or b"")
    references = _ids(whole.first("references"))
    kept = references if len(references) <= REFERENCES_LIMIT else [references[0], *references[1 - REFERENCES_LIMIT :]]
    texts, html, attachments = _contents(whole)
    return Message(
        next(iter(_ids(whole.first("message-id"))), None),
        authors[0] if authors else None,
        sender,
        to,
        cc,
        tuple(address.key for address in (*to_found, *cc_found)),
        tuple(addresses(whole.first("bcc") or b"")[1]),
        header_value(whole.first("subject") or b""),
        moment(whole.first("date") or b""),
        next(iter(_ids(whole.first("in-reply-to"))), None),
        tuple(kept),
        "\n".join(texts),
        html,
        tuple(attachments),
        _further(whole),
    )


def completed(raw: bytes, message_id: str, now: datetime) -> bytes:
    """A message with the Message-ID and Date that it lacks put in front, as a submission server does (RFC 6409)."""
    whole = part_of(raw)
    lines = [] if whole.first("message-id") is not None else [_header("Message-ID", message_id)]
    lines += [] if whole.first("date") is not None else [_header("Date", format_datetime(now))]
    if not lines or raw.startswith(b"From "):
        return raw
    return b"".join(lines) + (raw if whole.body_start else b"\r\n" + raw)


def fields_of_message(
    message: Message,
    raw: bytes,
    blobs: Blobs,
    *,
    number: int,
    by: str,
    now: datetime,
    sender: str,
    recipients: list[str],
) -> dict[str, Value]:
    """The row of a letter that came as bytes; they are kept as they are, in a blob.

    Args:
        message: What `parse` made of them.
        raw: The bytes.
        blobs: Where large parts go.
        number: Its place in the order of letters.
        by: Who brought it.
        now: When.
        sender: The address it was sent from; nothing where there is none.
        recipients: The addresses it was sent to; none where it was not sent.
    """
    hidden = [key for key in recipients if key not in message.addressed]
    blind = [str(address) for address in message.blind]
    blind += [key for key in hidden if key not in [address.key for address in message.blind]]
    fields: dict[str, Value] = {
        "number": number,
        "by": by,
        "sent": now,
        "sender": sender,
        "recipients": recipients,
        "from": message.sender or sender,
        "to": message.to,
        "cc": message.cc,
        "bcc": ", ".join(blind),
        "subject": message.subject,
        "date": message.date or now,
        "in_reply_to": message.in_reply_to,
        "references": list(message.references),
        "body": stored_text(message.body, blobs),
        "size": len(raw),
        "raw": {"blob": blobs.put(raw), "size": len(raw)},
    }
    if message.html is not None:
        fields["html"] = stored_text(message.html, blobs)
    if message.attachments:
        fields["attachments"] = [
            {"filename": name, "size": len(data), "blob": blobs.put(data)} for name, data in message.attachments
        ]
    if message.headers:
        fields["headers"] = message.headers
    return fields


def render(message_id: str, fields: Fields, blobs: Blobs, *, bcc: bool = False) -> bytes:
    """The message of a stored letter, the same bytes each time; lines end with CRLF.

    Args:
        message_id: Its Message-ID.
        fields: Its row.
        blobs: Where large parts are.
        bcc: Whether the Bcc header is shown, as in the sender's own copy.
    """
    if "raw" in fields:
        return blobs.get(fields["raw"]["blob"])
    lines = [
        _header("Message-ID", message_id),
        _header("Date", format_datetime(fields["date"])),
        _address_header("From", fields["from"]),
        _address_header("To", fields["to"] or "undisclosed-recipients:;"),
    ]
    lines += [_address_header("Cc", fields["cc"])] if fields["cc"] else []
    lines += [_address_header("Bcc", fields["bcc"])] if bcc and fields["bcc"] else []
    lines.append(_header("Subject", words_encoded(fields["subject"])))
    if fields["in_reply_to"]:
        lines.append(_header("In-Reply-To", fields["in_reply_to"]))
    if fields["references"]:
        lines.append(_header("References", " ".join(fields["references"])))
    for name, value in fields.get("headers", {}).items():
        lines.append(
            _address_header(name, value) if name.lower() == "reply-to" else _header(name, words_encoded(value))
        )
    body = _text("plain", text_of(fields["body"], blobs))
    if "html" in fields:
        body = _multipart("alternative", message_id, [body, _text("html", text_of(fields["html"], blobs))])
    if "attachments" in fields:
        files = [_file(entry["filename"], blobs.get(entry["blob"])) for entry in fields["attachments"]]
        body = _multipart("mixed", message_id, [body, *files])
    return b"".join(lines) + b"MIME-Version: 1.0\r\n" + body


# -- reading ----------------------------------------------------------------------------------------------------------


def _ids(value: bytes | None) -> list[str]:
    """The message ids in a header, once each; one without brackets counts where it is all there is."""
    text = unfolded(value or b"")
    found = []
    for id in _ID.findall(text) or [text]:
        try:
            found.append(checked_id(id))
        except Refused:
            continue
    return list(dict.fromkeys(found))


def _contents(whole: Part) -> tuple[list[str], str | None, list[tuple[str, bytes]]]:
    texts: list[str] = []
    html: str | None = None
    attachments: list[tuple[str, bytes]] = []
    for number, part in enumerate(islice(whole.leaves(), PARTS_LIMIT), 1):
        shown = part.disposition[0] != "attachment" and not part.filename
        if shown and part.content_type == "text/plain":
            texts.append(part.text())
        elif shown and part.content_type == "text/html" and html is None:
            html = part.text()
        elif shown and part.content_type.startswith("multipart/"):
            texts.append(part.text())  # one that could not be taken apart
        else:
            attachments.append((_file_name(part, number), part.content()))
    return texts, html, attachments


def _file_name(part: Part, number: int) -> str:
    name = " ".join(part.filename.split())
    if name:
        return name[:255]
    if part.content_type == "message/rfc822":
        return f"part-{number}.eml"
    for ending, kind in _TYPES.items():
        if kind == part.content_type:
            return f"part-{number}.{ending}"
    return f"part-{number}.bin"


def _further(whole: Part) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in whole.fields:
        lower = name.lower()
        if lower in seen or lower in OWN_HEADERS or lower.startswith("content-") or len(name) > 76:
            continue
        seen.add(lower)
        found[name] = addresses(value)[0] if lower == "reply-to" else header_value(value)
        if len(found) == _HEADERS_LIMIT:
            break
    return found


# -- writing ----------------------------------------------------------------------------------------------------------


def _header(name: str, value: str) -> bytes:
    """A header, folded at spaces where it is long."""
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > 76 and line.strip() and not line.endswith(":") and word:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line]).encode() + b"\r\n"


def _address_header(name: str, value: str) -> bytes:
    try:
        found = parse_addresses(value)
    except Refused:
        return _header(name, words_encoded(value))
    return _header(name, ", ".join(map(_address, found)) or value)


def _address(address: Address) -> str:
    name = words_encoded(address.name)
    return str(address) if name == address.name else f"{name} <{address.spec}>"


def _text(kind: str, text: str) -> bytes:
    """A text part: 7-bit where it can be, else quoted-printable or base64, whichever is shorter."""
    text = text if text.endswith("\n") else f"{text}\n"
    if _PLAIN.fullmatch(text) and max(map(len, text.split("\n"))) <= 990:
        encoding, data = "7bit", text.encode()
    else:
        encoding, data = "quoted-printable", binascii.b2a_qp(text.encode(), istext=True)
        if len(data) > 1.4 * len(text.encode()):
            encoding, data = "base64", _base64(text.replace("\n", "\r\n").encode())
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + data.replace(b"\n", b"\r\n")


def _file(name: str, data: bytes) -> bytes:
    kind = _TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    if name.isascii() and len(name) < 60:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        shown = f'filename="{escaped}"'
    else:
        shown = ";\r\n ".join(_pieces(name))
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: attachment;\r\n {shown}\r\n\r\n"
    return head.encode() + _base64(data).replace(b"\n", b"\r\n")


def _pieces(name: str) -> Iterator[str]:
    """A file's name as numbered pieces (RFC 2231)."""
    text = quote(name, safe="!#$&+-.^_`|~")
    cuts = re.findall(r"(?:%..|.){1,20}", text)
    for number, piece in enumerate(cuts):
        yield f"filename*{number}*={chr(39).join(('utf-8', '', piece)) if number == 0 else piece}"


def _multipart(kind: str, message_id: str, parts: list[bytes]) -> bytes:
    number = 0
    while True:
        boundary = "=_" + hashlib.sha256(f"{kind} {number} {message_id}".encode()).hexdigest()[:32]
        if not any(f"--{boundary}".encode() in part for part in parts):
            break
        number += 1
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    mark = f"--{boundary}".encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data)
