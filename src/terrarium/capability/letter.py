"""A letter: what a mail says, checked before it is posted, written once and shared by every mailbox that holds it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from terrarium.capability.address import Address, header_text, parse_addresses, plain_text
from terrarium.capability.mime_text import addresses
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields
from terrarium.core.values import INLINE_LIMIT, Blobs, Value

SIZE_LIMIT = 25 * 1024 * 1024  # bytes of headers, texts and attachments together
REFERENCES_LIMIT = 20  # of a long thread the first and the latest are kept

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
OWN_HEADERS = frozenset(
    {"from", "sender", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references"}
    | {"mime-version", "received", "return-path"}
)


@dataclass(frozen=True)
class Letter:
    """A mail before it is posted: every part of it checked."""

    sender: Address
    to: list[Address]
    cc: list[Address]
    bcc: list[Address]
    subject: str
    body: str
    html: str | None = None
    attachments: list[tuple[str, bytes]] = field(default_factory=list)
    date: datetime | None = None
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def size(self) -> int:
        """Bytes of its texts and attachments, before any transfer encoding."""
        texts = [str(address) for address in (self.sender, *self.to, *self.cc, *self.bcc)]
        texts += [self.subject, self.body, self.html or "", *self.headers, *self.headers.values()]
        return sum(len(text.encode()) for text in texts) + sum(
            len(name.encode()) + len(data) for name, data in self.attachments
        )


def compose(
    sender: Address,
    to: Value,
    subject: Value,
    body: Value,
    *,
    html: Value = None,
    cc: Value = None,
    bcc: Value = None,
    attachments: Value = None,
    date: Value = None,
    in_reply_to: Value = None,
    references: Sequence[str] = (),
    headers: Value = None,
) -> Letter:
    """A letter of these parts. Line ends become LF; lone surrogates become U+FFFD.

    Raises:
        Refused: A part is of the wrong type, has a line break where none may be, is not an address; there is no
            recipient; or all of it is over 25 MB.
    """
    letter = Letter(
        sender,
        parse_addresses(to),
        parse_addresses(cc),
        parse_addresses(bcc),
        header_text("the subject", subject),
        _lines("the body", body),
        None if html is None else _lines("the html", html),
        _attached(attachments),
        _dated(date),
        None if in_reply_to is None else message_id(in_reply_to),
        _shortened(references),
        _extra(headers),
    )
    if not (letter.to or letter.cc or letter.bcc):
        raise Refused("a mail needs at least one recipient")
    if letter.size > SIZE_LIMIT:
        raise Refused(f"the mail has {letter.size} bytes; the limit is 25 MB ({SIZE_LIMIT} bytes)")
    return letter


def message_id(value: object) -> str:
    """`value` as a Message-ID in angle brackets; missing brackets are put around it.

    Raises:
        Refused: It is none.
    """
    text = header_text("a message id", value).strip()
    text = text if text.startswith("<") else f"<{text}>"
    if not _MESSAGE_ID.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not a message id; they look like '<1f3a…@corp.example>'")
    return text


def id_domain(sender: Address | None) -> str:
    """A sender's domain as it may stand in a Message-ID, which is ascii."""
    if sender is None:
        return "unknown.invalid"
    domain = sender.key.rpartition("@")[2]
    if domain.isascii():
        return domain
    try:
        known = domain.encode("idna").decode("ascii")
    except UnicodeError:  # a label that is empty, too long or no word of any language
        known = ""
    return known if _DOMAIN.fullmatch(known) else "unknown.invalid"


def fields_of(letter: Letter, blobs: Blobs, *, number: int, by: str, now: datetime, references: list[str]) -> Fields:
    """The row of a letter that is being posted; texts over 64 KiB and attachments go to blobs."""
    fields: dict[str, Value] = {
        "number": number,
        "by": by,
        "sent": now,
        "sender": letter.sender.key,
        "recipients": list(dict.fromkeys(a.key for a in (*letter.to, *letter.cc, *letter.bcc))),
        "from": str(letter.sender),
        "to": _joined(letter.to),
        "cc": _joined(letter.cc),
        "bcc": _joined(letter.bcc),
        "subject": letter.subject,
        "date": letter.date or now,
        "in_reply_to": letter.in_reply_to,
        "references": references,
        "body": stored_text(letter.body, blobs),
        "size": letter.size,
    }
    if letter.html is not None:
        fields["html"] = stored_text(letter.html, blobs)
    if letter.attachments:
        fields["attachments"] = [
            {"filename": name, "size": len(data), "blob": blobs.put(data)} for name, data in letter.attachments
        ]
    if letter.headers:
        fields["headers"] = letter.headers
    return fields


def answering(parent_id: str, parent: Fields | None) -> list[str]:
    """The `References` of an answer to a letter, which need not be known."""
    return _shortened([*(parent["references"] if parent else ()), parent_id])


def content(letter: Fields, blobs: Blobs) -> dict[str, Value]:
    """The parts of a posted letter that every reader may see: header texts, body, html, attachments."""
    parts: dict[str, Value] = {
        "from": letter["from"],
        "to": letter["to"],
        "cc": letter["cc"],
        "subject": letter["subject"],
        "date": format_datetime(letter["date"]),
        "body": text_of(letter["body"], blobs),
    }
    if "html" in letter:
        parts["html"] = text_of(letter["html"], blobs)
    if "attachments" in letter:
        parts["attachments"] = [{"filename": a["filename"], "size": a["size"]} for a in letter["attachments"]]
    if "headers" in letter:
        parts["headers"] = dict(letter["headers"])
    return parts


def text_of(stored: Value, blobs: Blobs) -> str:
    """A text of a posted letter, from its row or its blob."""
    return stored if isinstance(stored, str) else blobs.get(stored["blob"]).decode()


def attachment(letter: Fields, filename: str, blobs: Blobs) -> bytes:
    """The bytes of the first attachment called `filename`.

    Raises:
        NotFound: There is none; the message lists what there is.
    """
    for entry in letter.get("attachments", ()):
        if entry["filename"] == filename:
            return blobs.get(entry["blob"])
    there = ", ".join(entry["filename"] for entry in letter.get("attachments", ())) or "none"
    raise NotFound(f"the mail has no attachment {str(filename)[:80]!r}; its attachments: {there}")


def answer_to(letter: Fields) -> list[Address]:
    """Where an answer goes: the `Reply-To` header, else the sender, as far as they can be read.

    Raises:
        Refused: The letter says nowhere whom to answer.
    """
    named = [value for name, value in letter.get("headers", {}).items() if name.lower() == "reply-to"]
    for text in (*named, letter["from"], letter["sender"]):
        found = readable(text)
        if found:
            return found
    raise Refused("the mail does not say whom to answer; send a new mail instead")


def readable(text: str) -> list[Address]:
    """The addresses in a header of a posted letter; what is none is left out."""
    return addresses(text.encode())[1]


def _joined(written: Sequence[Address]) -> str:
    return ", ".join(map(str, written))


def stored_text(text: str, blobs: Blobs) -> Value:
    """A text as it stands in a row: itself, or its blob where it is over 64 KiB."""
    data = text.encode()
    return {"blob": blobs.put(data), "size": len(data)} if len(data) > INLINE_LIMIT else text


def _lines(what: str, value: object) -> str:
    return plain_text(what, value).replace("\r\n", "\n").replace("\r", "\n")


def _dated(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise Refused(f"the date must be a datetime, not {type(value).__name__}")
    offset = value.utcoffset()
    if offset is None:
        return value.replace(tzinfo=UTC)
    if offset % timedelta(minutes=1):  # a header has no room for seconds in an offset
        return value.astimezone(UTC)
    return datetime.fromisoformat(value.isoformat())


def _shortened(references: Sequence[str]) -> list[str]:
    kept = list(dict.fromkeys(references))
    return kept if len(kept) <= REFERENCES_LIMIT else [kept[0], *kept[1 - REFERENCES_LIMIT :]]


def _attached(value: Value) -> list[tuple[str, bytes]]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise Refused("attachments must be a list of (filename, bytes)")
    found = []
    for entry in value:
        if not isinstance(entry, (list, tuple)) or len(entry) != 2:
            raise Refused("an attachment must be a pair of filename and bytes")
        name, data = header_text("the name of an attachment", entry[0]), entry[1]
        if not 0 < len(name) <= 255:
            raise Refused("the name of an attachment must have 1 to 255 characters")
        if isinstance(data, str):
            data = plain_text("an attachment", data).encode()
        if not isinstance(data, (bytes, bytearray)):
            raise Refused(f"attachment {name!r} must be bytes, not {type(data).__name__}")
        found.append((name, bytes(data)))
    return found


def _extra(value: Value) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused("headers must be a dict of names and texts")
    found = {}
    for name, text in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise Refused(f"{str(name)[:80]!r} is not a header name")
        if name.lower() in OWN_HEADERS or name.lower().startswith("content-"):
            raise Refused(
                f"the header {name} is written by the mail system; use the argument for it, where there is one"
            )
        found[name] = header_text(f"the header {name}", text)
        if name.lower() == "reply-to" and not parse_addresses(found[name]):
            raise Refused("the header Reply-To needs an address")
    return found
