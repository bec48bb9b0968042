"""What searches and sorting want to know of a letter, taken from its row; what was worked out is remembered a while."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from email.utils import format_datetime

from terrarium.capability.imap.structure import envelope, structure
from terrarium.capability.letter import text_of
from terrarium.capability.mailbox import Copy
from terrarium.capability.mime_part import Part, part_of
from terrarium.capability.mime_text import header_value
from terrarium.capability.post_office import PostOffice
from terrarium.core.rows import Fields

BYTES_LIMIT = 16 * 1024 * 1024  # of texts, and of messages, that are remembered
ATTACHED_LIMIT = 256 * 1024  # bytes of an attachment that are searched
_ROW = {"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject"}


class Memory:
    """Remembers the latest bytes and texts, up to a number of bytes. Dropping it changes nothing but the time taken."""

    def __init__(self, limit: int = BYTES_LIMIT) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[str, ...], tuple[int, object]] = OrderedDict()
        self._total = 0

    def get(self, key: tuple[str, ...]) -> object | None:
        """What is remembered under a key."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[1]

    def put(self, key: tuple[str, ...], weight: int, value: object) -> None:
        """Remember something of that many bytes, unless it is far too large."""
        weight += 200
        if weight > self._limit // 4:
            return
        self._total += weight - self._held.pop(key, (0, None))[0]
        self._held[key] = (weight, value)
        while self._total > self._limit:
            self._total -= self._held.popitem(last=False)[1][0]


class Readings:
    """What is known of the letters of a post office.

    Args:
        office: Where they are.
    """

    def __init__(self, office: PostOffice) -> None:
        self._office = office
        self._parts = Memory()
        self._texts = Memory()

    def letter(self, copy: Copy) -> Fields:
        """The row of the letter."""
        return self._office.letter(copy)

    def size(self, copy: Copy) -> int:
        """Bytes of the message."""
        return self._office.size(copy)

    def part(self, copy: Copy) -> Part:
        """The message as its owner sees it."""
        letter = self.letter(copy)
        key = (copy.message, "sender" if letter["sender"] == copy.address else "")
        found = self._parts.get(key)
        if not isinstance(found, Part):
            found = part_of(self._office.raw(copy))
            self._parts.put(key, len(found.raw), found)
        return found

    def envelope(self, copy: Copy) -> bytes:
        """Its envelope."""
        return self._told(copy, "envelope")

    def structure(self, copy: Copy, *, extended: bool) -> bytes:
        """Its BODYSTRUCTURE, or BODY."""
        return self._told(copy, "bodystructure" if extended else "body")

    def _told(self, copy: Copy, what: str) -> bytes:
        key = (copy.message, what, "sender" if self.letter(copy)["sender"] == copy.address else "")
        found = self._texts.get(key)
        if not isinstance(found, bytes):
            part = self.part(copy)
            found = envelope(part) if what == "envelope" else structure(part, extended=what == "bodystructure")
            self._texts.put(key, len(found), found)
        return found

    # -- texts, casefolded ----------------------------------------------------------------------------------------

    def body(self, copy: Copy) -> str:
        """Its texts, and names and texts of its attachments."""
        key = (copy.message, "text")
        found = self._texts.get(key)
        if not isinstance(found, str):
            found = "\n".join(self._body_texts(self.letter(copy))).casefold()
            self._texts.put(key, len(found) * (1 if found.isascii() else 4), found)
        return found

    def head(self, copy: Copy) -> str:
        """All of its headers, one on a line."""
        key = (copy.message, "head", "sender" if self.letter(copy)["sender"] == copy.address else "")
        found = self._texts.get(key)
        if not isinstance(found, str):
            found = "\n".join(self._head_lines(copy)).casefold()
            self._texts.put(key, len(found) * (1 if found.isascii() else 4), found)
        return found

    def header(self, copy: Copy, name: str) -> list[str]:
        """The headers of that lower-case name, each casefolded and with its words decoded; none where it has none."""
        letter = self.letter(copy)
        if name in _ROW and (name != "bcc" or "raw" not in letter):
            text = letter[_ROW[name]] if name != "bcc" or letter["sender"] == copy.address else ""
            return [text.casefold()] if text or (name == "subject" and "raw" not in letter) else []
        if name == "message-id":
            return [copy.message_id.casefold()]
        if "raw" not in letter and not name.startswith(("content-", "mime-")):
            lines = (line.partition(": ") for line in self._head_lines(copy))
            return [value.casefold() for known, _, value in lines if known.lower() == name]
        part = self.part(copy)
        return [header_value(value).casefold() for known, value in part.fields if known.lower() == name]

    def parsed(self, copy: Copy, name: str = "") -> int:
        """Bytes of the message that are parsed to tell a header, or all of them; 0 where its row tells."""
        letter = self.letter(copy)
        if "raw" in letter:
            told = name == "message-id" or (name in _ROW and name != "bcc")
        else:
            told = not name.startswith(("content-", "mime-"))
        return 0 if told else int(letter["size"])

    # -- inside ---------------------------------------------------------------------------------------------------

    def _body_texts(self, letter: Fields) -> Iterator[str]:
        blobs = self._office.store.blobs
        yield text_of(letter["body"], blobs)
        if "html" in letter:
            yield text_of(letter["html"], blobs)
        for entry in letter.get("attachments", ()):
            yield entry["filename"]
            if entry["size"] <= ATTACHED_LIMIT:
                data = blobs.get(entry["blob"])
                if b"\0" not in data[:1024]:
                    yield data.decode("utf-8", "ignore")

    def _head_lines(self, copy: Copy) -> Iterator[str]:
        letter = self.letter(copy)
        if "raw" in letter:
            for name, value in self.part(copy).fields:
                yield f"{name}: {header_value(value)}"
            return
        for name in ("from", "to", "cc", "subject"):
            yield f"{name}: {letter[name]}"
        if letter["sender"] == copy.address and letter["bcc"]:
            yield f"bcc: {letter['bcc']}"
        yield f"message-id: {copy.message_id}"
        yield f"date: {format_datetime(letter['date'])}"
        if letter["in_reply_to"]:
            yield f"in-reply-to: {letter['in_reply_to']}"
        if letter["references"]:
            yield f"references: {' '.join(letter['references'])}"
        for name, value in letter.get("headers", {}).items():
            yield f"{name}: {value}"


def first_address(text: str) -> tuple[str, str]:
    """The display name and the local part of the first address in a header's text, casefolded."""
    found = re.match(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^"<,]*?))\s*<([^<>@]*)', text)
    if found is not None:
        name = re.sub(r"\\(.)", r"\1", found[1]) if found[1] else found[2] or ""
        return name.strip().casefold(), found[3].casefold()
    return "", text.partition(",")[0].partition("@")[0].strip().casefold()
