"""Requests about databases and their data sources: tables of pages."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import block
from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, not_found
from terrarium.capability.notion.ask import Ask, known_parent
from terrarium.capability.notion.filter import Query
from terrarium.capability.notion.render import OLD
from terrarium.capability.notion.rich_text import rich_text
from terrarium.capability.notion.schema import Columns, SchemaDesk
from terrarium.capability.notion.store import Fields

SOURCES = 50  # in one database


def source_of(ask: Ask, id: str, kind: str = "database_id") -> str:
    """The data source that an id means: its own, or that of a database with only one.

    Raises:
        ApiError: There is none, or there are several.
    """
    if kind == "data_source_id":
        return ask.find("data_source", id)[0]
    known = ask.find("database", id)[0]
    sources = [one for one in ask.store.sources(known) if not (ask.store.get("data_source", one) or {})["trash"]]
    if len(sources) > 1 and ask.render.version != OLD:
        raise ApiError("validation_error", f"Databases with multiple data sources are not supported here: {known}.")
    if not sources:
        raise not_found("data_source", known)
    return sources[0]


def create(ask: Ask) -> dict[str, Any]:
    """`POST /databases`: into a page or the workspace, with a first data source."""
    kind, parent = known_parent(ask.body.get("parent"), ("page_id", "workspace"))
    if parent is not None:
        ask.find("page", parent, write=True, trash=False)
    elif ask.account.access != "write":
        raise ApiError("restricted_resource", "Insufficient permissions for this endpoint.")
    ask.store.check_depth(parent, 3)
    first = ask.body.get("initial_data_source")
    given = ask.body if ask.render.version == OLD or first is None else check.table(first, "body.initial_data_source")
    where = "body" if given is ask.body else "body.initial_data_source"
    fields = {"parent": {"type": kind} | ({} if parent is None else {"id": parent}), "trash": False, "locked": False}
    fields |= _settings(ask, {"title": [], "description": [], "inline": False, "icon": None, "cover": None})
    id, source = ask.store.new_id(), ask.store.new_id()
    desk = _desk(ask)
    columns = desk.columns(given.get("properties") or {"Name": {"title": {}}}, f"{where}.properties", source)
    fields |= ask.store.stamp(ask.account.bot)
    ask.store.put("database", id, fields)
    _new_source(ask, source, id, columns, fields["title"])
    _relate(ask, desk, source)
    if parent is not None:
        block.stand_in(ask, parent, id, "child_database")
        ask.touch(parent)
    return ask.result("database", id)


def retrieve(ask: Ask) -> dict[str, Any]:
    """`GET /databases/{id}`."""
    id, fields, trashed = ask.find("database", ask.ids[0])
    return ask.render.database(id, fields, trashed)


def update(ask: Ask) -> dict[str, Any]:
    """`PATCH /databases/{id}`: title, description and the like; in the version 2022-06-28 the columns, too."""
    id, fields, trashed = ask.find("database", ask.ids[0], write=True)
    wanted = block.wanted_trash(ask)
    if trashed and wanted is None:
        ask.find("database", id, trash=False)
    changes = _settings(ask, fields)
    desk, source, columns = _desk(ask), None, None
    if ask.render.version == OLD and ask.body.get("properties") is not None:
        source = source_of(ask, id)
        old = (ask.store.get("data_source", source) or {})["columns"]
        columns = desk.changed(old, ask.body["properties"], "body.properties", source)
    if wanted is not None:
        block.set_trash(ask, "database", id, wanted)
    ask.store.set("database", id, **changes, edited=ask.store.now, edited_by=ask.account.bot)
    sources = ask.store.sources(id)
    if len(sources) == 1 and "title" in ask.body:
        ask.store.set("data_source", sources[0], title=changes["title"])
    if source is not None and columns is not None:
        _set_columns(ask, desk, source, columns)
    return ask.result("database", id)


def create_source(ask: Ask) -> dict[str, Any]:
    """`POST /data_sources`: one more in a database."""
    _, parent = known_parent(ask.body.get("parent"), ("database_id",))
    database, _, _ = ask.find("database", parent, write=True, trash=False)
    if len(ask.store.sources(database)) >= SOURCES:
        raise ApiError("validation_error", f"A database has {SOURCES} data sources at most.")
    id = ask.store.new_id()
    desk = _desk(ask)
    columns = desk.columns(ask.body.get("properties"), "body.properties", id)
    title = rich_text(ask.body.get("title", []), "body.title", ask.world.names)
    icon = check.file(ask.body.get("icon"), "body.icon", ask.world.uploads, emoji=True)
    _new_source(ask, id, database, columns, title, icon)
    _relate(ask, desk, id)
    return ask.result("data_source", id)


def retrieve_source(ask: Ask) -> dict[str, Any]:
    """`GET /data_sources/{id}`."""
    id, fields, trashed = ask.find("data_source", ask.ids[0])
    return ask.render.data_source(id, fields, trashed)


def update_source(ask: Ask) -> dict[str, Any]:
    """`PATCH /data_sources/{id}`: its columns, its title."""
    id, fields, trashed = ask.find("data_source", ask.ids[0], write=True)
    wanted = block.wanted_trash(ask)
    if trashed and wanted is None:
        ask.find("data_source", id, trash=False)
    changes: dict[str, Any] = {}
    if ask.body.get("title") is not None:
        changes["title"] = rich_text(ask.body["title"], "body.title", ask.world.names)
    if "icon" in ask.body:
        changes["icon"] = check.file(ask.body["icon"], "body.icon", ask.world.uploads, emoji=True)
    desk, columns = _desk(ask), None
    if ask.body.get("properties") is not None:
        columns = desk.changed(fields["columns"], ask.body["properties"], "body.properties", id)
    if wanted is not None:
        changes["trash"] = wanted
    ask.store.set("data_source", id, **changes, edited=ask.store.now, edited_by=ask.account.bot)
    if columns is not None:
        _set_columns(ask, desk, id, columns)
    return ask.result("data_source", id)


def query(ask: Ask) -> dict[str, Any]:
    """`POST /data_sources/{id}/query`, and `POST /databases/{id}/query` in the version 2022-06-28."""
    id = source_of(ask, ask.ids[0]) if ask.render.version == OLD else ask.find("data_source", ask.ids[0])[0]
    fields = ask.store.get("data_source", id) or {}
    _, above = ask.access(id)
    wanted = block.wanted_trash(ask)
    found: list[tuple[str, Fields]] = []
    for page_id in ask.store.entries(id):
        page = ask.store.get("page", page_id)
        if page is not None and page["trash"] == bool(wanted) and block.shared(ask, page_id):
            found.append((page_id, page))
    asked = Query(ask.render, fields["columns"], ask.store.now)
    if ask.body.get("filter") is not None:
        test = asked.test(ask.body["filter"])
        found = [entry for entry in found if test(*entry)]
    if ask.body.get("sorts") is not None:
        found = asked.order(ask.body["sorts"], found)
    else:
        found.reverse()  # the newest first
    pages = dict(found)
    shown, following = ask.cut(list(pages), ask.body)
    only = ask.only()
    results = [ask.render.page(page_id, pages[page_id], above or bool(wanted), only) for page_id in shown]
    return ask.listed("page_or_database" if ask.render.version == OLD else "page_or_data_source", results, following)


def templates(ask: Ask) -> dict[str, Any]:
    """`GET /data_sources/{id}/templates`: there are none."""
    ask.find("data_source", ask.ids[0])
    return {"templates": [], "has_more": False, "next_cursor": None}


# -- inside -----------------------------------------------------------------------------------------------------------


def _settings(ask: Ask, old: Fields) -> dict[str, Any]:
    body, found = ask.body, {key: old[key] for key in ("title", "description", "inline", "icon", "cover")}
    for key in ("title", "description"):
        if body.get(key) is not None:
            found[key] = rich_text(body[key], f"body.{key}", ask.world.names)
    if body.get("is_inline") is not None:
        found["inline"] = check.flag(body["is_inline"], "body.is_inline")
    if "icon" in body:
        found["icon"] = check.file(body["icon"], "body.icon", ask.world.uploads, emoji=True)
    if "cover" in body:
        found["cover"] = check.file(body["cover"], "body.cover", ask.world.uploads)
    return found


def _desk(ask: Ask) -> SchemaDesk:
    def reachable(id: str, where: str) -> str:
        if ask.store.get("data_source", id) is not None:
            return ask.find("data_source", id)[0]
        return source_of(ask, id)

    return SchemaDesk(ask.store, reachable)


def _new_source(ask: Ask, id: str, database: str, columns: Columns, title: Any, icon: Any = None) -> None:
    fields = {"database": database, "title": title, "icon": icon, "columns": columns, "trash": False}
    ask.store.add_source(id, {**fields, **ask.store.stamp(ask.account.bot)})


def _set_columns(ask: Ask, desk: SchemaDesk, source: str, columns: Columns) -> None:
    """Store columns; values of a column whose type has changed are gone."""
    old = (ask.store.get("data_source", source) or {})["columns"]
    changed = [id for id, column in columns.items() if id in old and old[id]["type"] != column["type"]]
    ask.store.set("data_source", source, columns=columns)
    for page_id in ask.store.entries(source) if changed else ():
        properties = (ask.store.get("page", page_id) or {})["properties"]
        if any(id in properties for id in changed):
            kept = {id: value for id, value in properties.items() if id not in changed}
            ask.store.set("page", page_id, properties=kept)
    _relate(ask, desk, source)


def _relate(ask: Ask, desk: SchemaDesk, source: str) -> None:
    """Make the other sides of new two-way relations."""
    for there, column, name in desk.related:
        own = (ask.store.get("data_source", source) or {})["columns"]
        here = next(one for one in own.values() if one["name"] == name)
        column["config"]["synced"] = here["id"]
        columns = (ask.store.get("data_source", there) or {})["columns"]
        ask.store.set("data_source", there, columns={**columns, column["id"]: column})
