"""Mailboxes: folders of copies of letters, with what IMAP needs to know of them.

Tables:

    mailbox   address                  name, uidvalidity, created (folders besides the standard ones, ever),
                                       folders: name -> uidvalidity, uidnext (at least this)
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
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Row, Rows
from terrarium.core.values import Value

STANDARD = ("INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash")
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = SYSTEM = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")

_KEYWORD = re.compile(r"[A-Za-z0-9$_.-]{1,64}")


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
        return f"{self.address}/{_quote(self.folder)}/{self.uid:010d}"

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
            self._write(address, row, name=name or "")

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
            Refused: The name is taken or cannot be one.
        """
        wanted = header_text("the name of a folder", name).strip()
        if not 0 < len(wanted) <= 200 or not all(wanted.split("/")) or re.search(r'[%*"\\]', wanted):
            raise Refused(f"{wanted[:80]!r} cannot be the name of a folder")
        if wanted.lower() in map(str.lower, self.folders(address)):
            raise Refused(f"there is a folder {wanted!r} already")
        row = self._store.get("mailbox", address) or self._fresh()
        created = row["created"] + 1
        state = FolderState(row["uidvalidity"] + created, 1)
        self._write(address, row, created=created, folders=_with(row["folders"], wanted, state))
        return wanted

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
            for row in self._store.table("copy", f"{address}/{_quote(name)}/"):
                yield _copy(row)

    def count(self, address: str, folder: str) -> int:
        """How many copies a folder holds."""
        return sum(1 for _ in self._store.table("copy", f"{address}/{_quote(folder)}/"))

    def get(self, address: str, folder: str, uid: int) -> Copy | None:
        """One copy, or None."""
        key = f"{address}/{_quote(folder)}/{uid:010d}"
        fields = self._store.get("copy", key)
        return None if fields is None else _copy(Row("copy", key, fields))

    def put(
        self, address: str, folder: str, message: str, flags: Iterable[str] = (), received: datetime | None = None
    ) -> Copy:
        """Put a copy of a letter into a folder under its next UID; the mailbox is made where there is none."""
        self.ensure(address)
        state = self.state(address, folder)
        copy = Copy(address, folder, state.uidnext, message, _ordered(flags), received or self._site.clock.now)
        fields = {"message": message, "flags": list(copy.flags), "received": copy.received}
        self._store.insert(self._site.actor(), "copy", copy.key, fields)
        return copy

    def flag(self, copy: Copy, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Copy:
        """Set and clear flags of a copy; nothing is written where nothing differs.

        Raises:
            Refused: A flag cannot be one.
        """
        flags = _ordered(({*copy.flags} | {*map(flag_named, add)}) - {*map(flag_named, remove)})
        self._store.update(self._site.actor(), "copy", copy.key, flags=list(flags))
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

    def _write(self, address: str, row: Fields | None, **fields: Value) -> None:
        before, after = self._store.get("mailbox", address), {**(row or self._fresh()), **fields}
        if after != before:
            self._store.change(self._site.actor(), "mailbox", address, before, after)


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
    raise Refused(f"{str(flag)[:80]!r} is not a flag; there are {', '.join(SYSTEM)} and keywords of letters and digits")


def _with(folders: Fields, name: str, state: FolderState) -> dict[str, Value]:
    return {**folders, name: {"uidvalidity": state.uidvalidity, "uidnext": state.uidnext}}


def _ordered(flags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(flags)))


def _copy(row: Row) -> Copy:
    address, folder, uid = row.key.rsplit("/", 2)
    fields = row.fields
    return Copy(address, _unquote(folder), int(uid), fields["message"], tuple(fields["flags"]), fields["received"])


def _quote(folder: str) -> str:
    return folder.replace("/", "%2F")  # a folder's name has no `%` of its own


def _unquote(part: str) -> str:
    return part.replace("%2F", "/")
