"""The IMAP server: one connection each, with limits, IDLE (RFC 2177), AUTHENTICATE and STARTTLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from terrarium.capability.imap.command import parse_command, tag_of
from terrarium.capability.imap.dispatch import answer
from terrarium.capability.imap.reading import Readings
from terrarium.capability.imap.request import Authenticate, Command
from terrarium.capability.imap.scanner import BadCommand
from terrarium.capability.imap.session import Desk, Session
from terrarium.capability.imap.view import Watch
from terrarium.capability.imap.wire import Lines, TooLong, TooMuch, Wanted, Wire
from terrarium.capability.letter import SIZE_LIMIT
from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.mail_wire import Room
from terrarium.capability.post_office import PostOffice
from terrarium.core.errors import Refused
from terrarium.core.network import Caller

APPEND_LIMIT = SIZE_LIMIT + 1024 * 1024  # transfer encodings included, a letter has its limit of its own
LARGE_ANSWERS = 2  # with a large message each, that one caller is sent at one time; others wait
_CHUNK = 64 * 1024
_HANDSHAKE_SECONDS = 20.0
_SLICE = 256 * 1024


@dataclass(frozen=True)
class Waits:
    """Seconds of wall time that a client may let pass.

    Attributes:
        stranger: Before it has logged in.
        idle: Without a command, also in IDLE; RFC 3501 (5.4) wants at least 30 minutes.
        command: In the middle of a command.
        taking: Until it takes what it was sent.
    """

    stranger: float = 120.0
    idle: float = 1860.0
    command: float = 120.0
    taking: float = 60.0


class ImapServer:
    """Serves the mailboxes of a post office.

    Args:
        office: Where the mail is.
        accounts: Who may log in.
        host: What it calls itself.
        tls: What it shows who wants to encrypt; without it nobody can.
        waits: How long it waits for clients.
    """

    def __init__(
        self,
        office: PostOffice,
        accounts: MailAccounts,
        *,
        host: str = "mail.world",
        tls: ssl.SSLContext | None = None,
        waits: Waits | None = None,
    ) -> None:
        self._office = office
        self._accounts = accounts
        self._host = host
        self._tls = tls
        self._waits = waits or Waits()
        self._desk: Desk | None = None
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def serve(
        self,
        connection: socket.socket,
        caller: Caller,
        *,
        room: Room | None = None,
        full: bool = False,
        secure: bool = False,
    ) -> None:
        """One connection to its end; a handler for `Network.serve`.

        Args:
            connection: The client.
            caller: Where it comes from.
            room: What it may hold of messages that are still coming.
            full: It has too many connections already, and is only told so.
            secure: It is encrypted from the first byte.

        Raises:
            OSError: The client does not agree on how to encrypt.
        """
        desk = self._desk = self._desk or self._opened()
        reader, writer = await _streams(connection, self._tls if secure else None)
        one = _Connection(reader, writer, Wire(APPEND_LIMIT, room), self._waits, self._tls)
        slots = self._slots.setdefault(caller.name, asyncio.Semaphore(LARGE_ANSWERS))
        desk = replace(desk, accounts=self._accounts.to(caller))
        session = Session(desk, lambda: self._office.site.request(caller), one.send, slots)
        session.secure = secure
        try:
            if full:
                await one.send([b"* BYE there are too many connections\r\n"])
            else:
                await one.run(session, self._host)
        finally:
            session.close()
            await one.close()

    def close(self) -> None:
        """Watch the mailboxes no longer; idempotent."""
        if self._desk is not None:
            self._desk.watch.close()
            self._desk = None

    def _opened(self) -> Desk:
        watch = Watch(self._office.store, asyncio.get_running_loop())
        return Desk(self._office, self._accounts, Readings(self._office), watch, self._tls is not None)


class _Connection:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        wire: Wire,
        waits: Waits,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._waits = waits
        self._tls = tls
        self._wire = wire
        self._broken = False

    async def run(self, session: Session, host: str) -> None:
        """Commands one after the other, until the client leaves."""
        await self.send([f"* OK [CAPABILITY {session.capabilities}] {host} IMAP4rev1 is ready\r\n".encode("ascii")])
        try:
            while not session.ended:
                found = self._wire.next()
                if found is None:
                    await self._more(session)
                elif isinstance(found, Wanted):
                    await self.send([b"+ go on\r\n"])
                elif isinstance(found, TooLong):
                    status, code = ("NO", "TOOBIG") if found.literal else ("BAD", "")
                    await session.respond(found.tag, status, "that is too long", code)
                else:
                    await self._command(session, found)
                    self._wire.release()
                    await asyncio.sleep(0)  # others have their turn, however many commands were sent at once
        except TooMuch:
            await self.send([b"* BYE that is far too long\r\n"])
        except TimeoutError:
            self._broken = True
            self._writer.write(b"* BYE nothing has been heard for too long\r\n")
        except EOFError:
            pass

    async def send(self, pieces: Sequence[bytes]) -> None:
        """Send, and wait while the client takes nothing.

        Raises:
            OSError: It has left, or takes nothing for too long.
        """
        if not pieces:
            return
        try:
            for data in _slices(b"".join(pieces)):
                self._writer.write(data)
                async with asyncio.timeout(self._waits.taking):
                    await self._writer.drain()
        except OSError as error:
            self._broken = True
            raise ConnectionAbortedError("the client takes nothing") from error

    async def close(self) -> None:
        """Send what is left for a moment, and close."""
        self._wire.release()
        if not self._broken:
            self._writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                async with asyncio.timeout(1.0):
                    await self._writer.wait_closed()
        self._writer.transport.abort()

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _more(self, session: Session) -> None:
        """Take what the client sends next.

        Raises:
            EOFError: It has closed.
            TimeoutError: It sends nothing.
        """
        waits = self._waits
        seconds = waits.command if self._wire.begun else waits.idle if session.address else waits.stranger
        async with asyncio.timeout(seconds):
            data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError
        self._wire.feed(data)

    async def _line(self, session: Session) -> bytes:
        while (line := self._wire.line()) is None:
            await self._more(session)
        return line

    async def _command(self, session: Session, lines: Lines) -> None:
        try:
            command = parse_command(lines.parts)
        except BadCommand as error:
            await session.respond(tag_of(lines.parts), "BAD", str(error))
            return
        except Refused as error:
            await session.respond(tag_of(lines.parts), "NO", str(error), error.code or "")
            return
        if command.name == "IDLE" and session.address:
            await self._idle(session, command)
        elif isinstance(command.request, Authenticate) and not session.address:
            await self._authenticate(session, command.tag, command.request)
        elif command.name == "STARTTLS" and not session.address:
            await self._start_tls(session, command)
        else:
            await answer(session, command)
        self._wire.trusted = bool(session.address)

    async def _authenticate(self, session: Session, tag: str, request: Authenticate) -> None:
        if request.mechanism != "PLAIN":
            await session.respond(tag, "NO", "only PLAIN is known", "CANNOT")
            return
        given = request.initial
        if given is None:
            await self.send([b"+ \r\n"])
            given = await self._line(session)
        try:
            found = await session.login_plain(given)
        except BadCommand as error:
            await session.respond(tag, "BAD", str(error))
        except Refused as error:
            await session.respond(tag, "NO", str(error), error.code or "")
        else:
            await session.respond(tag, "OK", found.text, found.code)

    async def _start_tls(self, session: Session, command: Command) -> None:
        if self._tls is None or session.secure:
            await session.respond(command.tag, "BAD", "TLS cannot be started here")
            return
        await session.respond(command.tag, "OK", "begin")
        self._wire.clear()  # what was sent ahead in the clear does not count
        try:
            async with asyncio.timeout(self._waits.command):
                await self._writer.start_tls(self._tls)
        except (OSError, ssl.SSLError) as error:
            self._broken = True
            raise ConnectionAbortedError("TLS could not be started") from error
        session.secure = True

    async def _idle(self, session: Session, command: Command) -> None:
        """Tell at once whatever changes, until the client says DONE."""
        changed = asyncio.Event()
        if session.view is not None:
            session.view.wake = changed.set
        waiting: asyncio.Task[bool] | None = None
        reading: asyncio.Task[None] | None = None
        try:
            await self.send([b"+ idling\r\n"])
            while (line := self._wire.line()) is None:
                changed.clear()
                await self.send([piece for told in session.news() for piece in (told, b"\r\n")])
                waiting = waiting or asyncio.ensure_future(changed.wait())
                reading = reading or asyncio.ensure_future(self._more(session))
                await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
                waiting = None if waiting.done() else waiting
                if reading.done():
                    ended, reading = reading, None
                    ended.result()
        finally:
            if session.view is not None:
                session.view.wake = None
            for task in (waiting, reading):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, EOFError, OSError):
                        await task
        good = line.strip().upper() == b"DONE"
        text = "done" if good else "IDLE ends with DONE"
        await session.respond(command.tag, "OK" if good else "BAD", text, lines=session.news())


def _slices(data: bytes) -> Iterator[bytes | memoryview]:
    """Bytes in pieces that a connection may hold while nobody takes them."""
    if len(data) <= _SLICE:
        yield data
        return
    for start in range(0, len(data), _SLICE):
        yield memoryview(data)[start : start + _SLICE]


async def _streams(
    connection: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connected socket as streams whose end is the server's, which STARTTLS goes by."""
    loop = asyncio.get_running_loop()
    met: asyncio.Future[asyncio.StreamWriter] = loop.create_future()
    reader = asyncio.StreamReader(limit=_CHUNK)
    protocol = asyncio.StreamReaderProtocol(reader, lambda _, writer: met.set_result(writer))
    wait = {} if tls is None else {"ssl_handshake_timeout": _HANDSHAKE_SECONDS}
    await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls, **wait)
    return reader, await met
