"""SMTP: how mail clients and programs send mail in a world.

One `SmtpSession` is one connection. Sources: RFC 5321, 6409 (submission), 1870 (SIZE), 2920 (PIPELINING), 3207
(STARTTLS), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from terrarium.capability.address import Address, parse_address
from terrarium.capability.letter import SIZE_LIMIT
from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.mail_wire import LineTooLong, NoRoom, TooLarge, Wire
from terrarium.capability.mime import Message, parse
from terrarium.capability.mime_part import part_of
from terrarium.capability.mime_text import addresses
from terrarium.capability.post_office import PostOffice
from terrarium.core.errors import Refused

RECIPIENTS_LIMIT = 1000  # of one mail
ERRORS_LIMIT = 50  # in one connection
DATA_LINE_LIMIT = 256 * 1024  # bytes; over the 1,000 of the RFC, as clients send a whole paragraph as one line
LARGE = 256 * 1024  # bytes from which a message is read in a thread

_PATH = re.compile(r"\s*(?:<(?:@[^:>]*:)?([^<>]*)>|([^\s<>]+))(?:\s+(.*))?")


class SmtpSession:
    """One client that sends.

    Args:
        wire: The connection.
        office: Where mail goes.
        accounts: Who may send.
        request: `async with request():` around what touches the world.
        host: What the server calls itself.
        submission: Whether this is the port for clients of this mail system, who must log in where there are passwords.
        tls: For STARTTLS, where there is a certificate.
    """

    def __init__(
        self,
        wire: Wire,
        office: PostOffice,
        accounts: MailAccounts,
        request: Callable[[], AbstractAsyncContextManager[None]],
        *,
        host: str,
        submission: bool,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._wire = wire
        self._office = office
        self._accounts = accounts
        self._request = request
        self._host = host
        self._submission = submission
        self._tls = tls
        self._greeted = False
        self._user = accounts.present
        self._logged_in = False
        self._errors = 0
        self._clear()

    async def run(self) -> None:
        """Serve the connection to its end.

        Raises:
            EOFError: The other end left, or fell silent.
            TerrariumError: The world could not take a mail; the client has been told to try again later.
        """
        await self._say(f"220 {self._host} ESMTP")
        while True:
            try:
                line = await self._wire.line()
                word, _, rest = line.decode("utf-8", "surrogateescape").partition(" ")
                reply = await self._do(word.upper(), rest.strip())
            except LineTooLong:
                reply = "500 5.5.2 Line too long"
            if reply is None:
                continue
            self._errors += reply[0] in "45"
            await self._say(reply)
            if reply.startswith("221"):
                return
            if self._errors >= ERRORS_LIMIT:
                await self._say("421 4.7.0 Too many errors, goodbye")
                return

    async def _do(self, word: str, rest: str) -> str | None:
        match word:
            case "HELO" | "EHLO":
                return self._hello(word, rest)
            case "MAIL":
                return self._mail(rest)
            case "RCPT":
                return await self._rcpt(rest)
            case "DATA":
                return await self._data(rest)
            case "AUTH":
                return await self._auth(rest)
            case "STARTTLS":
                return await self._starttls(rest)
            case "RSET":
                self._clear()
                return "250 2.0.0 OK"
            case "NOOP":
                return "250 2.0.0 OK"
            case "QUIT":
                return "221 2.0.0 Bye"
            case "VRFY":
                return "252 2.0.0 Send to it and see"
            case "HELP":
                return "214 2.0.0 HELO EHLO MAIL RCPT DATA AUTH STARTTLS RSET NOOP VRFY HELP QUIT"
            case _:
                return "500 5.5.1 There is no such command"

    # -- greeting, encryption, identity ---------------------------------------------------------------------------

    def _hello(self, word: str, rest: str) -> str:
        if not rest:
            return f"501 5.5.4 Say who you are: {word} name"
        self._greeted = True
        self._clear()
        if word == "HELO":
            return f"250 {self._host}"
        offers = [self._host, f"SIZE {SIZE_LIMIT}", "8BITMIME", "SMTPUTF8", "PIPELINING", "AUTH PLAIN LOGIN", "HELP"]
        if self._tls is not None and not self._wire.secure:
            offers.insert(-1, "STARTTLS")
        return "\r\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])

    async def _starttls(self, rest: str) -> str | None:
        if rest:
            return "501 5.5.4 STARTTLS has no argument"
        if self._tls is None or self._wire.secure:
            return "454 4.7.0 There is no TLS here"
        await self._say("220 2.0.0 Ready")
        await self._wire.start_tls(self._tls)
        self._greeted, self._logged_in, self._user = False, False, self._accounts.present
        self._clear()
        return None

    async def _auth(self, rest: str) -> str:
        kind, _, first = rest.partition(" ")
        if not self._greeted:
            return "503 5.5.1 Say EHLO first"
        if self._logged_in or self._sender is not None:
            return "503 5.5.1 Not now"
        try:
            match kind.upper():
                case "PLAIN":
                    data = _decoded(first) if first else await self._ask("")
                    _, user, password = data.split("\0")
                case "LOGIN":
                    user = _decoded(first) if first else await self._ask("Username:")
                    password = await self._ask("Password:")
                case _:
                    return "504 5.5.4 There are PLAIN and LOGIN"
            self._user = self._accounts.login(user, password)
            self._logged_in = True
        except Refused:  # which is a ValueError, too
            return "535 5.7.8 There is no account of that name and password"
        except (binascii.Error, ValueError, LineTooLong):
            return "501 5.5.2 That cannot be read"
        return "235 2.7.0 Welcome"

    async def _ask(self, question: str) -> str:
        await self._say(f"334 {base64.b64encode(question.encode()).decode()}")
        answer = await self._wire.line()
        if answer.strip() == b"*":
            raise ValueError("the client gave up")
        return _decoded(answer.decode("ascii"))

    # -- a mail ---------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._sender: Address | str | None = None
        self._recipients: list[Address] = []

    def _mail(self, rest: str) -> str:
        if not self._greeted:
            return "503 5.5.1 Say HELO first"
        if self._sender is not None:
            return "503 5.5.1 One mail at a time"
        found = _PATH.fullmatch(rest[5:]) if rest[:5].upper() == "FROM:" else None
        if found is None:
            return "501 5.5.4 Write MAIL FROM:<address>"
        for option in (found[3] or "").upper().split():
            name, _, value = option.partition("=")
            if name == "SIZE" and value.isascii() and value.isdigit():
                if len(value) > 12 or int(value) > SIZE_LIMIT:
                    return f"552 5.3.4 The limit is {SIZE_LIMIT} bytes"
            elif option not in ("BODY=7BIT", "BODY=8BITMIME", "SMTPUTF8") and name != "AUTH":
                return "555 5.5.4 There is no such option"
        if found[1] == "":
            sender: Address | str = ""
        else:
            try:
                sender = _address(found[1] or found[2])
            except Refused:
                return "553 5.1.7 That is not a mail address"
        refusal = self._sending(sender)
        if refusal is None:
            self._sender = sender
        return refusal or "250 2.1.0 OK"

    def _sending(self, sender: Address | str) -> str | None:
        """Why this client may not send from this address, where there are passwords."""
        if not self._accounts.confined:
            return None
        key = sender.key if isinstance(sender, Address) else ""
        if self._user is not None:
            return None if key == self._user else f"553 5.7.1 You may send as {self._user} only"
        if self._submission or self._accounts.own is not None or self._accounts.held(key):
            return "530 5.7.0 Authentication required"
        return None

    async def _rcpt(self, rest: str) -> str:
        if self._sender is None:
            return "503 5.5.1 Say MAIL first"
        found = _PATH.fullmatch(rest[3:]) if rest[:3].upper() == "TO:" else None
        if found is None:
            return "501 5.5.4 Write RCPT TO:<address>"
        if found[3]:
            return "555 5.5.4 There is no such option"
        if len(self._recipients) >= RECIPIENTS_LIMIT:
            return f"452 4.5.3 A mail has at most {RECIPIENTS_LIMIT} recipients"
        try:
            recipient = _address(found[1] or found[2] or "")
        except Refused:
            return "553 5.1.3 That is not a mail address"
        if self._accounts.confined and self._user is None and not self._accounts.held(recipient.key):
            async with self._request():
                if not self._office.mailboxes.exists(recipient.key):
                    return "550 5.1.1 There is no such mailbox here"
        self._recipients.append(recipient)
        return "250 2.1.5 OK"

    async def _data(self, rest: str) -> str:
        if rest:
            return "501 5.5.4 DATA has no argument"
        if self._sender is None or not self._recipients:
            return "503 5.5.1 Say MAIL and RCPT first"
        await self._say("354 End with a dot on a line of its own")
        sender, recipients = self._sender, self._recipients
        self._clear()
        try:
            raw = await self._wire.message(SIZE_LIMIT)
            return await self._deliver(sender, recipients, raw)
        except TooLarge:
            return f"552 5.3.4 The limit is {SIZE_LIMIT} bytes"
        except NoRoom:
            return "452 4.3.1 Too much mail at once; try again"
        finally:
            self._wire.release()

    async def _deliver(self, sender: Address | str, recipients: list[Address], raw: bytes) -> str:
        read = self._read(raw) if len(raw) < LARGE else await asyncio.to_thread(self._read, raw)
        if isinstance(read, str):
            return read
        submitted = self._user is not None or not self._accounts.confined
        try:
            async with self._request():
                posted = self._office.receive(
                    sender if isinstance(sender, Address) else None,
                    recipients,
                    raw,
                    submitted=submitted,
                    message=read,
                )
        except Refused as error:
            status = "552 5.2.2" if error.code == "OVERQUOTA" else "554 5.6.0"
            return f"{status} {' '.join(str(error).split())[:400]}"
        except Exception:
            await self._say("451 4.3.0 The mail could not be taken")
            raise
        return f"250 2.0.0 OK {posted.message_id}"

    def _read(self, raw: bytes) -> Message | str:
        """A mail, or why it is not taken. Touches nothing but its argument: it may run in a thread."""
        return _badly_formed(raw) or self._forged(raw) or parse(raw)

    def _forged(self, raw: bytes) -> str | None:
        """Why a mail may not say it is from whom it says, where there are passwords."""
        if not self._accounts.confined:
            return None
        for name, value in part_of(raw).fields:
            if name.lower() in ("from", "sender"):
                for author in addresses(value)[1]:
                    if author.key != self._user and (self._user is not None or self._accounts.held(author.key)):
                        return f"550 5.7.1 You may not send as {author.spec}"
        return None

    async def _say(self, text: str) -> None:
        await self._wire.send(text.encode("utf-8", "replace") + b"\r\n")


def _address(text: str) -> Address:
    if not text or text.startswith('"'):
        raise Refused("no address")
    return Address("", parse_address(text).spec)


def _decoded(text: str) -> str:
    return "" if text == "=" else base64.b64decode(text.strip(), validate=True).decode("utf-8", "replace")


def _badly_formed(raw: bytes) -> str | None:
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        return "550 5.6.11 A line may end with CRLF only"
    at = 0
    while len(raw) - at > DATA_LINE_LIMIT:
        end = raw.rfind(b"\n", at, at + DATA_LINE_LIMIT)
        if end < 0:
            return "500 5.6.0 A line is too long"
        at = end + 1
    return None
