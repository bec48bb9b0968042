"""The wire: bytes of a client put together to commands, lines with literals in between (RFC 3501, 4.3; RFC 7888)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from terrarium.capability.mail_wire import Room

LINE_LIMIT = 1024 * 1024 + 4096  # bytes of a command besides its literals
LITERAL_LIMIT = 1024 * 1024  # bytes of the literals of any command but APPEND
STRANGER_LIMIT = 8 * 1024  # the same before somebody has logged in
SHORT = 64 * 1024  # bytes of a literal that need no room
LITERALS = 1000  # of one command
DISCARD_LIMIT = 64 * 1024 * 1024  # bytes of one command that are read only to be thrown away
_LITERAL = re.compile(rb"\{(\d{1,20})(\+?)\}\Z")
_TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,100}\Z")
_APPEND = re.compile(rb"[^ ]+ +APPEND ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lines:
    """A whole command: pieces of text with a literal between each and the next, line ends taken off."""

    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The client waits to be told that it may send a literal."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A command that was not read.

    Attributes:
        tag: Of the command; `*` where it has none.
        literal: It announced too long a literal and waits; else its bytes were thrown away.
    """

    tag: str
    literal: bool


class TooMuch(Exception):
    """A client sends without end: only closing its connection helps."""


class Wire:
    """Commands out of a stream of bytes; holds at most what the limits say.

    Args:
        append_limit: Bytes of a literal of APPEND.
        room: What long literals of one caller may hold together.
    """

    def __init__(self, append_limit: int, room: Room | None = None) -> None:
        self.trusted = False
        """Somebody has logged in, and may send long literals."""
        self._append_limit = append_limit
        self._room = room or Room(append_limit + LITERAL_LIMIT)
        self._taken = 0  # of the room
        self._buffer = bytearray()
        self._seen = 0  # of the buffer, where no line end was found
        self._parts: list[bytes] = []
        self._needed = -1  # bytes of the literal that is being read; -1: a line is being read
        self._text = 0  # bytes of the lines of this command
        self._literals = 0  # bytes of its literals
        self._refused: str | None = None  # tag of a command whose bytes are thrown away
        self._skipped = 0

    def feed(self, data: bytes) -> None:
        """Take what the client sent."""
        self._buffer += data

    @property
    def begun(self) -> bool:
        """A command has come in part."""
        return bool(self._buffer or self._parts or self._refused)

    @property
    def held(self) -> int:
        """Bytes that are kept until a command is whole."""
        return len(self._buffer) + sum(map(len, self._parts))

    def release(self) -> None:
        """The last command is done, or nothing more comes: nobody holds its literals any longer."""
        self._room.used -= self._taken
        self._taken = 0

    def next(self) -> Lines | Wanted | TooLong | None:
        """What comes next, or None where more bytes are needed.

        Raises:
            TooMuch: A command is so long that it is not even thrown away.
        """
        while True:
            if self._needed >= 0:
                if not self._literal():
                    return None
                continue
            end = self._buffer.find(b"\n", self._seen)
            if end < 0:
                self._starve()
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._seen = 0
            found = self._line(line.removesuffix(b"\r"))
            if found is not None:
                return found

    def line(self) -> bytes | None:
        """One bare line, as DONE or an answer to AUTHENTICATE, or None where more bytes are needed.

        Raises:
            TooMuch: It does not end.
        """
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise TooMuch
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._seen = 0
        return line

    def clear(self) -> None:
        """Forget what was sent ahead, as STARTTLS demands."""
        self._buffer.clear()
        self._seen = 0

    # -- inside ---------------------------------------------------------------------------------------------------

    def _literal(self) -> bool:
        """Take the literal that is being read; False where more bytes are needed."""
        if self._refused is not None:
            taken = min(self._needed, len(self._buffer))
            del self._buffer[:taken]
            self._needed -= taken
            self._skip(taken)
            if self._needed:
                return False
        else:
            if len(self._buffer) < self._needed:
                return False
            with memoryview(self._buffer) as view:
                self._parts.append(bytes(view[: self._needed]))
            del self._buffer[: self._needed]
        self._needed = -1
        return True

    def _starve(self) -> None:
        self._seen = len(self._buffer)
        if self._refused is not None:
            self._skip(len(self._buffer))
        elif self._text + len(self._buffer) > LINE_LIMIT:
            self._refuse(bytes(self._buffer[:200]))
            self._skip(len(self._buffer))
        else:
            return
        # A literal may be announced at the end of what is thrown away: its last bytes are kept.
        self._buffer = self._buffer[-32:]
        self._seen = len(self._buffer)

    def _line(self, line: bytes) -> Lines | Wanted | TooLong | None:
        announced = _LITERAL.search(line)
        size, waits = (int(announced[1]), not announced[2]) if announced else (0, False)
        if self._refused is not None:
            self._skip(len(line))
        else:
            self._text += len(line)
            if self._text > LINE_LIMIT:
                self._refuse(line)
        if self._refused is None and announced:
            append = bool(_APPEND.match(self._parts[0] if self._parts else line))
            limit = (self._append_limit if append else LITERAL_LIMIT) if self.trusted else STRANGER_LIMIT
            self._literals += size
            if self._literals > limit or len(self._parts) >= 2 * LITERALS or not self._take(size):
                self._refuse(line)
        if self._refused is not None:
            if announced and not waits:
                if size > DISCARD_LIMIT - self._skipped:
                    raise TooMuch
                self._needed = size
                return None
            tag = self._refused
            self._reset()
            return TooLong(tag, bool(announced))
        if announced:
            self._parts.append(line[: announced.start()])
            self._needed = size
            return Wanted() if waits else None
        found = Lines((*self._parts, line))
        self._reset()
        return found

    def _take(self, size: int) -> bool:
        """Whether there is room for a literal; short ones do not count."""
        if size > SHORT:
            if self._room.used + size > self._room.limit:
                return False
            self._room.used += size
            self._taken += size
        return True

    def _refuse(self, line: bytes) -> None:
        tag = (self._parts[0] if self._parts else line)[:200].partition(b" ")[0]
        self._refused = tag.decode("ascii") if _TAG.match(tag) else "*"
        self._parts.clear()
        self.release()

    def _skip(self, count: int) -> None:
        self._skipped += count
        if self._skipped > DISCARD_LIMIT:
            raise TooMuch

    def _reset(self) -> None:
        self._parts, self._needed, self._text, self._literals = [], -1, 0, 0
        self._refused, self._skipped = None, 0
