"""MariaDB's protocol, as much of it as the relay must read: the log-in, and where each answer begins and ends.

TLS, compression, `LOCAL INFILE` and what changes the form of answers are struck from what the server offers and from
what the client wants, so that answers have one form only: the one that MySQL 4.1 had.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import ClassVar

from terrarium.capability.database.kind import Entered, LetsIn
from terrarium.capability.database.link import LOGIN_SECONDS, exactly
from terrarium.capability.mysql.statement import keywords, tag, writes
from terrarium.core.errors import TerrariumError

PACKET_LIMIT = 65_536  # bytes of a packet of the log-in
STATEMENTS_LIMIT = 1000  # prepared ones whose first word is remembered
_SHOWN = 2048  # bytes of a packet that are looked at
_NAME = 128  # characters of a user's name
_LONGEST = 0xFFFFFF  # of a packet; then it goes on in the next
_PROTOCOL_41, _SSL = 1 << 9, 1 << 11
_STRUCK = (1 << 5) | (1 << 7) | _SSL | (1 << 24) | (1 << 26) | (1 << 27) | (1 << 29)
_OK, _INFILE, _EOF, _ERROR = 0x00, 0xFB, 0xFE, 0xFF
_MORE_RESULTS, _CURSOR = 0x0008, 0x0040  # flags of a server's status
_QUIT, _QUERY, _FIELDS, _PROCESSES, _CHANGE_USER = 0x01, 0x03, 0x04, 0x0A, 0x11
_PREPARE, _EXECUTE, _LONG_DATA, _CLOSE, _FETCH, _BULK = 0x16, 0x17, 0x18, 0x19, 0x1C, 0xFA


# -- the log-in -------------------------------------------------------------------------------------------------------


async def enter(
    near: socket.socket, dial: Callable[[], Awaitable[socket.socket]], crowded: bool, lets_in: LetsIn
) -> Entered | None:
    """Log in a client.

    Raises:
        EOFError: Either end left, or said what cannot be said there.
    """
    if crowded:
        await _refuse(near, 1040, "08004", "Too many connections")
        return None
    try:
        far = await dial()
    except TerrariumError:
        await _refuse(near, 1053, "08S01", "The database server does not come up")
        return None
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            if await _logged_in(near, far, lets_in):
                return far, Conversation(lets_in)
    except (EOFError, OSError, TimeoutError):
        far.close()
        raise
    far.close()
    return None


async def _logged_in(near: socket.socket, far: socket.socket, lets_in: LetsIn) -> bool:
    loop = asyncio.get_running_loop()
    number, greeting = await _packet(far)
    await loop.sock_sendall(near, _framed(number, _plain_greeting(greeting)))
    if greeting[:1] != b"\x0a":
        return False  # it has said no
    number, answer = await _packet(near)
    plain, user = _plain_answer(answer), _user(answer[32:])
    if user is None or not lets_in(user):
        await _refuse(near, 1045, "28000", f"Access denied for user '{user or ''}'", number + 1)
        return False
    await loop.sock_sendall(far, _framed(number, plain))
    while True:
        number, said = await _packet(far)
        await loop.sock_sendall(near, _framed(number, said))
        if said[0] in (_OK, _ERROR):
            return said[0] == _OK
        if said != b"\x01\x03":  # which is only told
            number, answer = await _packet(near)
            await loop.sock_sendall(far, _framed(number, answer))


async def _packet(connection: socket.socket) -> tuple[int, bytes]:
    head = await exactly(connection, 4)
    size = int.from_bytes(head[:3], "little")
    if not 0 < size <= PACKET_LIMIT:
        raise EOFError
    return head[3], await exactly(connection, size)


def _framed(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def _plain_greeting(body: bytes) -> bytes:
    """The server's first words without what is struck."""
    at = body.find(b"\0") + 1 + 4 + 8 + 1  # behind its version, the number of the connection, and a challenge
    if body[:1] != b"\x0a" or len(body) < at + 18:
        return body
    low, between, high = body[at : at + 2], body[at + 2 : at + 5], body[at + 5 : at + 7]
    told = (int.from_bytes(low + high, "little") & ~_STRUCK).to_bytes(4, "little")
    length, reserved = body[at + 7 : at + 8], b"\0" * 10  # MariaDB's own offers are in the last four
    return body[:at] + told[:2] + between + told[2:] + length + reserved + body[at + 18 :]


def _plain_answer(body: bytes) -> bytes:
    """The client's first words without what is struck.

    Raises:
        EOFError: It wants TLS at once, or speaks an older protocol.
    """
    wanted = int.from_bytes(body[:4], "little")
    if len(body) <= 32 or not wanted & _PROTOCOL_41 or wanted & _SSL:
        raise EOFError
    return (wanted & ~_STRUCK).to_bytes(4, "little") + body[4:28] + b"\0" * 4 + body[32:]


def _user(told: bytes) -> str | None:
    """The user that these bytes name, as the server reads it: it takes quotes away, and cuts long names.

    None where there are other letters than ASCII: what they come to depends on the client's character set.
    """
    name = told.partition(b"\0")[0]
    if len(name) > 1 and name[:1] == name[-1:] == b"'":
        name = name[1:-1]
    return name[:_NAME].decode("ascii") if name.isascii() else None


async def _refuse(connection: socket.socket, error: int, state: str, text: str, number: int = 0) -> None:
    told = f"#{state}{text}" if number else text  # before the log-in there is no state
    body = b"\xff" + struct.pack("<H", error) + told.encode()
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(connection, _framed(number & 0xFF, body))


# -- requests and answers ---------------------------------------------------------------------------------------------


class Packets:
    """Finds the packets in a stream of bytes, in pieces of any size."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self._body = bytearray()
        self._size = 0
        self._goes_on = False

    @property
    def within(self) -> bool:
        """A packet has begun and not ended."""
        return bool(self._head) or self._left > 0 or self._goes_on

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(Size, first bytes) of each packet that has ended in these bytes."""
        found: list[tuple[int, bytes]] = []
        at = 0
        while at < len(data):
            if self._left == 0:
                part = data[at : at + 4 - len(self._head)]
                at += len(part)
                self._head += part
                if len(self._head) < 4:
                    break
                self._left = int.from_bytes(self._head[:3], "little")
                self._head.clear()
                self._size += self._left
                going_on, self._goes_on = self._goes_on, self._left == _LONGEST
                if not going_on:
                    self._body.clear()
            else:
                part = data[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                if len(self._body) < _SHOWN:
                    self._body += part[: _SHOWN - len(self._body)]
            if self._left == 0 and not self._goes_on:
                found.append((self._size, bytes(self._body)))
                self._size = 0
        return found


class Conversation:
    """Reads along what client and server say after the log-in.

    Args:
        lets_in: Whether the client may become a user.

    Attributes:
        tags: What the server says was done, of what writes.
    """

    begins_idle: ClassVar[bool] = True

    def __init__(self, lets_in: LetsIn) -> None:
        self.tags: list[str] = []
        self._lets_in = lets_in
        self._asks = False  # the server, for more of a log-in
        self._near, self._far = Packets(), Packets()
        self._asked: deque[tuple[int, list[str]]] = deque()
        self._prepared: dict[int, list[str]] = {}
        self._step = self._first
        self._number = 0  # of the result of this answer
        self._left = 0  # lists of columns that are still to come

    def sent(self, data: bytes) -> bool:
        """Whether an answer is awaited, or the rest of a request.

        Raises:
            OSError: It wants to be a user that it may not be, or goes on before it knows whether it is.
        """
        for _, body in self._near.feed(data):
            if not self._asked or self._asked[-1][0] != _CHANGE_USER:
                self._request(body[0] if body else 0, body)
            elif self._asks:  # the log-in goes on
                self._asks = False
            else:
                raise OSError("a request before the end of a log-in")
        return bool(self._asked) or self._near.within

    def _request(self, code: int, body: bytes) -> None:
        if code in (_QUIT, _LONG_DATA):
            return
        if code == _CHANGE_USER:
            user = _user(body[1:])
            if user is None or not self._lets_in(user):
                raise OSError("this user is not let in from here")
        words: list[str] = []
        if code in (_QUERY, _PREPARE):
            words = keywords(body[1:].decode("utf-8", "replace"))
        elif code in (_EXECUTE, _BULK, _CLOSE):
            statement = int.from_bytes(body[1:5], "little")
            words = self._prepared.get(statement, ["EXECUTE"])
            if code == _CLOSE:
                self._prepared.pop(statement, None)
                return
        self._asked.append((code, words))

    def feed(self, data: bytes) -> bool:
        """Whether the last answer that was awaited has ended.

        Raises:
            OSError: An answer to nothing.
        """
        ended = False
        for size, body in self._far.feed(data):
            kind = body[0] if body else _OK
            if not self._asked:
                if kind != _ERROR:  # the server's last word
                    raise OSError("an answer that nobody awaits")
                continue
            if self._step(kind, size, body):
                self._asked.popleft()
                self._step, self._number = self._first, 0
                ended = not self._asked and not self._near.within
        return ended

    # Each step says whether the answer ends with this packet.

    def _first(self, kind: int, size: int, body: bytes) -> bool:
        code, words = self._asked[0]
        if kind == _ERROR:
            return True
        if code in (_FIELDS, _FETCH):
            self._step = self._columns_only if code == _FIELDS else self._rows
            return self._step(kind, size, body)
        if code == _PREPARE:
            return self._is_prepared(body, words)
        if code == _CHANGE_USER:
            self._asks = kind != _OK
            return kind == _OK
        if code not in (_QUERY, _EXECUTE, _BULK, _PROCESSES):
            return True
        if kind == _INFILE:
            raise OSError("LOCAL INFILE is switched off")
        if kind == _OK:
            affected, at = _number(body, 1)
            _, at = _number(body, at)
            done = tag(words, self._number, affected)
            if writes(done):
                self.tags.append(done)
            return self._ends(body[at : at + 2])
        if _is_eof(kind, size):
            return self._ends(body[3:5])
        self._step = self._columns
        return False

    def _columns(self, kind: int, size: int, body: bytes) -> bool:
        if kind == _ERROR:
            return True
        if not _is_eof(kind, size):
            return False
        self._step = self._rows
        return bool(int.from_bytes(body[3:5], "little") & _CURSOR)

    def _rows(self, kind: int, size: int, body: bytes) -> bool:
        if kind == _ERROR:
            return True
        if not _is_eof(kind, size):
            return False
        return self._asked[0][0] == _FETCH or self._ends(body[3:5])

    def _columns_only(self, kind: int, size: int, body: bytes) -> bool:
        if _is_eof(kind, size):
            self._left -= 1
        return kind == _ERROR or self._left < 0 or (self._left == 0 and self._asked[0][0] == _PREPARE)

    def _is_prepared(self, body: bytes, words: list[str]) -> bool:
        statement = int.from_bytes(body[1:5], "little")
        while len(self._prepared) >= STATEMENTS_LIMIT:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[statement] = words
        columns, parameters = int.from_bytes(body[5:7], "little"), int.from_bytes(body[7:9], "little")
        self._left = (columns > 0) + (parameters > 0)
        self._step = self._columns_only
        return self._left == 0

    def _ends(self, status: bytes) -> bool:
        self._number += 1
        self._step = self._first
        return not int.from_bytes(status, "little") & _MORE_RESULTS


def _is_eof(kind: int, size: int) -> bool:
    return kind == _EOF and size < 9


def _number(body: bytes, at: int) -> tuple[int, int]:
    """(A number of variable length, where it ends)."""
    first = body[at] if at < len(body) else 0
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    return (int.from_bytes(body[at + 1 : at + 1 + size], "little") if size else first), at + 1 + size
