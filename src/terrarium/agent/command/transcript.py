"""What a program tells of a turn, line by line, read into messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from terrarium.core.message import Message

LINE_BYTES = 8 * 1024 * 1024
"""Of one line; a longer one is not read."""
MESSAGES_BYTES = 64 * 1024 * 1024
"""Of all lines of a turn; what comes after is not read."""


class Transcript(Protocol):
    """Reads the account of one turn. Nothing in it may be trusted.

    Attributes:
        session: By which id the program goes on in the next turn; None where it told none.
        messages: The turn: thinking, text, tool calls and their results, in order.
        text: Its last words.
        error: What went wrong, as it says itself; empty where nothing did.
    """

    session: str | None
    messages: list[Message]
    text: str
    error: str

    def line(self, line: str) -> None:
        """One line of its standard output."""
        ...

    def file(self, content: bytes) -> None:
        """The file that it wrote its account into, where it has one."""
        ...


class Lines:
    """Cuts what comes in pieces into lines of text.

    Args:
        told: Gets each line that is not empty, without its end.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._held = bytearray()
        self._total = 0
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._total += len(data)
        if self._total > MESSAGES_BYTES:
            return
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._hold(piece)
            self.end()
        self._hold(rest)

    def end(self) -> None:
        """The line ends here."""
        line, skipped = bytes(self._held), self._skipping
        self._held.clear()
        self._skipping = False
        if line.strip() and not skipped:
            self._told(line.decode("utf-8", "replace").rstrip("\r"))

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > LINE_BYTES:
            self._skipping = True
            self._held.clear()
        if not self._skipping:
            self._held += piece
