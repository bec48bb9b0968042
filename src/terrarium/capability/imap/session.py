"""A session: who has logged in, what is selected, and what the client may be told of it (RFC 3501, 3)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from terrarium.capability.imap.reading import Readings
from terrarium.capability.imap.scanner import BadCommand
from terrarium.capability.imap.view import View, Watch
from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.post_office import PostOffice
from terrarium.core.errors import Refused

CAPABILITIES = (
    "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN CHILDREN ENABLE ESEARCH ID IDLE MOVE NAMESPACE SORT SORT=DISPLAY "
    "SPECIAL-USE STATUS=SIZE THREAD=ORDEREDSUBJECT THREAD=REFERENCES UIDPLUS UNSELECT WITHIN"
)
LOGINS_LIMIT = 10  # that fail, of one connection

Send = Callable[[Sequence[bytes]], Awaitable[None]]
"""Sends pieces of bytes, and waits while the client does not take them."""


@dataclass(frozen=True)
class Answer:
    """How a command went: responses without line ends, and what the last one says."""

    lines: Sequence[bytes] = ()
    text: str = "done"
    code: str = ""
    status: str = "OK"


@dataclass
class Desk:
    """What the sessions of one server share."""

    office: PostOffice
    accounts: MailAccounts
    readings: Readings
    watch: Watch
    can_encrypt: bool = False


@dataclass
class Session:
    """One client.

    Attributes:
        desk: The server.
        request: `async with request():` around what touches the world.
        send: Sends to the client.
        slots: Whoever has one may be sent a large message; its caller's other connections wait for theirs.
        address: Whose mailbox it uses; nothing before it has logged in.
        view: Of the mailbox that is selected.
    """

    desk: Desk
    request: Callable[[], AbstractAsyncContextManager[None]]
    send: Send
    slots: asyncio.Semaphore
    address: str = ""
    view: View | None = None
    secure: bool = False
    ended: bool = False
    failures: int = field(default=0)

    @property
    def capabilities(self) -> str:
        """What the server can do, as it says it."""
        return CAPABILITIES + (" STARTTLS" if self.desk.can_encrypt and not self.secure else "")

    @property
    def selected(self) -> View:
        """The view of the selected mailbox.

        Raises:
            Refused: It has been deleted or renamed.
        """
        assert self.view is not None
        if self.view.lost:
            raise Refused("the selected mailbox is gone; select another one", code="NONEXISTENT")
        return self.view

    def close(self) -> None:
        """Leave the selected mailbox; idempotent."""
        if self.view is not None:
            self.desk.watch.remove(self.view)
            self.view = None

    async def respond(self, tag: str, status: str, text: str, code: str = "", lines: Sequence[bytes] = ()) -> None:
        """Send responses and the last one of a command."""
        last = f"{tag} {status} {f'[{code}] ' if code else ''}{plain(text)}"
        await self.send([piece for line in (*lines, last.encode("ascii")) for piece in (line, b"\r\n")])

    def news(self, *, expunge: bool = True) -> list[bytes]:
        """What has changed in the selected mailbox and may be told."""
        view = self.view
        return [] if view is None else view.tell(expunge=expunge, claim=lambda uid: self.desk.watch.claim(view, uid))

    async def login(self, user: bytes, password: bytes) -> Answer:
        """Log in.

        Raises:
            Refused: There is no such account.
        """
        try:
            async with self.request():
                address = self.desk.accounts.login(user.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
                self.desk.office.mailboxes.ensure(address)
        except Refused as error:
            self.failures += 1
            self.ended = self.failures >= LOGINS_LIMIT
            raise Refused(str(error), code="AUTHENTICATIONFAILED") from None
        self.address = address
        return Answer(text="welcome", code=f"CAPABILITY {self.capabilities}")

    async def login_plain(self, answer: bytes) -> Answer:
        """Log in with an answer to AUTHENTICATE PLAIN (RFC 4616).

        Raises:
            BadCommand: It cannot be read, or the client gave up.
            Refused: There is no such account, or it is to act for somebody else.
        """
        try:
            who, user, password = base64.b64decode(b"" if answer == b"=" else answer, validate=True).split(b"\0")
        except (binascii.Error, ValueError):
            raise BadCommand("that is no answer to AUTHENTICATE PLAIN") from None
        if who not in (b"", user):
            raise Refused("nobody may act for somebody else", code="AUTHORIZATIONFAILED")
        return await self.login(user, password)


def plain(text: str) -> str:
    """A text as it may stand in a response: one line of ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:1000] or "done"
