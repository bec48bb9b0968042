"""What SEARCH, SORT and THREAD ask for: criteria as a tree (RFC 3501, 6.4.4; RFC 5032)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from terrarium.capability.imap.scanner import BadCommand, Scanner
from terrarium.capability.imap.sequence import SequenceSet, scan_sequence
from terrarium.core.errors import Refused

CRITERIA_LIMIT = 5000  # of one search
TEXTS_LIMIT = 100  # of those, texts to look for
CHARSETS = {"US-ASCII": "ascii", "ASCII": "ascii", "UTF-8": "utf-8", "UTF8": "utf-8", "ISO-8859-1": "latin-1"}
SHOWN_CHARSETS = ("US-ASCII", "UTF-8", "ISO-8859-1")


class TooManyTexts(Refused):
    """A search looks for more texts than one may."""

    def __init__(self) -> None:
        super().__init__(f"a search may look for {TEXTS_LIMIT} texts; make several of it", code="LIMIT")


class BadCharset(Refused):
    """A charset that nobody knows here."""

    def __init__(self) -> None:
        super().__init__("that charset is not known, or the text is not written in it")
        self.code = f"BADCHARSET ({' '.join(SHOWN_CHARSETS)})"


@dataclass(frozen=True, slots=True)
class All:
    """Every criterion fits."""

    of: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of two fits."""

    one: Criterion
    other: Criterion


@dataclass(frozen=True, slots=True)
class Not:
    """It does not fit."""

    of: Criterion


@dataclass(frozen=True, slots=True)
class Flagged:
    r"""A flag is set; `\Recent` too. In lower case."""

    flag: str


@dataclass(frozen=True, slots=True)
class Header:
    """A text occurs in a header of that lower-case name; casefolded."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A text occurs in the body, or anywhere; casefolded."""

    where: Literal["body", "anywhere"]
    text: str


@dataclass(frozen=True, slots=True)
class Day:
    """A date, as it was written, is before, on or since a day."""

    which: Literal["received", "sent"]
    relation: Literal["before", "on", "since"]
    day: date


@dataclass(frozen=True, slots=True)
class Size:
    """It has more, or fewer, bytes."""

    more: bool
    than: int


@dataclass(frozen=True, slots=True)
class Age:
    """It arrived within so many seconds, or longer ago."""

    within: bool
    seconds: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Its number, or its UID, is in a set."""

    numbers: SequenceSet
    uid: bool


Criterion = All | Either | Not | Flagged | Header | Words | Day | Size | Age | Numbers

_SYSTEM = ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN")
_HEADERS = ("BCC", "CC", "FROM", "SUBJECT", "TO")
_NEW = All((Flagged("\\recent"), Not(Flagged("\\seen"))))


def scan_criteria(scanner: Scanner, charset: bytes | None = None) -> All:
    """The criteria that come next, to the end of the command.

    Args:
        scanner: Where they are.
        charset: Of the texts in them; None: ASCII, but bytes beyond it are taken for UTF-8, else for ISO 8859-1.

    Raises:
        BadCommand: They cannot be read.
        BadCharset: The charset is not known, or a text is not written in it.
        TooManyTexts: They look for more than `TEXTS_LIMIT` texts.
    """
    reader = _Reader(scanner, charset)
    found = [reader.one()]
    while scanner.skip(b" "):
        if scanner.ended:
            break
        if not scanner.next_is(b" "):
            found.append(reader.one())
    scanner.end()
    return All(tuple(found))


class _Reader:
    def __init__(self, scanner: Scanner, charset: bytes | None) -> None:
        self._scanner = scanner
        self._charset = None if charset is None else CHARSETS.get(charset.decode("latin-1").upper())
        if charset is not None and self._charset is None:
            raise BadCharset
        self._count = 0
        self._texts = 0
        self._depth = 0

    def one(self) -> Criterion:
        self._count += 1
        self._depth += 1
        if self._count > CRITERIA_LIMIT or self._depth > 100:
            raise BadCommand("these are too many criteria")
        try:
            return self._read()
        finally:
            self._depth -= 1

    def _read(self) -> Criterion:
        scanner = self._scanner
        if scanner.next_is(b"("):
            return All(tuple(scanner.listed(self.one)))
        if scanner.next_is(b"0123456789*"):
            return Numbers(scan_sequence(scanner), False)
        word = scanner.word("a criterion")
        if word == "ALL":
            return All(())
        if word == "NEW":
            return _NEW
        if word in ("OLD", "RECENT"):
            recent = Flagged("\\recent")
            return recent if word == "RECENT" else Not(recent)
        if word in _SYSTEM:
            return Flagged("\\" + word.lower())
        if word.startswith("UN") and word[2:] in _SYSTEM:
            return Not(Flagged("\\" + word[2:].lower()))
        scanner.space()
        return self._with_argument(word)

    def _with_argument(self, word: str) -> Criterion:
        scanner = self._scanner
        if word in _HEADERS:
            return Header(word.lower(), self._text())
        if word == "HEADER":
            name = scanner.astring("the name of a header").decode("latin-1").lower()
            scanner.space()
            return Header(name, self._text())
        if word in ("BODY", "TEXT"):
            return Words("body" if word == "BODY" else "anywhere", self._text())
        if word in ("KEYWORD", "UNKEYWORD"):
            flagged = Flagged(scanner.atom("a keyword").lower())
            return flagged if word == "KEYWORD" else Not(flagged)
        if word in ("LARGER", "SMALLER"):
            return Size(word == "LARGER", scanner.number("a size", 2**63))
        if word in ("OLDER", "YOUNGER"):
            seconds = scanner.number("a number of seconds")
            return Age(word == "YOUNGER", seconds)
        if word == "UID":
            return Numbers(scan_sequence(scanner), True)
        if word == "NOT":
            return Not(self.one())
        if word == "OR":
            one = self.one()
            scanner.space()
            return Either(one, self.one())
        return self._day(word)

    def _day(self, word: str) -> Criterion:
        which: Literal["received", "sent"] = "sent" if word.startswith("SENT") else "received"
        relation = word.removeprefix("SENT")
        if relation == "BEFORE":
            return Day(which, "before", self._scanner.date())
        if relation == "ON":
            return Day(which, "on", self._scanner.date())
        if relation == "SINCE":
            return Day(which, "since", self._scanner.date())
        raise BadCommand(f"{word[:40]} is no criterion")

    def _text(self) -> str:
        raw = self._scanner.astring()
        self._texts += 1
        if self._texts > TEXTS_LIMIT:
            raise TooManyTexts
        if self._charset is not None:
            try:
                return raw.decode(self._charset).casefold()
            except UnicodeDecodeError:
                raise BadCharset from None
        try:
            return raw.decode().casefold()
        except UnicodeDecodeError:
            return raw.decode("latin-1").casefold()
