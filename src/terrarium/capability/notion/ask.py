"""One request: who asks, for what, and what of the workspace they may see and change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion import rich_text
from terrarium.capability.notion.account import Account, Accounts
from terrarium.capability.notion.api_error import ApiError, invalid, not_found
from terrarium.capability.notion.block_type import World
from terrarium.capability.notion.render import Render
from terrarium.capability.notion.store import Fields, Store

PAGE = 100  # results at a time
_WORDS = {"page": "page", "database": "database", "data_source": "data source", "block": "block"}


@dataclass
class Ask:
    """One request.

    Attributes:
        store: The workspace.
        accounts: Who is in it.
        account: Who asks.
        render: Makes the answers.
        ids: The variable parts of the path.
        query: What stands behind `?`.
        body: What was sent.
        file: What was uploaded: (name, type, content).
        told: Agents to tell of it, and what: (agent, text).
    """

    store: Store
    accounts: Accounts
    account: Account
    render: Render
    ids: Sequence[str]
    query: Mapping[str, Sequence[str]]
    body: Mapping[str, Any]
    file: tuple[str, str, bytes] | None = None
    told: list[tuple[str, str]] = field(default_factory=list)

    # -- what there is --------------------------------------------------------------------------------------------

    def access(self, id: str) -> tuple[str, bool]:
        """What the account may do with something, and whether that is in the trash."""
        level, trashed = None, False
        agent = self.account.agent
        for _, at, fields in self.store.chain(id):
            trashed = trashed or fields["trash"]
            if agent is None:
                level = "write"
            elif level is None and (share := self.store.rows.get("share", f"{agent}/{at}")) is not None:
                level = share["access"]
        return level or self.account.access, trashed

    def find(self, table: str, id: Any, *, write: bool = False, trash: bool = True) -> tuple[str, Fields, bool]:
        """A page, database, data source or block: its id, fields, and whether it is in the trash.

        Args:
            table: Which of them.
            id: Its id, with or without dashes.
            write: Whether it is to be changed.
            trash: Whether it may be in the trash.

        Raises:
            ApiError: It is not there, not shared with who asks, only to be read, or in the trash.
        """
        known = check.uuid_of(id)
        fields = self.store.block(known) if table == "block" else self.store.get(table, known)
        if fields is None:
            raise not_found(_WORDS[table], known)
        level, trashed = self.access(known)
        if level == "none":
            raise not_found(_WORDS[table], known)
        if write and level != "write":
            raise ApiError("restricted_resource", "Insufficient permissions for this endpoint.")
        if trashed and not trash:
            what = _WORDS[table]
            raise ApiError(
                "validation_error", f"Can't edit {what} that is archived. You must unarchive the {what} before editing."
            )
        return known, fields, trashed

    def visible(self, id: str, known: dict[str, tuple[str, bool]]) -> bool:
        """Whether the account sees it, and it is not in the trash.

        Args:
            id: What to look at.
            known: What was found out before of what holds it and others; nothing may have changed since.
        """
        agent = self.account.agent
        climbed: list[tuple[str, bool, str | None]] = []
        level, trashed = self.account.access, False
        for _, at, fields in self.store.chain(id):
            if at in known:
                level, trashed = known[at]
                break
            share = None if agent is None else self.store.rows.get("share", f"{agent}/{at}")
            climbed.append((at, fields["trash"], None if share is None else share["access"]))
        for at, gone, said in reversed(climbed):
            level, trashed = said or level, trashed or gone
            known[at] = level, trashed
        return level != "none" and not trashed

    def container(self, id: Any, *, write: bool = False) -> str:
        """The id of a page or block that can hold blocks.

        Raises:
            ApiError: As `find`.
        """
        known = check.uuid_of(id)
        table = "page" if self.store.get("page", known) is not None else "block"
        return self.find(table, known, write=write, trash=not write)[0]

    def touch(self, id: str) -> None:
        """Stamp the page that holds something with who edits it, and when."""
        for kind, at, _ in self.store.chain(id):
            if kind in ("page", "database"):
                self.store.set(kind, at, edited=self.store.now, edited_by=self.account.bot)
                return

    # -- checking -------------------------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """What checks of texts and blocks need."""
        return World(self._name, self._upload, self._exists)

    def _name(self, kind: str, id: str) -> str:
        if kind == "user":
            user = self.accounts.users.get(id)
            if user is None:
                raise not_found("user", id)
            return str(user["name"])
        self._exists(kind, id, "")
        return self.render.name(kind, id) or "Untitled"

    def _exists(self, kind: str, id: str, where: str) -> None:
        self.find(kind, id)

    def _upload(self, id: Any, where: str) -> dict[str, Any]:
        known = check.uuid_of(id, where)
        upload = self.store.get("upload", known)
        if upload is None or upload["status"] != "uploaded" or upload["created_by"] != self.account.bot:
            raise ApiError("validation_error", f"{where}: there is no file upload {known} that is complete.")
        return {"type": "file", "file": {"url": self.file_url(known, upload["filename"]), "expiry_time": _FAR}}

    def file_url(self, id: str, filename: str) -> str:
        """Where an uploaded file can be fetched."""
        return f"https://api.notion.com/files/{id}"

    # -- answers --------------------------------------------------------------------------------------------------

    def result(self, table: str, id: str) -> dict[str, Any]:
        """Something as it is now."""
        trashed = self.store.trashed(id)
        fields = (self.store.block(id) if table == "block" else self.store.get(table, id)) or {}
        if table == "page":
            return self.render.page(id, fields, trashed)
        if table == "database":
            return self.render.database(id, fields, trashed)
        return (
            self.render.data_source(id, fields, trashed)
            if table == "data_source"
            else self.render.block(fields, trashed)
        )

    def cut(self, ids: Sequence[str], given: Mapping[str, Any] | None = None) -> tuple[list[str], str | None]:
        """One page of a list of ids, and the cursor of the next.

        Args:
            ids: All of them.
            given: Where `page_size` and `start_cursor` are: a body; None: the query.

        Raises:
            ApiError: One of them cannot be.
        """
        size, cursor = (
            (self._one("page_size"), self._one("start_cursor"))
            if given is None
            else (
                given.get("page_size"),
                given.get("start_cursor"),
            )
        )
        where = "query" if given is None else "body"
        if isinstance(size, str):
            size = int(size) if size.isascii() and size.isdecimal() and len(size) < 9 else size
        most = PAGE if size is None else size
        if type(most) is not int or not 1 <= most <= PAGE:
            raise ApiError(
                "validation_error",
                f"{where} failed validation: {where}.page_size should be a number from 1 to {PAGE}, "
                f"instead was `{str(size)[:60]}`.",
            )
        first = 0
        if cursor is not None:
            known = check.uuid_of(cursor, f"{where}.start_cursor")
            if known not in ids:
                raise ApiError("validation_error", f"The start_cursor provided is invalid: {known}")
            first = ids.index(known)
        following = ids[first + most] if first + most < len(ids) else None
        return list(ids[first : first + most]), following

    def listed(self, kind: str, results: Iterable[dict[str, Any]], following: str | None) -> dict[str, Any]:
        """A list as an answer."""
        return {
            "object": "list",
            "results": list(results),
            "next_cursor": following,
            "has_more": following is not None,
            "type": kind,
            kind: {},
        }

    def only(self) -> list[str] | None:
        """The properties that the query asks for; None: all."""
        given = [*self.query.get("filter_properties", ()), *self.query.get("filter_properties[]", ())]
        return [id for text in given for id in text.split(",")] or None

    def _one(self, name: str) -> str | None:
        found = self.query.get(name)
        return found[0] if found else None

    # -- telling --------------------------------------------------------------------------------------------------

    def mention(self, users: Iterable[str], title: str, how: str = "mentioned") -> None:
        """Tell the agents behind these users, other than who asks."""
        for user in dict.fromkeys(users):
            agent = self.accounts.agent_of(user)
            if agent is not None and agent != self.account.agent:
                self.told.append((agent, f"{self.account.name} {how} you in {title or 'Untitled'!r}"[:300]))

    def mention_in(self, items: Iterable[Mapping[str, Any]], id: str) -> None:
        """Tell those whom a text mentions that stands in a page or block."""
        users = rich_text.mentioned(items)
        if users:
            page = next((fields for kind, _, fields in self.store.chain(id) if kind == "page"), None)
            self.mention(users, "" if page is None else self.render.title(page))


_FAR = "2099-12-31T00:00:00.000Z"


def known_parent(value: Any, kinds: Sequence[str], where: str = "body.parent") -> tuple[str, str | None]:
    """The kind and id of a parent that was sent: `("page_id", id)`, or `("workspace", None)`.

    Raises:
        ApiError: It is none of these kinds.
    """
    given = check.table(value, where)
    for kind in kinds:
        if kind == "workspace":
            if given.get("workspace") is True or given.get("type") == "workspace":
                return kind, None
        elif kind in given:
            return kind, check.uuid_of(given[kind], f"{where}.{kind}")
    raise invalid(where, "an object with " + " or ".join(f"`{kind}`" for kind in kinds), value)
