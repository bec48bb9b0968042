"""The files as one account sees them, in one change: what there is, and who may do what with it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from terrarium.capability.google_sheets.account import ROLES, Account, Accounts
from terrarium.capability.google_sheets.calculator import Place, Result
from terrarium.capability.google_sheets.draft import Draft, Usage
from terrarium.capability.google_sheets.fault import Fault, bad, forbidden, missing
from terrarium.core.capability import Site
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import from_micros

SHEET = "application/vnd.google-apps.spreadsheet"
FOLDER = "application/vnd.google-apps.folder"
FILES_LIMIT = 2_000
PERMISSIONS_LIMIT = 200
NAME_LIMIT = 1_000
_DEEPEST = 20

Values = dict[Place, Result]


@dataclass
class Office:
    """What every change of one capability shares.

    Attributes:
        values: What the formulas of a spreadsheet gave at last: for which content, and what. It can be dropped.
    """

    site: Site
    rows: Rows
    accounts: Accounts
    usage: Usage = field(init=False)
    values: dict[str, tuple[Any, dict[int, dict[int, dict[int, Result]]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.usage = Usage(self.rows)

    def desk(self, account: Account | None) -> Desk:
        """Begin a change, or a look; None: the task program, who may do everything."""
        return Desk(self, Draft(self.rows, self.usage), account)


class Desk:
    """One change by one account, and what it may do.

    Args:
        office: Where.
        draft: What it writes.
        account: Who; None: the task program.
    """

    def __init__(self, office: Office, draft: Draft, account: Account | None) -> None:
        self.office = office
        self.draft = draft
        self.account = account
        self.news: list[tuple[str, str]] = []
        """Which agents are told what, once it is done."""

    @property
    def me(self) -> Account:
        """Whose files new ones are."""
        return self.account or self.office.accounts.owner

    @property
    def now(self) -> datetime:
        """World time."""
        return self.office.site.clock.now

    def fetch(self, id: str) -> Fields | None:
        """A file, whoever may see it."""
        accounts = self.office.accounts
        if id == accounts.folder:
            start = from_micros(self.office.site.clock.start)
            return {
                "name": accounts.folder_name,
                "mime": FOLDER,
                "parents": [],
                "owner": accounts.owner.address,
                "created": start,
                "modified": start,
                "by": accounts.owner.address,
                "trashed": False,
            }
        return self.draft.get("file", id)

    def files(self) -> Iterator[tuple[str, Fields]]:
        """Every file that this account may see, by id."""
        folder = self.office.accounts.folder
        found = [(row.key, row.fields) for row in self.draft.table("file")]
        found.append((folder, self.fetch(folder) or {}))
        for id, fields in sorted(found, key=lambda pair: pair[0]):
            if self.role(id) is not None:
                yield id, fields

    def role(self, id: str) -> str | None:
        """What this account may do with a file: the most that the file and its folders give."""
        if self.account is None:
            return "owner"
        best, pending, seen = -1, [id], set[str]()
        while pending and len(seen) < _DEEPEST:
            one = pending.pop()
            fields = None if one in seen else self.fetch(one)
            seen.add(one)
            if fields is None:
                continue
            for permission in self.permissions(one).values():
                if permission["type"] == "anyone" or permission.get("address") == self.account.address:
                    best = max(best, ROLES.index(permission["role"]))
            pending.extend(fields["parents"])
        return ROLES[best] if best >= 0 else None

    def permissions(self, id: str) -> dict[str, Fields]:
        """Who may do what with a file itself, by permission id."""
        accounts = self.office.accounts
        if id == accounts.folder:
            found: dict[str, Fields] = {
                accounts.owner.permission: {"type": "user", "role": "owner", "address": accounts.owner.address}
            }
            if accounts.agents_role:
                for account in accounts.agents.values():
                    told = {"type": "user", "role": accounts.agents_role, "address": account.address}
                    found.setdefault(account.permission, told)
            return found
        return {row.key.partition("/")[2]: row.fields for row in self.draft.table("permission", f"{id}/")}

    def file(self, id: str, need: str = "reader", mime: str | None = None) -> Fields:
        """A file that this account may use.

        Raises:
            Fault: There is none (404), or not for this (403).
        """
        fields = self.fetch(id)
        role = self.role(id) if fields is not None else None
        if fields is None or role is None or (mime is not None and fields["mime"] != mime):
            raise missing()
        if ROLES.index(role) < ROLES.index(need):
            raise forbidden()
        return fields

    def add(self, name: str, mime: str, parents: list[str] | None = None, **more: Any) -> str:
        """Make a file and give its id.

        Raises:
            Fault: A folder that is not there or not this account's, or too many files.
        """
        if self.office.rows.count("file") >= FILES_LIMIT:
            raise Fault(403, "The user's storage quota has been exceeded.", "storageQuotaExceeded")
        self.check_name(name)
        for parent in parents or []:
            self.file(parent, "writer", FOLDER)
        number = self.office.site.rng.stream(self.office.site.name).getrandbits(256)
        id = "1" + base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
        if parents is None:
            parents = [self.office.accounts.folder] if self.account is None else []
        now = self.now
        made = {"name": name, "mime": mime, "parents": parents, "owner": self.me.address, "created": now}
        self.draft.put("file", id, {**made, "modified": now, "by": self.me.address, "trashed": False, **more})
        told = {"type": "user", "role": "owner", "address": self.me.address}
        self.draft.put("permission", f"{id}/{self.me.permission}", told)
        return id

    def check_name(self, name: str) -> None:
        """Refuse what cannot name a file.

        Raises:
            Fault: It is too long.
        """
        if len(name) > NAME_LIMIT:
            raise bad(f"Invalid name: it has more than {NAME_LIMIT} characters.")

    def touch(self, id: str) -> None:
        """A file was changed now, by this account."""
        fields = self.draft.get("file", id)
        if fields is not None and (fields["modified"] != self.now or fields["by"] != self.me.address):
            self.draft.put("file", id, {**fields, "modified": self.now, "by": self.me.address})

    def discard(self, id: str) -> None:
        """Remove a file for good, a folder with all that is only in it."""
        pending, seen = [id], set[str]()
        while pending:
            one = pending.pop()
            if one in seen or self.draft.get("file", one) is None:
                continue
            seen.add(one)
            pending.extend(row.key for row in self.draft.table("file") if row.fields["parents"] == [one])
            for table in ("cells", "sheet", "named_range", "permission"):
                for row in list(self.draft.table(table, f"{one}/")):
                    self.draft.put(table, row.key, None)
            self.draft.put("file", one, None)

    def grant(self, id: str, told: dict[str, Any], key: str) -> None:
        """Let somebody do something with a file.

        Raises:
            Fault: Too many may already.
        """
        there = self.permissions(id)
        if key not in there and len(there) >= PERMISSIONS_LIMIT:
            raise Fault(403, "The file has too many permissions.", "sharingRateLimitExceeded")
        self.draft.put("permission", f"{id}/{key}", told)

    def commit(self, actor: str) -> bool:
        """Do all of it; False where nothing differs."""
        done = self.draft.commit(actor)
        for agent, text in self.news if done else ():
            if agent != actor:
                self.office.site.notify(agent, text)
        self.news.clear()
        return done
