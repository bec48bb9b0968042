"""One connection of a mail protocol: lines in, lines out, with limits on length, size and patience.

Whatever the other end sends or does not send, a connection holds at most what its limits say, ends after its time, and
lets other connections go on between two of its lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass

LINE_LIMIT = 8192  # bytes of a command
IDLE_SECONDS = 300.0  # of wall time for one command, or for one message
_CHUNK = 64 * 1024
_HANDSHAKE_SECONDS = 20.0
_FAIR = 16  # lines after which others have their turn


class LineTooLong(Exception):
    """A line was longer than a command may be; all of it was skipped."""


class TooLarge(Exception):
    """A message was over its limit; all of it was skipped."""


class NoRoom(Exception):
    """There was no room to hold a message; all of it was skipped."""


@dataclass
class Room:
    """How many bytes of messages that are still coming several connections may hold together."""

    limit: int
    used: int = 0


class Wire:
    """One connection, which it owns.

    Args:
        reader: What comes.
        writer: What goes.
        room: What it may hold, shared with others.
        idle: Seconds of wall time that a command, or a message, may take to come or to be taken.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: Room, idle: float = IDLE_SECONDS
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._room = room
        self._idle = idle
        self._taken = 0
        self._held = bytearray()
        self._lines = 0
        self.secure = False

    @classmethod
    async def over(
        cls, connection: socket.socket, room: Room, idle: float = IDLE_SECONDS, tls: ssl.SSLContext | None = None
    ) -> Wire:
        """A wire over a connected socket, as its server; with `tls` it is encrypted from the first byte.

        Raises:
            OSError: The other end does not agree on how to encrypt.
        """
        loop = asyncio.get_running_loop()
        reader, made = asyncio.StreamReader(_CHUNK, loop), loop.create_future()
        # With a callback the streams know that they are the server's, which decides who begins the TLS handshake.
        protocol = asyncio.StreamReaderProtocol(reader, lambda _, writer: made.set_result(writer), loop)
        wait = {} if tls is None else {"ssl_handshake_timeout": _HANDSHAKE_SECONDS}
        await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls, **wait)
        wire = cls(reader, await made, room, idle)
        wire.secure = tls is not None
        return wire

    async def line(self) -> bytes:
        """The next line without its end, which is CRLF or LF.

        Raises:
            EOFError: The other end has closed, or has fallen silent.
            LineTooLong: It was over the limit.
        """
        self._lines += 1
        if self._lines % _FAIR == 0:
            await asyncio.sleep(0)
        end, skipped = self._held.find(b"\n"), False
        if end < 0:
            try:
                async with asyncio.timeout(self._idle):
                    while end < 0:
                        if len(self._held) > LINE_LIMIT:
                            self._held.clear()
                            skipped = True
                        searched = len(self._held)
                        await self._more()
                        end = self._held.find(b"\n", searched)
            except TimeoutError:
                raise EOFError from None
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        if skipped or len(line) > LINE_LIMIT:
            raise LineTooLong
        return line.removesuffix(b"\r")

    async def message(self, limit: int) -> bytes:
        """The lines up to one with a single dot, as they were before dots were doubled.

        Only CRLF ends a line here, so that nothing can be smuggled past the dot (RFC 5321, 2.3.8). The bytes count as
        held until `release` is called.

        Raises:
            EOFError: The other end has closed, is too slow, or sends without end.
            TooLarge: They were over `limit`; all of them were skipped.
            NoRoom: Too much else is held at the moment; all of them were skipped.
        """
        data, total, lost = bytearray(b"\r\n"), 0, None
        try:
            async with asyncio.timeout(self._idle):
                while True:
                    start = max(0, len(data) - 4)
                    data += self._held
                    total += len(self._held)
                    if lost is None:
                        lost = TooLarge if total > limit + 5 else None if self._take(len(self._held)) else NoRoom
                    self._held.clear()
                    end = data.find(b"\r\n.\r\n", start)
                    if end >= 0:
                        break
                    if total > 4 * limit:
                        raise EOFError
                    if lost is not None:
                        del data[:-4]
                        self.release()
                    await self._more()
        except TimeoutError:
            raise EOFError from None
        self._held += data[end + 5 :]
        if lost is not None and (lost is NoRoom or end > limit or total > len(data)):
            self.release()
            raise lost
        return bytes(data[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def release(self) -> None:
        """The bytes of the last message are no longer held."""
        self._room.used -= self._taken
        self._taken = 0

    def _take(self, size: int) -> bool:
        if self._room.used + size > self._room.limit:
            return False
        self._room.used += size
        self._taken += size
        return True

    async def send(self, data: bytes) -> None:
        """Send bytes and wait until the other end takes them.

        Raises:
            EOFError: It does not.
        """
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._idle):
                await self._writer.drain()
        except TimeoutError:
            raise EOFError from None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on encrypted; what came before is forgotten.

        Raises:
            EOFError: The other end does not agree.
        """
        self._held.clear()
        try:
            async with asyncio.timeout(self._idle):
                await self._writer.start_tls(context)
        except (TimeoutError, ssl.SSLError) as error:
            raise EOFError from error
        self._held.clear()
        self.secure = True

    async def close(self) -> None:
        """Send what is still to be sent, for a short time, and close."""
        self.release()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    async def _more(self) -> None:
        data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError
        self._held += data
