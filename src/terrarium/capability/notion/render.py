"""What is stored, as the objects that Notion answers with, in each version of its interface."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from terrarium.capability.notion import rich_text
from terrarium.capability.notion.account import Accounts
from terrarium.capability.notion.rollup import rolled_up
from terrarium.capability.notion.schema import Column
from terrarium.capability.notion.store import Fields, Store
from terrarium.capability.notion.value import empty, option

OLD, CURRENT, NEXT = "2022-06-28", "2025-09-03", "2026-03-11"
VERSIONS = (OLD, CURRENT, NEXT)
RELATED_SHOWN = 25  # of a relation or people, in a page; the rest is asked for as a property


def time_text(moment: datetime) -> str:
    """A moment to the minute, as Notion tells it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}:00.000Z"


class Render:
    """Objects as one version of the interface shows them.

    Args:
        store: Where they are.
        accounts: Who is in the workspace.
        version: One of `VERSIONS`.
    """

    def __init__(self, store: Store, accounts: Accounts, version: str) -> None:
        self._store = store
        self._accounts = accounts
        self.version = version

    # -- pages ----------------------------------------------------------------------------------------------------

    def page(self, id: str, fields: Fields, trashed: bool, only: list[str] | None = None) -> dict[str, Any]:
        """A page.

        Args:
            id: Its id.
            fields: What is stored.
            trashed: Whether it is in the trash.
            only: Ids of the properties to show; None: all.
        """
        properties = {
            column["name"]: self.property(id, fields, column)
            for column in self.columns(fields).values()
            if only is None or column["id"] in only
        }
        return {
            "object": "page",
            "id": id,
            **self._stamp(fields),
            "cover": fields["cover"],
            "icon": fields["icon"],
            "parent": self.parent(fields["parent"]),
            **self._trash(trashed),
            **({} if self.version == OLD else {"is_archived": trashed, "is_locked": fields["locked"]}),
            "properties": properties,
            "url": self.url(id, self.title(fields)),
            "public_url": None,
        }

    def columns(self, fields: Fields) -> Mapping[str, Column]:
        """The columns of a page: those of its data source, or its title."""
        if fields["parent"]["type"] == "data_source_id":
            source = self._store.get("data_source", fields["parent"]["id"])
            if source is not None:
                columns: Mapping[str, Column] = source["columns"]
                return columns
        return _TITLE

    def title(self, fields: Fields) -> str:
        """The title of a page."""
        return rich_text.plain(fields["properties"].get("title", ()))

    def name(self, kind: str, id: str) -> str:
        """What a page or database is called."""
        fields = self._store.get(kind, id)
        if fields is None:
            return ""
        return self.title(fields) if kind == "page" else rich_text.plain(fields["title"])

    def property(self, id: str, fields: Fields, column: Mapping[str, Any]) -> dict[str, Any]:
        """A property of a page."""
        kind = column["type"]
        found = {"id": column["id"], "type": kind, kind: self.value(id, fields, column, most=RELATED_SHOWN)}
        if kind == "relation":
            found["has_more"] = len(fields["properties"].get(column["id"], ())) > RELATED_SHOWN
        return found

    def value(self, id: str, fields: Fields, column: Mapping[str, Any], most: int | None = None) -> Any:
        """The value of a property, with at most `most` related pages or people."""
        kind = column["type"]
        if kind == "created_time":
            return time_text(fields["created"])
        if kind == "last_edited_time":
            return time_text(fields["edited"])
        if kind == "created_by":
            return self.user(fields["created_by"])
        if kind == "last_edited_by":
            return self.user(fields["edited_by"])
        if kind == "unique_id":
            return {"prefix": column["config"]["prefix"], "number": fields["number"]}
        if kind == "formula":
            return {"type": "string", "string": None}
        if kind == "rollup":
            return rolled_up(self.value, self._store, fields, column)
        kept = fields["properties"].get(column["id"])
        if kept is None:
            kept = empty(column)
        if kind in ("select", "status"):
            return option(column, kept)
        if kind == "multi_select":
            return [shown for shown in (option(column, one) for one in kept) if shown is not None]
        if kind == "people":
            return [self.user(one) for one in kept[:most]]
        if kind == "relation":
            return [{"id": one} for one in kept[:most]]
        return kept

    # -- blocks ---------------------------------------------------------------------------------------------------

    def block(self, fields: Fields, trashed: bool) -> dict[str, Any]:
        """A block."""
        id, kind, content = fields["id"], fields["type"], fields["content"]
        if kind in ("child_page", "child_database"):
            table = kind.removeprefix("child_")
            content = {"title": self.name(table, id)}
            fields = {**fields, **(self._store.get(table, id) or {}), "type": kind}
        container = self._store.container(id)
        parent = {"type": "page_id" if self._store.get("page", container) else "block_id", "id": container}
        return {
            "object": "block",
            "id": id,
            "parent": self.parent(parent),
            **self._stamp(fields),
            "has_children": any(not child["trash"] for child in self._store.children(id)),
            **self._trash(trashed),
            "type": kind,
            kind: content,
        }

    def page_as_block(self, id: str, fields: Fields, trashed: bool) -> dict[str, Any]:
        """A page where a block is asked for by its id."""
        return {
            "object": "block",
            "id": id,
            "parent": self.parent(fields["parent"]),
            **self._stamp(fields),
            "has_children": any(not child["trash"] for child in self._store.children(id)),
            **self._trash(trashed),
            "type": "child_page",
            "child_page": {"title": self.title(fields)},
        }

    # -- databases ------------------------------------------------------------------------------------------------

    def database(self, id: str, fields: Fields, trashed: bool) -> dict[str, Any]:
        """A database; in the version 2022-06-28 with the columns of its first data source."""
        found = {
            "object": "database",
            "id": id,
            **self._stamp(fields),
            "title": fields["title"],
            "description": fields["description"],
            "is_inline": fields["inline"],
            "icon": fields["icon"],
            "cover": fields["cover"],
            "parent": self.parent(fields["parent"]),
            **self._trash(trashed),
            "url": self.url(id, ""),
            "public_url": None,
        }
        sources = self._store.sources(id)
        if self.version == OLD:
            columns = (self._store.get("data_source", sources[0]) or {})["columns"] if sources else {}
            return {**found, "properties": self._columns(columns)}
        del found["created_by"], found["last_edited_by"]
        named = [(source, self._store.get("data_source", source) or {}) for source in sources]
        references = [{"id": source, "name": rich_text.plain(it["title"])} for source, it in named if not it["trash"]]
        return {**found, "is_locked": fields["locked"], "data_sources": references}

    def data_source(self, id: str, fields: Fields, trashed: bool) -> dict[str, Any]:
        """A data source."""
        database = self._store.get("database", fields["database"]) or {}
        return {
            "object": "data_source",
            "id": id,
            **self._stamp(fields),
            "title": fields["title"],
            "description": database["description"],
            "icon": fields["icon"],
            "cover": database["cover"],
            "is_inline": database["inline"],
            "parent": {"type": "database_id", "database_id": fields["database"]},
            "database_parent": self.parent(database["parent"]),
            **self._trash(trashed),
            "properties": self._columns(fields["columns"]),
            "url": self.url(id, ""),
            "public_url": None,
        }

    def _columns(self, columns: Mapping[str, Column]) -> dict[str, Any]:
        return {column["name"]: self.column(column) for column in columns.values()}

    def column(self, column: Column) -> dict[str, Any]:
        """A column as data sources show it."""
        kind, config = column["type"], column["config"]
        if kind == "relation":
            source = self._store.get("data_source", config["data_source"])
            shown: dict[str, Any] = {"database_id": source["database"] if source else config["data_source"]}
            if self.version != OLD:
                shown["data_source_id"] = config["data_source"]
            synced = None if config["synced"] is None or source is None else source["columns"].get(config["synced"])
            if synced is None:
                shown |= {"type": "single_property", "single_property": {}}
            else:
                there = {"synced_property_id": synced["id"], "synced_property_name": synced["name"]}
                shown |= {"type": "dual_property", "dual_property": there}
            config = shown
        return {"id": column["id"], "name": column["name"], "description": None, "type": kind, kind: config}

    # -- others ---------------------------------------------------------------------------------------------------

    def user(self, id: str) -> dict[str, Any]:
        """A user, in short."""
        return {"object": "user", "id": id}

    def comment(self, id: str, fields: Fields) -> dict[str, Any]:
        """A comment."""
        kind = "page_id" if self._store.get("page", fields["on"]) else "block_id"
        name = self._accounts.users.get(fields["created_by"], {}).get("name")
        return {
            "object": "comment",
            "id": id,
            "parent": {"type": kind, kind: fields["on"]},
            "discussion_id": fields["discussion"],
            "created_time": time_text(fields["created"]),
            "last_edited_time": time_text(fields["edited"]),
            "created_by": self.user(fields["created_by"]),
            "rich_text": fields["rich_text"],
            "display_name": {"type": "integration", "resolved_name": name},
        }

    def upload(self, id: str, fields: Fields) -> dict[str, Any]:
        """A file upload."""
        return {
            "object": "file_upload",
            "id": id,
            "created_time": time_text(fields["created"]),
            "created_by": {"id": fields["created_by"], "type": "bot"},
            "last_edited_time": time_text(fields["edited"]),
            **self._trash(False),
            "expiry_time": None,
            "upload_url": f"https://api.notion.com/v1/file_uploads/{id}/send",
            "status": fields["status"],
            "filename": fields["filename"],
            "content_type": fields["content_type"],
            "content_length": fields["length"],
        }

    def parent(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        """What holds a page, block or database."""
        kind = parent["type"]
        if kind == "workspace":
            return {"type": "workspace", "workspace": True}
        if kind == "data_source_id":
            database = (self._store.get("data_source", parent["id"]) or {})["database"]
            if self.version == OLD:
                return {"type": "database_id", "database_id": database}
            return {"type": "data_source_id", "data_source_id": parent["id"], "database_id": database}
        return {"type": kind, kind: parent["id"]}

    def url(self, id: str, title: str) -> str:
        """Where people would see it."""
        words = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title[:80]).split())
        return f"https://www.notion.so/{words}{'-' if words else ''}{id.replace('-', '')}"

    def _stamp(self, fields: Fields) -> dict[str, Any]:
        return {
            "created_time": time_text(fields["created"]),
            "last_edited_time": time_text(fields["edited"]),
            "created_by": {"object": "user", "id": fields["created_by"]},
            "last_edited_by": {"object": "user", "id": fields["edited_by"]},
        }

    def _trash(self, trashed: bool) -> dict[str, bool]:
        if self.version == NEXT:
            return {"in_trash": trashed}
        return {"archived": trashed, "in_trash": trashed}


_TITLE: Mapping[str, Column] = {"title": {"id": "title", "name": "title", "type": "title", "config": {}}}
