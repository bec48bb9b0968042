"""The state of a workspace: pages, blocks, databases and what hangs on them, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.core.capability import Site
from terrarium.core.rows import Rows
from terrarium.core.seeds import child_seed
from terrarium.core.values import from_micros

DEPTH = 60  # containers above a block or page
_STEP = 0x10000
_WIDTH = 12  # hexadecimal digits of a place among siblings, before what lies between two of them

Fields = Mapping[str, Any]


class Store:
    """Everything in the workspace, found by id.

    A block's key is `<container>/<place>`: siblings are in order, and nothing is rewritten when one comes between. Of a
    child page or database there is a block too, with the same id. The session page exists from the beginning; it
    has a row from its first change on.

    Args:
        site: Clock, ids, and who is acting.
        rows: Where it is kept.
        title: Of the session page.
        bot: Who made the session page.
        limit: Bytes that requests of agents may fill.
    """

    def __init__(self, site: Site, rows: Rows, title: str, bot: str, limit: int) -> None:
        self.site = site
        self.rows = rows
        self.limit = limit
        high, low = (child_seed(site.rng.seed, site.name, "session", half) for half in ("high", "low"))
        digits = f"{high:016x}{low:016x}"
        self.session = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
        self._title, self._bot = title, bot
        self._places: dict[str, str] = {}
        self._entries: dict[str, dict[str, None]] = {}
        self._sources: dict[str, list[str]] = {}
        self._comments: dict[str, list[str]] = {}
        self.size = sum(len(str(row.fields)) for row in rows.all())
        self.size += sum(row.fields["length"] or 0 for row in rows.table("upload"))
        for row in rows.table("block"):
            self._places[row.fields["id"]] = row.key
        for row in sorted(rows.table("page"), key=lambda row: row.fields["number"] or 0):
            self._index_page(row.key, row.fields)
        for row in sorted(rows.table("data_source"), key=lambda row: row.fields["number"]):
            self._sources.setdefault(row.fields["database"], []).append(row.key)
        self._number = 0
        for row in sorted(rows.table("comment"), key=lambda row: row.fields["number"]):
            self._number = row.fields["number"]
            self._comments.setdefault(row.fields["on"], []).append(row.key)

    # -- time and ids ---------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """World time."""
        return self.site.clock.now

    def new_id(self) -> str:
        """A fresh id, which nothing else has."""
        while True:
            id = str(self.site.rng.uuid(f"{self.site.name}/id"))
            if self.kind(id) is None and self.get("comment", id) is None and self.get("upload", id) is None:
                return id

    def stamp(self, user: str) -> dict[str, Any]:
        """Who made something, and when."""
        return {"created": self.now, "created_by": user, "edited": self.now, "edited_by": user}

    # -- rows -----------------------------------------------------------------------------------------------------

    def get(self, table: str, id: str) -> Fields | None:
        """The fields of a row, None where there is none. They are shared: copy before changing."""
        found = self.rows.get(table, id)
        if found is None and table == "page" and id == self.session:
            return self._session()
        return found

    def put(self, table: str, id: str, fields: dict[str, Any]) -> None:
        """Write a whole row."""
        before = self.rows.get(table, id)
        self.rows.change(self.site.actor(), table, id, before, fields)
        self.size += len(str(fields)) - (0 if before is None else len(str(before)))

    def set(self, table: str, id: str, **fields: Any) -> None:
        """Change fields of a row that is there."""
        self.put(table, id, {**(self.get(table, id) or {}), **fields})

    def drop(self, table: str, id: str) -> None:
        """Remove a row."""
        before = self.rows.get(table, id)
        self.rows.delete(self.site.actor(), table, id)
        self.size -= len(str(before))

    # -- pages and databases --------------------------------------------------------------------------------------

    def add_page(self, id: str, fields: dict[str, Any]) -> None:
        """Store a new page."""
        parent = fields["parent"]
        number = None
        if parent["type"] == "data_source_id":
            last = next(reversed(self._entries.get(parent["id"], {})), None)
            number = 1 if last is None else (self.get("page", last) or {})["number"] + 1
        fields["number"] = number
        self.put("page", id, fields)
        self._index_page(id, fields)

    def move_page(self, id: str, parent: dict[str, str]) -> None:
        """Give a page another parent; the block that stands for it is the caller's to move."""
        fields = dict(self.get("page", id) or {})
        self._entries.get(fields["parent"]["id"], {}).pop(id, None)
        fields["parent"] = parent
        if self.rows.get("page", id) is None:
            self.put("page", id, fields)
        self.add_page(id, fields)

    def add_source(self, id: str, fields: dict[str, Any]) -> None:
        """Store a new data source."""
        siblings = self._sources.setdefault(fields["database"], [])
        self.put("data_source", id, {**fields, "number": len(siblings) + 1})
        siblings.append(id)

    def entries(self, source: str) -> list[str]:
        """The pages of a data source, oldest first, those in the trash too."""
        return list(self._entries.get(source, ()))

    def sources(self, database: str) -> list[str]:
        """The data sources of a database."""
        return list(self._sources.get(database, ()))

    # -- blocks ---------------------------------------------------------------------------------------------------

    def block(self, id: str) -> Fields | None:
        """A block by id."""
        place = self._places.get(id)
        return None if place is None else self.rows.get("block", place)

    def container(self, id: str) -> str:
        """The id of the page or block that holds a block."""
        return self._places[id].partition("/")[0]

    def children(self, container: str) -> Iterator[Fields]:
        """The blocks of a page or block in their order, those in the trash too."""
        for row in self.rows.table("block", f"{container}/"):
            yield row.fields

    def places(self, container: str, count: int, after: str | None, *, start: bool = False) -> list[str]:
        """Places for `count` new blocks.

        Args:
            container: Where.
            count: How many.
            after: The id of the block that they follow; None: at the end.
            start: Before all others.

        Raises:
            ApiError: There is no block `after` in that container.
        """
        low, high = "0" * _WIDTH, ""
        if after is not None:
            place = self._places.get(after, "")
            if place.partition("/")[0] != container:
                raise invalid("body.after", "the id of a block of the same parent", after)
            low = place.partition("/")[2]
            following = self._after(container, low)
            high = "" if following is None else following
        elif start:
            first = next(self.rows.table("block", f"{container}/"), None)
            high = "" if first is None else first.key.partition("/")[2]
        else:
            last = self.rows.last("block", f"{container}/")
            low = low if last is None else last.partition("/")[2]
        if not high:
            base = int(low[:_WIDTH], 16)
            return [f"{base + _STEP * (n + 1):0{_WIDTH}x}" for n in range(count)]
        width = max(len(low), len(high))
        while True:
            a, b = int(low.ljust(width, "0"), 16), int(high.ljust(width, "0"), 16)
            if b - a > count:
                return [f"{a + (b - a) * (n + 1) // (count + 1):0{width}x}" for n in range(count)]
            width += 4

    def _after(self, container: str, place: str) -> str | None:
        found = False
        for row in self.rows.table("block", f"{container}/"):
            here = row.key.partition("/")[2]
            if found:
                return here
            found = here == place
        return None

    def put_block(self, container: str, place: str, fields: dict[str, Any]) -> None:
        """Store a new block at a place that `places` gave."""
        key = f"{container}/{place}"
        self.put("block", key, fields)
        self._places[fields["id"]] = key

    def set_block(self, id: str, **fields: Any) -> None:
        """Change fields of a block."""
        self.set("block", self._places[id], **fields)

    def drop_block(self, id: str) -> None:
        """Remove a block for good."""
        self.drop("block", self._places.pop(id))

    # -- the tree -------------------------------------------------------------------------------------------------

    def kind(self, id: str) -> str | None:
        """Which table an id is of: `page`, `database`, `data_source` or `block`."""
        for table in ("page", "database", "data_source"):
            if self.get(table, id) is not None:
                return table
        return "block" if id in self._places else None

    def chain(self, id: str) -> Iterator[tuple[str, str, Fields]]:
        """What an id is and what holds it, up to the workspace: (table, id, fields)."""
        at: str | None = id
        while at is not None:
            kind = self.kind(at)
            fields = self.block(at) if kind == "block" else self.get(kind or "page", at)
            if kind is None or fields is None:
                return
            yield kind, at, fields
            if kind == "block":
                at = self.container(at)
            elif kind == "data_source":
                at = fields["database"]
            else:
                at = fields["parent"].get("id")

    def trashed(self, id: str) -> bool:
        """Whether it, or something that holds it, is in the trash."""
        return any(fields["trash"] for _, _, fields in self.chain(id))

    def depth(self, id: str) -> int:
        """How many containers it lies in, itself counted."""
        return sum(1 for _ in self.chain(id))

    def height(self, id: str) -> int:
        """How many levels there are below it, itself counted."""
        levels, row = 0, [id]
        while row:
            levels += 1
            below: list[str] = []
            for at in row:
                below += [fields["id"] for fields in self.children(at)]
                below += self.sources(at)
                below += self.entries(at)
            row = below
        return levels

    def check_depth(self, parent: str | None, levels: int = 1) -> None:
        """Refuse to put something below a parent where that gets too deep.

        Raises:
            ApiError: It does.
        """
        if parent is not None and self.depth(parent) + levels > DEPTH:
            raise ApiError("validation_error", f"Content can be nested {DEPTH} levels deep at most.")

    # -- comments -------------------------------------------------------------------------------------------------

    def add_comment(self, id: str, fields: dict[str, Any]) -> None:
        """Store a new comment on the page or block `fields["on"]`."""
        siblings = self._comments.setdefault(fields["on"], [])
        self._number += 1
        self.put("comment", id, {**fields, "number": self._number})
        siblings.append(id)

    def drop_comment(self, id: str) -> None:
        """Remove a comment."""
        fields = self.get("comment", id) or {}
        self._comments[fields["on"]].remove(id)
        self.drop("comment", id)

    def comments(self, on: str) -> list[str]:
        """The comments on a page or block, oldest first."""
        return list(self._comments.get(on, ()))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _index_page(self, id: str, fields: Fields) -> None:
        if fields["parent"]["type"] == "data_source_id":
            self._entries.setdefault(fields["parent"]["id"], {})[id] = None

    def _session(self) -> Fields:
        start = from_micros(self.site.clock.start)
        item = {"type": "text", "text": {"content": self._title, "link": None}}
        marks: dict[str, Any] = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
        title = [{**item, "annotations": marks | {"color": "default"}, "plain_text": self._title, "href": None}]
        return {
            "parent": {"type": "workspace"},
            "properties": {"title": title},
            "icon": None,
            "cover": None,
            "locked": False,
            "trash": False,
            "number": None,
            "created": start,
            "created_by": self._bot,
            "edited": start,
            "edited_by": self._bot,
        }
