"""The scanner: reads the words of a command one by one (RFC 3501, section 9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import TypeVar

from terrarium.core.errors import Refused

T = TypeVar("T")

DEPTH_LIMIT = 100  # parentheses in parentheses
_CONTROL = frozenset(range(32)) | {127}
ATOM = frozenset(range(33, 127)) - set(b'(){%*"\\]')
ASTRING = ATOM | {ord("]")}
PATTERN = ASTRING | set(b"%*")
_DIGITS = frozenset(b"0123456789")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class BadCommand(Refused):
    """A command that nobody can read; it is answered with BAD and nothing else happens."""


class Scanner:
    """A place in a command.

    Args:
        parts: Texts of the command with the literals between them.
    """

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self._parts = parts
        self._part = 0  # always a text: an even number
        self._at = 0
        self._depth = 0

    # -- looking --------------------------------------------------------------------------------------------------

    def peek(self) -> int:
        """The next byte, or -1 at the end and before a literal."""
        text = self._parts[self._part]
        return text[self._at] if self._at < len(text) else -1

    def next_is(self, characters: bytes) -> bool:
        """Whether the next byte is one of these."""
        return self.peek() in characters if self.peek() >= 0 else False

    @property
    def ended(self) -> bool:
        """Nothing is left."""
        return self.peek() < 0 and self._part + 1 >= len(self._parts)

    @property
    def literal_next(self) -> bool:
        """A literal comes next."""
        return self.peek() < 0 and self._part + 2 < len(self._parts)

    # -- reading --------------------------------------------------------------------------------------------------

    def take(self, allowed: frozenset[int], what: str) -> bytes:
        """One or more bytes out of a set.

        Raises:
            BadCommand: There is none.
        """
        text, start = self._parts[self._part], self._at
        end = start
        while end < len(text) and text[end] in allowed:
            end += 1
        if end == start:
            raise BadCommand(f"{what} is missing")
        self._at = end
        return text[start:end]

    def skip(self, word: bytes) -> bool:
        """Go past `word`, in any case, if it comes next."""
        text = self._parts[self._part]
        if text[self._at : self._at + len(word)].upper() != word.upper():
            return False
        self._at += len(word)
        return True

    def expect(self, word: bytes) -> None:
        """Go past `word`.

        Raises:
            BadCommand: Something else comes next.
        """
        if not self.skip(word):
            raise BadCommand(f"{word.decode()!r} is missing")

    def space(self) -> None:
        """Go past a space; further ones are forgiven.

        Raises:
            BadCommand: There is none.
        """
        self.expect(b" ")
        while self.skip(b" "):
            pass

    def end(self) -> None:
        """Nothing may be left but spaces.

        Raises:
            BadCommand: Something is.
        """
        while self.skip(b" "):
            pass
        if not self.ended:
            raise BadCommand("there is something behind the command's end")

    def atom(self, what: str = "a word") -> str:
        """An atom, as it was written."""
        return self.take(ATOM, what).decode("ascii")

    def word(self, what: str = "a word") -> str:
        """An atom in upper case."""
        return self.atom(what).upper()

    def number(self, what: str = "a number", most: int = 2**32 - 1) -> int:
        """A number of at most 32 bits.

        Raises:
            BadCommand: It is none, or too large.
        """
        digits = self.take(_DIGITS, what)
        if len(digits) > 20 or int(digits) > most:
            raise BadCommand(f"{what} is too large")
        return int(digits)

    def quoted(self) -> bytes:
        """A quoted string.

        Raises:
            BadCommand: It does not end, or holds a line break.
        """
        self.expect(b'"')
        text, at, found = self._parts[self._part], self._at, bytearray()
        while at < len(text):
            byte = text[at]
            if byte == 0x22:
                self._at = at + 1
                return bytes(found)
            if byte == 0x5C:
                at += 1
                if at >= len(text):
                    break
                byte = text[at]
            if byte in (0, 10, 13):
                raise BadCommand("a quoted string may not hold line breaks")
            found.append(byte)
            at += 1
        raise BadCommand("a quoted string does not end")

    def literal(self) -> bytes:
        """A literal.

        Raises:
            BadCommand: None comes next.
        """
        if not self.literal_next:
            raise BadCommand("a literal is missing")
        found = self._parts[self._part + 1]
        self._part, self._at = self._part + 2, 0
        return found

    def string(self) -> bytes:
        """A quoted string or a literal."""
        return self.literal() if self.literal_next else self.quoted()

    def astring(self, what: str = "a text", bare: frozenset[int] = ASTRING) -> bytes:
        """A string or a bare word."""
        if self.literal_next or self.next_is(b'"'):
            return self.string()
        return self.take(bare, what)

    def nstring(self) -> bytes | None:
        """A string or NIL."""
        return None if self.skip(b"NIL") else self.string()

    def listed(self, read: Callable[[], T], *, empty: bool = False) -> list[T]:
        """What `read` reads, in parentheses and with spaces between.

        Raises:
            BadCommand: It is not there, is empty where it may not be, or is nested too deep.
        """
        self.expect(b"(")
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise BadCommand(f"parentheses are nested more than {DEPTH_LIMIT} deep")
        found = []
        if not empty or not self.next_is(b")"):
            found.append(read())
            while self.skip(b" "):
                if self.next_is(b")"):
                    break
                found.append(read())
        self.expect(b")")
        self._depth -= 1
        return found

    def flag(self) -> str:
        r"""A flag: `\Seen`, or a keyword."""
        slash = "\\" if self.skip(b"\\") else ""
        return slash + self.atom("a flag")

    # -- dates ----------------------------------------------------------------------------------------------------

    def date(self) -> date:
        """A date such as `1-Feb-2030`, bare or quoted.

        Raises:
            BadCommand: There is no such day.
        """
        text = self.astring("a date").decode("latin-1")
        return _day(text.split("-"), text)

    def date_time(self) -> datetime:
        """A date and time such as `" 1-Feb-2030 09:00:00 +0100"`.

        Raises:
            BadCommand: There is no such moment.
        """
        text = self.quoted().decode("latin-1")
        words = text.split()
        clock = words[1].split(":") if len(words) == 3 else []
        zone = words[2] if len(words) == 3 else ""
        if len(clock) != 3 or len(zone) != 5 or zone[0] not in "+-":
            raise BadCommand(f"{text[:40]!r} is not a date and time")
        day = _day(words[0].split("-"), text)
        try:
            hour, minute, second = (_whole(part) for part in clock)
            offset = timedelta(hours=_whole(zone[1:3]), minutes=_whole(zone[3:]))
            moment = datetime(day.year, day.month, day.day, hour, minute, min(second, 59))
            moment = moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
            moment.utctimetuple()
        except (ValueError, OverflowError):
            raise BadCommand(f"{text[:40]!r} is not a date and time") from None
        return moment


def _day(parts: list[str], text: str) -> date:
    try:
        day, month, year = parts
        return date(_whole(year), _MONTHS.index(month.lower()) + 1, _whole(day))
    except (ValueError, OverflowError):
        raise BadCommand(f"{text[:40]!r} is not a date; write for example 1-Feb-2030") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError
    return int(text)
