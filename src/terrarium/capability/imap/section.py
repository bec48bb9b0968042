"""What FETCH asks for: items, and sections of a message such as `BODY.PEEK[1.2.HEADER.FIELDS (FROM)]<0.100>`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from terrarium.capability.imap.scanner import ASTRING, BadCommand, Scanner
from terrarium.capability.mime_part import FIELDS_LIMIT, HEADER_LIMIT, Part

What = Literal["", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"]

PATH_LIMIT = 100
ITEMS_LIMIT = 100  # of one FETCH
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.0123456789")
_MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_FIELD = re.compile(rb"^([!-9;-~]{1,200})[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)", re.MULTILINE)
_PLAIN = frozenset({"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "UID", "BODY"})


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the bytes of a message.

    Attributes:
        path: The numbers of the part.
        what: Which of its bytes.
        names: Fields of its header, as they were written.
        span: Offset and number of bytes; None: all of them.
    """

    path: tuple[int, ...] = ()
    what: What = ""
    names: tuple[bytes, ...] = ()
    span: tuple[int, int] | None = None

    @property
    def spec(self) -> bytes:
        """What stands between the brackets."""
        words = ".".join([*map(str, self.path), *([self.what] if self.what else [])]).encode("ascii")
        return words + (b" (" + b" ".join(map(_shown, self.names)) + b")" if self.names else b"")

    def of(self, message: Part) -> bytes | None:
        """The bytes, or None where the message has no such part."""
        part = part_at(message, self.path)
        if part is None:
            return None
        found: bytes | None
        if self.what == "MIME":
            found = part.header
        elif self.path and not self.what:
            found = part.body
        else:
            holder = embedded(part) if self.path else part
            found = None if holder is None else _bytes_of(holder, self.what, self.names)
        if found is None or self.span is None:
            return found
        return found[self.span[0] : self.span[0] + self.span[1]]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that FETCH asks for.

    Attributes:
        name: As the answer calls it; of a section what stands before the bracket.
        section: Which bytes; None: the item is no section.
        seen: The message counts as read afterwards.
    """

    name: str
    section: Section | None = None
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """All that one FETCH asks for."""

    items: tuple[Item, ...] = field(default=())

    @property
    def seen(self) -> bool:
        """The messages count as read afterwards."""
        return any(item.seen for item in self.items)


def scan_items(scanner: Scanner) -> Items:
    """The items that come next: one, a macro, or a list.

    Raises:
        BadCommand: None do, or too many.
    """
    if scanner.next_is(b"("):
        items = tuple(dict.fromkeys(scanner.listed(lambda: _item(scanner))))
        if len(items) > ITEMS_LIMIT:
            raise BadCommand(f"a FETCH asks for at most {ITEMS_LIMIT} things")
        return Items(items)
    word = _letters(scanner)
    if word in _MACROS:
        return Items(tuple(map(Item, _MACROS[word])))
    return Items((_item(scanner, word),))


def children(part: Part) -> tuple[Part, ...]:
    """The parts of a multipart; none where it cannot be taken apart."""
    return part.parts if part.content_type.startswith("multipart/") else ()


def embedded(part: Part) -> Part | None:
    """The message that a message/rfc822 holds."""
    return part.parts[0] if part.content_type == "message/rfc822" and part.parts else None


def part_at(message: Part, path: Sequence[int]) -> Part | None:
    """The part at a path such as 2.1, counted as IMAP counts (RFC 3501, 6.4.5); None where there is none."""
    part, outermost = message, True
    for number in path:
        inside = part if outermost or children(part) else embedded(part)
        if inside is None:
            return None
        within = children(inside) or (inside,)
        if not 0 < number <= len(within):
            return None
        part, outermost = within[number - 1], False
    return part


def select(header: bytes, names: frozenset[str], *, without: bool = False) -> bytes:
    """The fields of a header that are called so in lower case, or those called otherwise, and an empty line.

    Only the first `HEADER_LIMIT` bytes and `FIELDS_LIMIT` fields are looked at.
    """
    found = islice(_FIELD.finditer(header[:HEADER_LIMIT]), FIELDS_LIMIT)
    chosen = [field[0] for field in found if (field[1].decode("ascii").lower() in names) != without]
    return b"".join([*chosen, b"\r\n"])


def _letters(scanner: Scanner) -> str:
    return scanner.take(_LETTERS, "an item of FETCH").decode("ascii").upper()


def _item(scanner: Scanner, word: str = "") -> Item:
    word = word or _letters(scanner)
    if word in ("BODY", "BODY.PEEK") and scanner.skip(b"["):
        return Item("BODY", _section(scanner), word == "BODY")
    if word in _PLAIN:
        return Item(word)
    if word == "RFC822":
        return Item(word, Section(), True)
    if word == "RFC822.HEADER":
        return Item(word, Section(what="HEADER"))
    if word == "RFC822.TEXT":
        return Item(word, Section(what="TEXT"), True)
    raise BadCommand(f"{word[:40]} cannot be fetched")


def _section(scanner: Scanner) -> Section:
    path: list[int] = []
    what: What = ""
    names: tuple[bytes, ...] = ()
    while not scanner.next_is(b"]"):
        if path:
            scanner.expect(b".")
        if len(path) < PATH_LIMIT and scanner.next_is(b"0123456789"):
            path.append(scanner.number("the number of a part"))
            if not path[-1]:
                raise BadCommand("parts are counted from 1")
            continue
        what = _what(scanner, bool(path))
        if what.startswith("HEADER.FIELDS"):
            scanner.space()
            names = tuple(scanner.listed(lambda: scanner.astring("the name of a header", ASTRING)))
        break
    scanner.expect(b"]")
    span = None
    if scanner.skip(b"<"):
        offset = scanner.number("an offset", 2**63)
        scanner.expect(b".")
        span = (offset, scanner.number("a number of bytes", 2**63))
        scanner.expect(b">")
    return Section(tuple(path), what, names, span)


def _what(scanner: Scanner, part: bool) -> What:
    word = _letters(scanner)
    known: tuple[What, ...] = ("HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME")
    for what in known:
        if word == what and (part or what != "MIME"):
            return what
    raise BadCommand(f"{word[:40]} is no section of a message")


def _bytes_of(holder: Part, what: What, names: tuple[bytes, ...]) -> bytes:
    if what == "HEADER":
        return holder.header
    if what == "TEXT":
        return holder.body
    if what:
        wanted = frozenset(name.decode("latin-1").lower() for name in names)
        return select(holder.header, wanted, without=what == "HEADER.FIELDS.NOT")
    return holder.raw[holder.start : holder.end]


def _shown(name: bytes) -> bytes:
    if name and all(byte in ASTRING for byte in name):
        return name
    if all(32 <= byte < 127 for byte in name):
        return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(name) + name
