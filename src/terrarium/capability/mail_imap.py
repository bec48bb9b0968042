"""A client of somebody else's IMAP server: one mailbox, its folders, and what is fetched from them."""

from __future__ import annotations

import contextlib
import imaplib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from terrarium.capability.mail_login import TIMEOUT, Login, MailServer
from terrarium.capability.mailbox import ordered
from terrarium.core.errors import CapabilityFault

_LIST = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?P<delimiter>(?:\\.|[^"\\])*)"|NIL) (?P<name>.+)', re.DOTALL)
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'INTERNALDATE "[^"]{1,60}"')
T = TypeVar("T")


class Imap:
    """One mailbox on the server, and the folder that is open.

    Args:
        server: Where.
        login: Whose.
    """

    def __init__(self, server: MailServer, login: Login) -> None:
        self._server, self._login = server, login
        self._client: imaplib.IMAP4 | None = None
        self._names: dict[str, bytes] = {}

    def close(self) -> None:
        """Log out; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                client.logout()

    def do(self, work: Callable[[imaplib.IMAP4], T]) -> T:
        """Talk to the server; a connection that has gone is made anew, once.

        Raises:
            CapabilityFault: It cannot be reached, does not let us in, or says no.
        """
        for last in (False, True):
            try:
                if self._client is None:
                    self._client = self._server.imap(self._login, TIMEOUT)
                return work(self._client)
            except (imaplib.IMAP4.abort, OSError) as error:
                self.close()
                if last:
                    raise CapabilityFault(f"IMAP of {self._login.address} at {self._server.imap_at}: {error}") from None
            except imaplib.IMAP4.error as error:
                raise CapabilityFault(f"IMAP of {self._login.address} at {self._server.imap_at}: {error}") from None
        raise AssertionError("unreachable")

    def folders(self) -> list[str]:
        """The names of the folders, `/` for folders in folders, those with a special use under our names for them."""
        self._names = {}
        for line in self.do(lambda client: ok(client.list())):
            known = _LIST.fullmatch(b" ".join(line) if isinstance(line, tuple) else line or b"")
            if known is None or b"\\noselect" in known["flags"].lower():
                continue
            raw = _unquoted(known["name"]) if not isinstance(line, tuple) else line[1]
            self._names[_our_name(raw, known["flags"], known["delimiter"] or b"/")] = raw
        return sorted(self._names)

    def wire_name(self, folder: str) -> str:
        """A folder's name as the server wants it, in quotes."""
        from terrarium.capability.imap.mailbox_name import encode_name

        raw = self._names.get(folder) or encode_name(folder)
        return '"' + raw.decode("ascii", "replace").replace("\\", "\\\\").replace('"', '\\"') + '"'

    def opened(self, folder: str, *, write: bool = False) -> tuple[imaplib.IMAP4, int] | None:
        """The client with that folder open, and its UIDVALIDITY; None where there is no such folder."""

        def select(client: imaplib.IMAP4) -> tuple[imaplib.IMAP4, int] | None:
            status, _ = client.select(self.wire_name(folder), readonly=not write)
            if status != "OK":
                return None
            told = client.response("UIDVALIDITY")[1][-1]
            return client, int(told or 0)

        return self.do(select)

    def make(self, folder: str) -> None:
        """Make a folder."""
        self.do(lambda client: ok(client.create(self.wire_name(folder))))

    def append(self, folder: str, raw: bytes, flags: Sequence[str], received: datetime | None) -> None:
        """Put a message into a folder, which is made where it is not there."""
        if folder not in self.folders():
            self.make(folder)
        moment = None if received is None else imaplib.Time2Internaldate(received)
        named = f"({' '.join(flags)})"
        self.do(lambda client: ok(client.append(self.wire_name(folder), named, moment, raw)))


def ok(answer: tuple[str, list[Any]]) -> list[Any]:
    """What the server has answered.

    Raises:
        imaplib.IMAP4.error: It said no.
    """
    status, found = answer
    if status != "OK":
        raise imaplib.IMAP4.error(
            b" ".join(part for part in found if isinstance(part, bytes)).decode("utf-8", "replace")
        )
    return found


def flags_of(client: imaplib.IMAP4) -> dict[int, tuple[str, ...]]:
    """UIDs and flags of everything in the open folder."""
    found: dict[int, tuple[str, ...]] = {}
    for line in ok(client.uid("FETCH", "1:*", "(UID FLAGS)")):
        uid, flags = _UID.search(line or b""), _FLAGS.search(line or b"")
        if uid and flags:
            words = flags[1].decode("ascii", "replace").split()
            found[int(uid[1])] = ordered(word for word in words if word.lower() != "\\recent")
    return found


def fetched(client: imaplib.IMAP4, uids: Sequence[int]) -> list[tuple[int, bytes, datetime]]:
    """Number, bytes and time of arrival of these mails in the open folder; what is gone meanwhile is left out."""
    found = []
    lines = ok(client.uid("FETCH", ",".join(map(str, uids)), "(UID INTERNALDATE BODY.PEEK[])"))
    for place, line in enumerate(lines):
        if not isinstance(line, tuple):
            continue
        behind = lines[place + 1] if place + 1 < len(lines) and isinstance(lines[place + 1], bytes) else b""
        told = line[0] + b" " + behind
        uid, moment = _UID.search(told), _DATE.search(told)
        if uid:
            parsed = imaplib.Internaldate2tuple(moment[0]) if moment else None
            received = datetime.fromtimestamp(time.mktime(parsed), UTC) if parsed else datetime.now(UTC)
            found.append((int(uid[1]), line[1], received))
    return found


_USES: Mapping[bytes, str] = {
    b"\\sent": "Sent",
    b"\\trash": "Trash",
    b"\\drafts": "Drafts",
    b"\\junk": "Junk",
    b"\\archive": "Archive",
}


def _our_name(raw: bytes, flags: bytes, delimiter: bytes) -> str:
    from terrarium.capability.imap.mailbox_name import decode_name

    for flag in flags.lower().split():
        if flag in _USES:
            return _USES[flag]
    if raw.upper() == b"INBOX":
        return "INBOX"
    return decode_name(raw).replace(_unquoted(delimiter).decode("ascii", "replace"), "/")


def _unquoted(word: bytes) -> bytes:
    if word[:1] == b'"' and word[-1:] == b'"':
        word = word[1:-1]
    return re.sub(rb"\\(.)", rb"\1", word)
