"""Mailboxes: folders of copies of letters, with what IMAP needs to know of them.

Tables:

    mailbox   address                  name, uidvalidity, created (folders besides the standard ones, ever),
                                       folders: name -> uidvalidity, uidnext (at least this);
                                       subscribed (names, where somebody has changed which)
    copy      address/folder/uid       message (key of the letter), flags, received

A standard folder stands in `folders` once its last copy was removed. UIDs rise strictly in a folder and are never used
again: the next one follows the last copy, or is the `uidnext` written down when the last copy went.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from terrarium.capability.address import header_text
from terrarium.core.baton import PROGRAM
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import Value

STANDARD = ("INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash")
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = SYSTEM = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
FOLDERS_LIMIT = 500  # of one mailbox, the standard ones not counted: each change of one writes them all
NAMES_LIMIT = 32 * 1024  # bytes of their names together
FLAGS_LIMIT = 100  # of one copy

_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,64}")  # the atoms of IMAP


@dataclass(frozen=True, slots=True)
class Copy:
    """A letter as it lies in one folder of one mailbox."""

    address: str
    folder: str
    uid: int
    message: str
    flags: tuple[str, ...]
    received: datetime

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{folder_key(self.address, self.folder)}/{self.uid:010d}"

    @property
    def id(self) -> str:
        """What an agent calls it: `INBOX/12`."""
        return f"{self.folder}/{self.uid}"

    @property
    def message_id(self) -> str:
        """The Message-ID of its letter, which another letter may have too."""
        return id_of(self.message)

    @property
    def unread(self) -> bool:
        """Nobody has read it."""
        return SEEN not in self.flags


@dataclass(frozen=True, slots=True)
class FolderState:
    """What IMAP announces when a folder is selected."""

    uidvalidity: int
    uidnext: int


class Mailboxes:
    """The mailboxes of one mail system.

    Args:
        site: Where it stands: clock, actor and random streams.
        store: The rows they are kept in.
    """

    def __init__(self, site: Site, store: Rows) -> None:
        self._site = site
        self._store = store

    def addresses(self) -> list[str]:
        """The addresses that have a mailbox, sorted."""
        return [row.key for row in self._store.table("mailbox")]

    def exists(self, address: str) -> bool:
        """Whether `address` has a mailbox."""
        return self._store.get("mailbox", address) is not None

    def name(self, address: str) -> str:
        """The name its owner goes by, or nothing."""
        row = self._store.get("mailbox", address)
        return "" if row is None else str(row["name"])

    def ensure(self, address: str, name: str | None = None) -> None:
        """Make the mailbox of `address` where there is none; name its owner where `name` is given."""
        row = self._store.get("mailbox", address)
        if row is None or name is not None:
            self._write(address, row, trace=name is None, name=name or "")

    # -- folders --------------------------------------------------------------------------------------------------

    def folders(self, address: str) -> list[str]:
        """The names of the folders of `address`: INBOX, the other standard ones, then its own, sorted."""
        row = self._store.get("mailbox", address)
        return [*STANDARD, *sorted(set(row["folders"] if row else ()).difference(STANDARD))]

    def folder(self, address: str, name: str) -> str:
        """The folder called `name`, in its own spelling; upper and lower case are the same.

        Raises:
            NotFound: There is none; the message lists what there is.
        """
        wanted = header_text("the name of a folder", name).strip()
        there = self.folders(address)
        for folder in there:
            if folder.lower() == wanted.lower():
                return folder
        raise NotFound(f"there is no folder {wanted[:80]!r}; the folders are: {', '.join(there)}")

    def create_folder(self, address: str, name: str) -> str:
        """Make a folder, and the mailbox where there is none; `/` in the name stands for folders in folders.

        Raises:
            Refused: The name is taken or cannot be one, or an agent has as many as it may have (code LIMIT).
        """
        wanted = _checked(header_text("the name of a folder", name).strip())
        if wanted.lower() in map(str.lower, self.folders(address)):
            raise Refused(f"there is a folder {wanted!r} already")
        row = self._store.get("mailbox", address) or self._fresh()
        created = row["created"] + 1
        state = FolderState(row["uidvalidity"] + created, 1)
        self._limited(folders := _with(row["folders"], wanted, state))
        self._write(address, row, created=created, folders=folders)
        return wanted

    def delete_folder(self, address: str, name: str) -> None:
        """Remove a folder with all that is in it; folders in it stay.

        Raises:
            NotFound: There is none.
            Refused: It is one that every mailbox has.
        """
        folder = self._own(address, name)
        for copy in list(self.copies(address, folder)):
            self.remove(copy)
        row = self._row(address)
        left = {name: state for name, state in row["folders"].items() if name != folder}
        self._write(address, row, folders=left)

    def rename_folder(self, address: str, name: str, to: str) -> None:
        """Give a folder, and the folders in it, another name; its mails keep their UIDs under a new UIDVALIDITY.

        The INBOX cannot go: all its mails move into a new folder called `to`.

        Raises:
            NotFound: There is no such folder, and none in one of that name.
            Refused: It is another one that every mailbox has, or `to` is taken or cannot be a name,
                or an agent has as many folders, or as long names, as it may have (code LIMIT).
        """
        if self._same(name, "INBOX"):
            target = self.create_folder(address, to)
            for copy in list(self.copies(address, "INBOX")):
                self.move(copy, target)
            return
        name, to = (header_text("the name of a folder", word).strip() for word in (name, to))
        within = [folder for folder in self.folders(address) if folder.lower().startswith(f"{name.lower()}/")]
        moving = [*([] if within and not self._has(address, name) else [self._own(address, name)]), *within]
        targets = [to + folder[len(name) :] for folder in moving]
        if name == to:
            raise Refused(f"the folder is called {to!r} already")
        taken = {folder.lower() for folder in self.folders(address)}.difference(map(str.lower, moving))
        for target in targets:
            if target.lower() in taken:
                raise Refused(f"there is a folder {target!r} already")
            _checked(target)
        mails = {folder: list(self.copies(address, folder)) for folder in moving}
        row = self._row(address)
        created, states = row["created"], dict(row["folders"])
        renamed = {}
        for folder, target in zip(moving, targets, strict=True):
            created += 1  # a name never shows an older UIDVALIDITY than it had before
            del states[folder]
            renamed[target] = FolderState(row["uidvalidity"] + created, self._state(address, row, folder).uidnext)
        self._limited([*states, *renamed])
        for copy in (copy for copies in mails.values() for copy in copies):
            self.remove(copy)
        for target, state in renamed.items():
            states = _with(states, target, state)
        self._write(address, row, created=created, folders=states)
        for folder, target in zip(moving, targets, strict=True):
            for copy in mails[folder]:
                self._insert(Copy(address, target, copy.uid, copy.message, copy.flags, copy.received))

    def subscribed(self, address: str) -> list[str]:
        """The names that mail programs show, sorted; they may be those of folders that are gone."""
        row = self._store.get("mailbox", address)
        return sorted(row.get("subscribed", STANDARD) if row else STANDARD)

    def subscribe(self, address: str, name: str, *, end: bool = False) -> None:
        """Add a name to those, or take it off; the mailbox is made where there is none.

        Raises:
            Refused: It cannot be the name of a folder, or an agent has as many as it may have (code LIMIT).
        """
        if not end:
            _checked(name)
        names = [known for known in self.subscribed(address) if not self._same(known, name)]
        if not end:
            self._limited(names := [*names, name])
        names = sorted(names)
        if names != self.subscribed(address):
            self._write(address, self._store.get("mailbox", address), subscribed=names)

    def state(self, address: str, folder: str) -> FolderState:
        """The UIDVALIDITY and next UID of a folder.

        Raises:
            NotFound: There is no such mailbox.
        """
        row = self._store.get("mailbox", address)
        if row is None:
            raise NotFound(f"{address} has no mailbox")
        return self._state(address, row, folder)

    # -- copies ---------------------------------------------------------------------------------------------------

    def copies(self, address: str, folder: str | None = None) -> Iterator[Copy]:
        """The copies in one folder in order of UID, or those in all folders, the INBOX first."""
        for name in self.folders(address) if folder is None else (folder,):
            for row in self._store.table("copy", f"{folder_key(address, name)}/"):
                fields = row.fields
                flags = tuple(fields["flags"])
                yield Copy(address, name, int(row.key[-10:]), fields["message"], flags, fields["received"])

    def lost(self, address: str) -> list[str]:
        """The ids of the letters that came to `address` and of which it has no copy any more, in order of posting."""
        kept = {copy.message for copy in self.copies(address)}
        letters = sorted(self._store.table("message"), key=lambda row: row.fields["number"])
        return [id_of(row.key) for row in letters if address in row.fields["recipients"] and row.key not in kept]

    def count(self, address: str, folder: str) -> int:
        """How many copies a folder holds."""
        return sum(1 for _ in self._store.table("copy", f"{address}/{_quote(folder)}/"))

    def get(self, address: str, folder: str, uid: int) -> Copy | None:
        """One copy, or None."""
        fields = self._store.get("copy", f"{folder_key(address, folder)}/{uid:010d}")
        if fields is None:
            return None
        return Copy(address, folder, uid, fields["message"], tuple(fields["flags"]), fields["received"])

    def put(
        self, address: str, folder: str, message: str, flags: Iterable[str] = (), received: datetime | None = None
    ) -> Copy:
        """Put a copy of a letter into a folder under its next UID; the mailbox is made where there is none."""
        self.ensure(address)
        state = self.state(address, folder)
        copy = Copy(address, folder, state.uidnext, message, ordered(flags), received or self._site.clock.now)
        self._insert(copy)
        return copy

    def flag(self, copy: Copy, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Copy:
        r"""Set and clear flags of a copy; nothing is written where nothing differs. `\Seen` alone is a trace.

        Raises:
            NotFound: The copy is gone.
            Refused: A flag cannot be one, or there are too many (code LIMIT).
        """
        flags = ordered(({*copy.flags} | {*map(flag_named, add)}) - {*map(flag_named, remove)})
        before = self._store.get("copy", copy.key)
        if before is None:
            raise NotFound(f"{copy.address} has no mail {copy.id} (any more)")
        if changed := {*before["flags"]} ^ {*flags}:
            after = {**before, "flags": list(flags)}
            self._store.change(self._site.actor(), "copy", copy.key, before, after, trace=changed == {SEEN})
        return Copy(copy.address, copy.folder, copy.uid, copy.message, flags, copy.received)

    def move(self, copy: Copy, folder: str) -> Copy:
        """Move a copy into another folder, where it gets a new UID; its flags and time of arrival stay."""
        if folder == copy.folder:
            return copy
        moved = self.put(copy.address, folder, copy.message, copy.flags, copy.received)
        self.remove(copy)
        return moved

    def remove(self, copy: Copy) -> None:
        """Take a copy out of its mailbox for good; the UID of the last one is remembered."""
        row = self._store.get("mailbox", copy.address)
        if row is not None and (state := self._state(copy.address, row, copy.folder)).uidnext == copy.uid + 1:
            self._write(copy.address, row, folders=_with(row["folders"], copy.folder, state))
        self._store.delete(self._site.actor(), "copy", copy.key)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _state(self, address: str, mailbox: Fields, folder: str) -> FolderState:
        known = mailbox["folders"].get(folder) or {"uidvalidity": mailbox["uidvalidity"], "uidnext": 1}
        last = self._store.last("copy", f"{address}/{_quote(folder)}/")
        following = 1 if last is None else int(last.rpartition("/")[2]) + 1
        return FolderState(known["uidvalidity"], max(known["uidnext"], following))

    def _fresh(self) -> Fields:
        # IMAP wants a 32-bit number; half of the range leaves room for those of later folders.
        uidvalidity = 1 + self._site.rng.stream(f"{self._site.name}/uidvalidity").getrandbits(31)
        return {"name": "", "uidvalidity": uidvalidity, "created": 0, "folders": {}}

    def _row(self, address: str) -> Fields:
        return self._store.get("mailbox", address) or self._fresh()

    def _has(self, address: str, name: str) -> bool:
        return any(self._same(folder, name) for folder in self.folders(address))

    def _own(self, address: str, name: str) -> str:
        """The folder called `name`, which is none that every mailbox has."""
        folder = self.folder(address, name)
        if folder in STANDARD:
            raise Refused(f"every mailbox has {folder}: it can be neither deleted nor renamed")
        return folder

    @staticmethod
    def _same(one: str, other: str) -> bool:
        return one.lower() == other.lower()

    def _limited(self, names: Iterable[str]) -> None:
        own = set(names).difference(STANDARD) if self._site.actor() != PROGRAM else ()
        if len(own) > FOLDERS_LIMIT or sum(len(name.encode()) for name in own) > NAMES_LIMIT:
            limits = f"{FOLDERS_LIMIT} folders of your own, their names {NAMES_LIMIT} bytes together"
            raise Refused(f"a mailbox may have {limits}; delete some, or give shorter names", code="LIMIT")

    def _insert(self, copy: Copy) -> None:
        fields = {"message": copy.message, "flags": list(copy.flags), "received": copy.received}
        self._store.insert(self._site.actor(), "copy", copy.key, fields)

    def _write(self, address: str, row: Fields | None, *, trace: bool = False, **fields: Value) -> None:
        before, after = self._store.get("mailbox", address), {**(row or self._fresh()), **fields}
        if after != before:
            self._store.change(self._site.actor(), "mailbox", address, before, after, trace=trace)


def id_of(message: str) -> str:
    """The Message-ID in the key of a letter: `<id>`, or `<id>/digest` where another letter had that id before."""
    return message[: message.rindex(">") + 1]


def flag_named(flag: object) -> str:
    r"""A flag in its usual spelling: a system flag such as `\Seen`, or a keyword such as `$Forwarded`.

    Raises:
        Refused: It is neither.
    """
    if isinstance(flag, str):
        for known in SYSTEM:
            if flag.lower() == known.lower():
                return known
        if _KEYWORD.fullmatch(flag):
            return flag
    raise Refused(f"{str(flag)[:80]!r} is not a flag; there are {', '.join(SYSTEM)} and keywords such as $Work")


def folder_key(address: str, folder: str) -> str:
    """What the keys of all rows of table `copy` begin with, up to the last slash, for one folder."""
    return f"{address}/{_quote(folder)}"


def uidvalidity_of(mailbox: Fields, folder: str) -> int | None:
    """The UIDVALIDITY of a folder out of a row of table `mailbox`; None where it has no such folder."""
    if folder not in STANDARD and folder not in mailbox["folders"]:
        return None
    known: int = mailbox["folders"].get(folder, mailbox)["uidvalidity"]
    return known


def _checked(name: str) -> str:
    header_text("the name of a folder", name)
    if not 0 < len(name) <= 200 or not all(name.split("/")) or re.search(r'[%*"\\]', name):
        raise Refused(f"{name[:80]!r} cannot be the name of a folder")
    return name


def _with(folders: Fields, name: str, state: FolderState) -> dict[str, Value]:
    return {**folders, name: {"uidvalidity": state.uidvalidity, "uidnext": state.uidnext}}


def ordered(flags: Iterable[str]) -> tuple[str, ...]:
    """Flags in the order in which they are kept, each once; `Refused` where they are over FLAGS_LIMIT."""
    found = tuple(sorted(set(flags)))
    if len(found) > FLAGS_LIMIT:
        raise Refused(f"a mail may have {FLAGS_LIMIT} flags; take some off first", code="LIMIT")
    return found


def _quote(folder: str) -> str:
    return folder.replace("/", "%2F")  # a folder's name has no `%` of its own
