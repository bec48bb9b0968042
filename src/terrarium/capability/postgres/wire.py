"""PostgreSQL's protocol, as much of it as the relay must read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import ClassVar

from terrarium.capability.database.kind import Entered, LetsIn
from terrarium.capability.database.link import LOGIN_SECONDS, exactly
from terrarium.core.errors import TerrariumError

STARTUP_LIMIT = 10_000  # bytes of the first packet, as the server has it
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_SHOWN = 256  # bytes of a message that is looked at
_LOOKS = frozenset(
    ["ANALYZE", "BEGIN", "CHECKPOINT", "CLOSE", "COMMIT", "DEALLOCATE", "DECLARE", "DISCARD", "EXPLAIN", "FETCH",
     "LISTEN", "LOAD", "LOCK", "MOVE", "NOTIFY", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SELECT",
     "SET", "SHOW", "START", "UNLISTEN", "VALUES"]
)  # fmt: skip


def writes(tag: str) -> bool:
    """Whether what the server says was done can have changed what others see: `INSERT 0 1`, but not `SELECT 5`."""
    words = tag.split()
    if words[:1] == ["SELECT"] and len(words) == 1:
        return True  # SELECT INTO
    return bool(words) and words[0] not in _LOOKS and not tag.endswith(" 0")


async def enter(
    near: socket.socket, dial: Callable[[], Awaitable[socket.socket]], crowded: bool, lets_in: LetsIn
) -> Entered | None:
    """Pass on a client's first packet.

    Raises:
        EOFError: It is none.
    """
    async with asyncio.timeout(LOGIN_SECONDS):
        code, packet = await _startup(near)
    if code != _CANCEL and code >> 16 != 3:
        await _refuse(near, "0A000", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}")
        return None
    user = _user(packet)
    if code != _CANCEL and not lets_in(user):
        await _refuse(near, "28P01", f'password authentication failed for user "{user[:63]}"')
        return None
    if crowded:
        await _refuse(near, "53300", "sorry, too many clients already")
        return None
    try:
        far = await dial()
    except TerrariumError:
        await _refuse(near, "57P03", "the database system is not yet accepting connections")
        return None
    await asyncio.get_running_loop().sock_sendall(far, packet)
    return far, None if code == _CANCEL else Answers()


class Answers:
    """Reads what a server sends, in pieces of any size. The log-in, which is no request, ends like an answer.

    Attributes:
        tags: What it says was done, of what writes.
    """

    begins_idle: ClassVar[bool] = False  # the log-in goes on

    def __init__(self) -> None:
        self.tags: list[str] = []
        self._kind = b""
        self._left = 0
        self._head = bytearray()

    def sent(self, data: bytes) -> bool:
        """Every message of a client is answered, sooner or later."""
        return True

    def feed(self, data: bytes) -> bool:
        """Whether an answer has ended in these bytes: the server is ready for the next request."""
        ready, at = False, 0
        while at < len(data):
            if self._left == 0:
                need = 5 - len(self._head)
                self._head += data[at : at + need]
                at += need
                if len(self._head) < 5:
                    break
                self._kind = bytes(self._head[:1])
                self._left = max(int.from_bytes(self._head[1:5], "big") - 4, 0)
                self._head.clear()
                self._body = bytearray()
            else:
                part = data[at : at + self._left]
                at += len(part)
                self._left -= len(part)
                if self._kind == b"C" and len(self._body) < _SHOWN:
                    self._body += part[:_SHOWN]
            if self._left == 0:
                ready = self._message() or ready
        return ready

    def _message(self) -> bool:
        if self._kind == b"C":
            tag = self._body.rstrip(b"\0").decode("utf-8", "replace")
            if writes(tag):
                self.tags.append(tag)
        return self._kind == b"Z"


async def _startup(connection: socket.socket) -> tuple[int, bytes]:
    """(The code of the first packet, all of it); encryption is declined before.

    Raises:
        EOFError: It is none.
    """
    loop = asyncio.get_running_loop()
    for _ in range(3):
        head = await exactly(connection, 8)
        size, code = struct.unpack("!II", head)
        if not 8 <= size <= STARTUP_LIMIT:
            raise EOFError
        packet = head + await exactly(connection, size - 8)
        if code not in (_SSL, _GSS):
            return code, packet
        await loop.sock_sendall(connection, b"N")
    raise EOFError


def _user(packet: bytes) -> str:
    """The user that the first packet names, as the server reads it: the last one counts; nobody where there is none."""
    words = packet[8:].split(b"\0")
    found = b""
    for name, value in zip(words[::2], words[1::2], strict=False):
        if not name:
            break
        if name == b"user":
            found = value
    return found[:63].decode("utf-8", "replace")  # a longer name is cut by the server too


async def _refuse(connection: socket.socket, code: str, text: str) -> None:
    fields = b"".join(kind + value.encode() + b"\0" for kind, value in (
        (b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", text)
    )) + b"\0"  # fmt: skip
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(connection, b"E" + struct.pack("!I", len(fields) + 4) + fields)
