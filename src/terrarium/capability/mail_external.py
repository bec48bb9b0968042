"""`email` on somebody else's server: mailboxes over IMAP, mail handed in over SMTP, the same face and tools before it.

What the server holds is mirrored in rows, brought up to date before each look: mails are fetched once, flags and UIDs
each time. Every write goes to the server first. The mirror is nobody's state: it is thrown away with the world.
"""

from __future__ import annotations

import hashlib
import imaplib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from terrarium.capability.letter import Letter, answering, fields_of, id_domain
from terrarium.capability.mail_imap import Imap, fetched, flags_of, ok
from terrarium.capability.mail_login import TIMEOUT, MailServer
from terrarium.capability.mailbox import STANDARD, Copy, FolderState, Mailboxes, folder_key, id_of, ordered
from terrarium.capability.mime import parse, render
from terrarium.capability.post_office import Posted, PostOffice
from terrarium.core.aside import aside
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault, NotFound, Refused
from terrarium.core.rows import Row, Rows
from terrarium.core.tool import Tool
from terrarium.core.values import Value

_ARRIVAL = 10.0  # seconds that a mail to a mailbox of ours may take to arrive
_BATCH = 50  # mails fetched at once
_ELSEWHERE = "elsewhere"  # who brought what we did not send


class ExternalMailboxes(Mailboxes):
    """Mailboxes of a server, by the addresses for which there is a login.

    Args:
        site: Where the world is.
        store: The mirror.
        server: Where they are.
        write: Puts a message into the mirror and gives its key.
    """

    def __init__(self, site: Site, store: Rows, server: MailServer, write: Callable[[bytes], str]) -> None:
        super().__init__(site, store)
        self._imaps = {address: Imap(server, login) for address, login in sorted(server.logins.items())}
        self._put_in = write
        self._came: dict[str, set[str]] = {address: set() for address in self._imaps}

    def close(self) -> None:
        """Log out everywhere."""
        for imap in self._imaps.values():
            imap.close()

    def imap(self, address: str) -> Imap:
        """The connection for an address.

        Raises:
            NotFound: There is no login for it.
        """
        try:
            return self._imaps[address]
        except KeyError:
            held = ", ".join(self._imaps)
            raise NotFound(f"there is no login for {address}; the mailboxes of this backend are: {held}") from None

    def addresses(self) -> list[str]:
        """The addresses with a login, sorted."""
        return sorted(self._imaps)

    def exists(self, address: str) -> bool:
        """Whether there is a login for it."""
        return address in self._imaps

    def ensure(self, address: str, name: str | None = None) -> None:
        """Name the owner of a mailbox; none can be made."""
        self.imap(address)
        super().ensure(address, name)

    def folders(self, address: str) -> list[str]:
        """The folders that the server has, and those that every mailbox has: made at their first mail."""
        self._update_folders(address)
        return super().folders(address)

    def create_folder(self, address: str, name: str) -> str:
        """Make a folder on the server."""
        made = super().create_folder(address, name)  # checks the name, too
        self.imap(address).make(made)
        return made

    def copies(self, address: str, folder: str | None = None) -> Iterator[Copy]:
        """The copies in one folder, or in all, as the server has them now."""
        if address not in self._imaps:
            return iter(())
        for name in self.folders(address) if folder is None else (folder,):
            self.update(address, name)
        return super().copies(address, folder)

    def count(self, address: str, folder: str) -> int:
        """How many a folder holds now."""
        return sum(1 for _ in self.copies(address, folder))

    def get(self, address: str, folder: str, uid: int) -> Copy | None:
        """One copy, as it is now."""
        self.update(address, folder)
        return super().get(address, folder, uid)

    def lost(self, address: str) -> list[str]:
        """The ids of what has been seen in the INBOX of `address` and is in no folder any more, sorted."""
        kept = {copy.message_id for copy in self.copies(address)}
        return sorted({id_of(key) for key in self._came.get(address, ())} - kept)

    def flag(self, copy: Copy, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Copy:
        """Set and clear flags on the server."""
        for sign, flags in (("+FLAGS.SILENT", add), ("-FLAGS.SILENT", remove)):
            if flags:
                self._store_flags(copy, sign, flags)
        self.update(copy.address, copy.folder)
        found = super().get(copy.address, copy.folder, copy.uid)
        if found is None:
            raise NotFound(f"{copy.address} has no mail {copy.id} (any more)")
        return found

    def move(self, copy: Copy, folder: str) -> Copy:
        """Move a mail on the server; where it cannot MOVE, by copying and removing."""
        if folder == copy.folder:
            return copy
        imap = self.imap(copy.address)
        if folder not in imap.folders():
            imap.make(folder)
        client = self._open(copy)
        name, uid = imap.wire_name(folder), str(copy.uid)
        if "MOVE" in client.capabilities:
            imap.do(lambda client: ok(client.uid("MOVE", uid, name)))
        else:
            imap.do(lambda client: ok(client.uid("COPY", uid, name)))
            self.remove(copy)
        self.update(copy.address, copy.folder)
        moved = [found for found in self.copies(copy.address, folder) if found.message_id == copy.message_id]
        if not moved:
            raise CapabilityFault(f"the server has moved {copy.id}, and does not show it in {folder}")
        return moved[-1]

    def remove(self, copy: Copy) -> None:
        """Take a mail out of its mailbox for good."""
        self._store_flags(copy, "+FLAGS.SILENT", ["\\Deleted"])
        imap = self.imap(copy.address)
        if "UIDPLUS" in self._open(copy).capabilities:
            imap.do(lambda client: ok(client.uid("EXPUNGE", str(copy.uid))))
        else:
            imap.do(lambda client: ok(client.expunge()))
        self.update(copy.address, copy.folder)

    def _store_flags(self, copy: Copy, sign: str, flags: Sequence[str]) -> None:
        self._open(copy)
        named = f"({' '.join(ordered(flags))})"
        self.imap(copy.address).do(lambda client: ok(client.uid("STORE", str(copy.uid), sign, named)))

    def _open(self, copy: Copy) -> imaplib.IMAP4:
        found = self.imap(copy.address).opened(copy.folder, write=True)
        if found is None:
            raise NotFound(f"{copy.address} has no folder {copy.folder} (any more)")
        return found[0]

    # -- the mirror -----------------------------------------------------------------------------------------------

    def update(self, address: str, folder: str) -> None:
        """Bring the mirror of one folder up to date."""
        imap = self.imap(address)
        found = imap.opened(folder)
        prefix = f"{folder_key(address, folder)}/"
        known = {int(row.key[-10:]): row for row in self._store.table("copy", prefix)}
        row = self._store.get("mailbox", address)
        if found is None:
            there: dict[int, tuple[str, ...]] = {}
        else:
            validity = found[1]
            if row is None or row["folders"].get(folder, {}).get("uidvalidity") != validity:
                for old in known.values():
                    self._store.delete(_ELSEWHERE, "copy", old.key)
                known = {}
                folders = {**(row["folders"] if row else {}), folder: {"uidvalidity": validity, "uidnext": 1}}
                self._write(address, row, folders=folders)
            there = imap.do(flags_of)
        for uid in sorted(known.keys() - there.keys()):
            self._store.delete(_ELSEWHERE, "copy", known[uid].key)
        for uid in sorted(known.keys() & there.keys()):
            if tuple(known[uid].fields["flags"]) != there[uid]:
                fields = {**known[uid].fields, "flags": list(there[uid])}
                self._store.change(_ELSEWHERE, "copy", known[uid].key, known[uid].fields, fields)
        new = sorted(there.keys() - known.keys())
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            for uid, raw, received in imap.do(partial(fetched, uids=batch)):
                message = self._put_in(raw)
                fields = {"message": message, "flags": list(there[uid]), "received": received}
                self._store.insert(_ELSEWHERE, "copy", f"{prefix}{uid:010d}", fields)
                if folder == "INBOX":
                    self._came[address].add(message)

    def _update_folders(self, address: str) -> None:
        there = self.imap(address).folders()
        row = self._store.get("mailbox", address)
        known = dict(row["folders"]) if row else {}
        for name in known.keys() - set(there) - {*STANDARD}:
            for old in list(self._store.table("copy", f"{folder_key(address, name)}/")):
                self._store.delete(_ELSEWHERE, "copy", old.key)
        state = FolderState(0, 1)
        folders = {name: known.get(name) or {"uidvalidity": state.uidvalidity, "uidnext": 1} for name in there}
        if folders != known or row is None:
            self._write(address, row, uidvalidity=0, folders=folders)


class ExternalOffice(PostOffice):
    """The mail of a server that is not ours.

    Args:
        site: Where the world is.
        server: Where the mail is.
    """

    def __init__(self, site: Site, server: MailServer) -> None:
        self._by: dict[str, str] = {}
        self._author = _ELSEWHERE
        store = Rows(site.folder / "mirror", keep=False)
        super().__init__(replace(site, actor=lambda: self._author), store)
        self.quota.limit = 2**62  # the server has its own
        self._world, self._server = site, server
        self.external = self.mailboxes = ExternalMailboxes(self.site, store, server, self._mirrored)

    async def open(self) -> None:
        """Nothing is asked of the server before the first look."""

    async def close(self) -> None:
        """Log out."""
        await aside(self.external.close)

    @property
    def connection_info(self) -> dict[str, Value]:
        """Where the server is."""
        return self._server.connection_info

    def rows(self) -> Iterator[Row]:
        """What all the mailboxes hold now."""
        for address in self.external.addresses():
            for _ in self.external.copies(address):
                pass
        return self.store.all()

    def post(self, letter: Letter) -> Posted:
        """Hand a letter in for its sender; where we have no login for it, put it into the INBOX of each recipient.

        Raises:
            Refused: Neither is possible, as there are no logins; or the server does not take it.
            CapabilityFault: The server cannot be reached.
        """
        id, references = f"<{uuid.uuid4().hex}@{id_domain(letter.sender)}>", letter.references
        if letter.in_reply_to is not None:
            references = answering(letter.in_reply_to, self.store.get("message", letter.in_reply_to))
        actor, now, blobs = self._world.actor(), self._world.clock.now, self.store.blobs
        fields = fields_of(letter, blobs, number=0, by=actor, now=now, references=references)
        recipients, sender = fields["recipients"], letter.sender.key
        held = [key for key in recipients if self.external.exists(key)]
        self._by[id] = actor
        if not self.external.exists(sender):
            if held != recipients:
                others = ", ".join(sorted(set(recipients) - set(held)))
                raise Refused(f"there is no login for {sender} on this backend, and none for {others}")
            for key in held:
                self.external.imap(key).append("INBOX", render(id, fields, blobs), (), now)
            return Posted(id, None, recipients)
        self._server.submit(self._server.logins[sender], recipients, render(id, fields, blobs), TIMEOUT)
        self.external.imap(sender).append("Sent", render(id, fields, blobs, bcc=True), ("\\Seen",), now)
        end = time.monotonic() + _ARRIVAL
        for key in held:
            while not self._has(key, "INBOX", id) and time.monotonic() < end:
                time.sleep(0.05)
        return Posted(id, self._has(sender, "Sent", id), recipients)

    def threaded(self, tools: Iterable[Tool]) -> list[Tool]:
        """The tools, waiting for the server on a thread of their own."""

        def beside(function: Callable[..., Any]) -> Callable[..., Any]:
            async def run(**arguments: Any) -> Any:
                return await aside(partial(function, **arguments))

            return run

        return [replace(tool, function=beside(tool.function), signature=tool.function) for tool in tools]

    def _has(self, address: str, folder: str, id: str) -> Copy | None:
        return next((copy for copy in self.external.copies(address, folder) if copy.message_id == id), None)

    def _mirrored(self, raw: bytes) -> str:
        message = parse(raw)
        id = message.message_id or f"<{hashlib.sha256(raw).hexdigest()[:32]}@unknown.invalid>"
        self._author = self._by.get(id, _ELSEWHERE)
        recipients = list(dict.fromkeys([*message.addressed, *(address.key for address in message.blind)]))
        author = message.author.key if message.author is not None else ""
        return self._written(id, message, raw, author, recipients)
