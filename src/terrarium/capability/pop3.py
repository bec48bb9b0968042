"""POP3: how mail clients fetch their INBOX.

One `Pop3Session` is one connection. It shows the INBOX as it was at login; what is deleted goes at QUIT. Several
sessions of one mailbox may be open. Sources: RFC 1939, 2449 (CAPA), 2595 (STLS), 6856 (UTF8).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.mail_wire import LineTooLong, Wire
from terrarium.capability.mailbox import Copy
from terrarium.capability.post_office import PostOffice
from terrarium.core.errors import Refused

ERRORS_LIMIT = 50  # in one connection

_BARE = re.compile(rb"(?<!\r)\n")


class Pop3Session:
    """One client that fetches.

    Args:
        wire: The connection.
        office: Where mail is.
        accounts: Who may fetch.
        request: `async with request():` around what touches the world.
        host: What the server calls itself.
        tls: For STLS, where there is a certificate.
    """

    def __init__(
        self,
        wire: Wire,
        office: PostOffice,
        accounts: MailAccounts,
        request: Callable[[], AbstractAsyncContextManager[None]],
        *,
        host: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._wire = wire
        self._office = office
        self._accounts = accounts
        self._request = request
        self._host = host
        self._tls = tls
        self._name: str | None = None
        self._user: str | None = None
        self._copies: list[Copy] = []
        self._sizes: list[int] = []
        self._validity = 0
        self._deleted: set[int] = set()

    async def run(self) -> None:
        """Serve the connection to its end.

        Raises:
            EOFError: The other end left, or fell silent; nothing is deleted then.
        """
        errors = 0
        await self._wire.send(f"+OK {self._host} POP3\r\n".encode())
        while errors < ERRORS_LIMIT:
            try:
                word, _, rest = (await self._wire.line()).decode("utf-8", "replace").partition(" ")
                reply = await self._do(word.upper(), rest)
            except LineTooLong:
                word, reply = "", b"-ERR line too long\r\n"
            errors += reply.startswith(b"-ERR")
            await self._wire.send(reply)
            if word.upper() == "QUIT":
                return

    async def _do(self, word: str, rest: str) -> bytes:
        match word:
            case "QUIT":
                return await self._quit()
            case "CAPA":
                offers = ["USER", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "UTF8"]
                offers += ["STLS"] if self._tls is not None and not self._wire.secure else []
                return _lines("what there is", offers)
            case "UTF8":
                return b"+OK\r\n"
        if self._user is None:
            return await self._before(word, rest)
        numbers = rest.split()
        match word:
            case "STAT":
                kept = list(self._kept())
                return f"+OK {len(kept)} {sum(self._sizes[n - 1] for n in kept)}\r\n".encode()
            case "LIST" | "UIDL":
                return self._list(word, numbers)
            case "RETR":
                return await self._retrieve(numbers, None)
            case "TOP":
                if len(numbers) != 2 or not _is_number(numbers[1]):
                    return b"-ERR TOP needs two numbers\r\n"
                return await self._retrieve(numbers[:1], int(numbers[1]))
            case "DELE":
                number = self._number(numbers)
                if number is None:
                    return b"-ERR there is no such mail\r\n"
                self._deleted.add(number)
                return b"+OK it goes at QUIT\r\n"
            case "RSET":
                self._deleted.clear()
                return b"+OK\r\n"
            case "NOOP":
                return b"+OK\r\n"
            case _:
                return b"-ERR there is no such command\r\n"

    # -- before login ---------------------------------------------------------------------------------------------

    async def _before(self, word: str, rest: str) -> bytes:
        match word:
            case "USER" if rest:
                self._name = rest.strip()
                return b"+OK and the password?\r\n"
            case "PASS" if self._name is not None:
                return await self._login(self._name, rest)
            case "STLS" if self._tls is not None and not self._wire.secure:
                await self._wire.send(b"+OK\r\n")
                await self._wire.start_tls(self._tls)
                self._name = None
                return b""
            case _:
                return b"-ERR log in first, with USER and PASS\r\n"

    async def _login(self, name: str, password: str) -> bytes:
        self._name = None
        try:
            user = self._accounts.login(name, password)
        except Refused:
            return b"-ERR [AUTH] there is no account of that name and password\r\n"
        async with self._request():
            self._copies = list(self._office.mailboxes.copies(user, "INBOX"))
            self._sizes = [self._office.size(copy) for copy in self._copies]
            if self._copies:
                self._validity = self._office.mailboxes.state(user, "INBOX").uidvalidity
        self._user = user
        return f"+OK {len(self._copies)} mails\r\n".encode()

    # -- after login ----------------------------------------------------------------------------------------------

    def _kept(self) -> Iterator[int]:
        return (number for number in range(1, len(self._copies) + 1) if number not in self._deleted)

    def _number(self, numbers: list[str]) -> int | None:
        if len(numbers) != 1 or not _is_number(numbers[0]):
            return None
        number = int(numbers[0])
        return number if 0 < number <= len(self._copies) and number not in self._deleted else None

    def _told(self, word: str, number: int) -> str:
        if word == "LIST":
            return f"{number} {self._sizes[number - 1]}"
        return f"{number} {self._validity}-{self._copies[number - 1].uid}"

    def _list(self, word: str, numbers: list[str]) -> bytes:
        if not numbers:
            return _lines("here they are", [self._told(word, number) for number in self._kept()])
        number = self._number(numbers)
        return b"-ERR there is no such mail\r\n" if number is None else f"+OK {self._told(word, number)}\r\n".encode()

    async def _retrieve(self, numbers: list[str], lines: int | None) -> bytes:
        number = self._number(numbers)
        if number is None:
            return b"-ERR there is no such mail\r\n"
        async with self._request():
            raw = self._office.raw(self._copies[number - 1])
        raw = _BARE.sub(b"\r\n", raw) if raw.count(b"\n") != raw.count(b"\r\n") else raw
        if lines is not None:
            head, blank, body = raw.partition(b"\r\n\r\n")
            raw = head + blank + b"\r\n".join(body.split(b"\r\n", lines)[:lines])
        if not raw.endswith(b"\r\n"):
            raw += b"\r\n"
        return b"+OK\r\n" + (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"

    async def _quit(self) -> bytes:
        if self._deleted:
            async with self._request():
                for number in sorted(self._deleted):
                    copy = self._copies[number - 1]
                    if self._office.mailboxes.get(copy.address, copy.folder, copy.uid) is not None:
                        self._office.mailboxes.remove(copy)
        return b"+OK bye\r\n"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _lines(title: str, lines: list[str]) -> bytes:
    return "\r\n".join([f"+OK {title}", *lines, ".", ""]).encode()
