"""Requests about pages: their properties, their content, where they are."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import block, rich_text
from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.ask import Ask, known_parent
from terrarium.capability.notion.block_type import drafts
from terrarium.capability.notion.database import source_of
from terrarium.capability.notion.markdown import blocks_of, markdown_of
from terrarium.capability.notion.render import OLD
from terrarium.capability.notion.store import Fields
from terrarium.capability.notion.value import RELATED, Values, check_values

_LISTS = ("title", "rich_text", "people", "relation")


def create(ask: Ask) -> dict[str, Any]:
    """`POST /pages`: into a page, a data source or the workspace."""
    parent = _parent(ask)
    if parent["type"] == "page_id":
        ask.find("page", parent["id"], write=True, trash=False)
    elif parent["type"] == "data_source_id":
        ask.find("data_source", parent["id"], write=True, trash=False)
    elif ask.account.access != "write":
        raise ApiError("restricted_resource", "Insufficient permissions for this endpoint.")
    ask.store.check_depth(parent.get("id"), 4)
    id = ask.store.new_id()
    fields: dict[str, Any] = {"parent": parent, "properties": {}, "icon": None, "cover": None, "locked": False}
    fields |= {"trash": False, "number": None, **ask.store.stamp(ask.account.bot)}
    values = _values(ask, fields)
    fields["properties"] = values.found
    fields["icon"] = check.file(ask.body.get("icon"), "body.icon", ask.world.uploads, emoji=True)
    fields["cover"] = check.file(ask.body.get("cover"), "body.cover", ask.world.uploads)
    content = ask.body.get("children", ask.body.get("content"))
    if content is None and ask.body.get("markdown") is not None:
        content = blocks_of(check.text(ask.body["markdown"], "body.markdown", 500_000))[:100]
    new = [] if content is None else drafts(content, "body.children", ask.world)
    _learn(ask, fields, values)
    ask.store.add_page(id, fields)
    if parent["type"] == "page_id":
        block.stand_in(ask, parent["id"], id, "child_page")
        ask.touch(parent["id"])
    block.insert(ask, id, new)
    _tie(ask, id, fields, {}, values)
    _tell(ask, id, fields, {}, values)
    return ask.result("page", id)


def retrieve(ask: Ask) -> dict[str, Any]:
    """`GET /pages/{id}`."""
    id, fields, trashed = ask.find("page", ask.ids[0])
    return ask.render.page(id, fields, trashed, ask.only() if ask.query else None)


def update(ask: Ask) -> dict[str, Any]:
    """`PATCH /pages/{id}`: properties, icon, cover, trash."""
    id, fields, trashed = ask.find("page", ask.ids[0], write=True)
    wanted = block.wanted_trash(ask)
    changes: dict[str, Any] = {}
    values = Values()
    if ask.body.get("properties") is not None:
        values = _values(ask, fields)
        if values.found:
            changes["properties"] = {**fields["properties"], **values.found}
    if "icon" in ask.body:
        changes["icon"] = check.file(ask.body["icon"], "body.icon", ask.world.uploads, emoji=True)
    if "cover" in ask.body:
        changes["cover"] = check.file(ask.body["cover"], "body.cover", ask.world.uploads)
    if ask.body.get("is_locked") is not None:
        changes["locked"] = check.flag(ask.body["is_locked"], "body.is_locked")
    erase = check.flag(ask.body.get("erase_content", False), "body.erase_content")
    if trashed and (changes or erase) and wanted is not False:
        ask.find("page", id, trash=False)
    if wanted is not None:
        block.set_trash(ask, "page", id, wanted)
    if changes:
        _learn(ask, fields, values)
        ask.store.set("page", id, **changes, edited=ask.store.now, edited_by=ask.account.bot)
        _tie(ask, id, fields, fields["properties"], values)
        _tell(ask, id, fields, fields["properties"], values)
    if erase:
        _erase(ask, id)
    return ask.result("page", id)


def move(ask: Ask) -> dict[str, Any]:
    """`POST /pages/{id}/move`: under another page, or into a data source; only its title goes along then."""
    id, fields, _ = ask.find("page", ask.ids[0], write=True, trash=False)
    parent = _parent(ask)
    if parent["type"] == "workspace" or id == ask.store.session:
        raise ApiError("validation_error", "Pages cannot be moved to or from the top of the workspace.")
    table = "page" if parent["type"] == "page_id" else "data_source"
    ask.find(table, parent["id"], write=True, trash=False)
    if any(at == id for _, at, _ in ask.store.chain(parent["id"])):
        raise ApiError("validation_error", "A page cannot be moved into itself.")
    ask.store.check_depth(parent["id"], ask.store.height(id))
    if parent != dict(fields["parent"]):
        if ask.store.block(id) is not None:
            ask.store.drop_block(id)
        ask.store.set("page", id, properties={"title": fields["properties"].get("title", [])})
        ask.store.move_page(id, parent)
        if parent["type"] == "page_id":
            block.stand_in(ask, parent["id"], id, "child_page")
        ask.store.set("page", id, edited=ask.store.now, edited_by=ask.account.bot)
    return ask.result("page", id)


def property_item(ask: Ask) -> dict[str, Any]:
    """`GET /pages/{id}/properties/{property}`: one value, or a list of what it holds."""
    id, fields, _ = ask.find("page", ask.ids[0])
    columns = ask.render.columns(fields)
    column = columns.get(ask.ids[1])
    if column is None:
        raise ApiError("object_not_found", f"Could not find property with name or id: {ask.ids[1][:100]}")
    kind = column["type"]
    value = ask.render.value(id, fields, column)
    if kind not in _LISTS:
        return {"object": "property_item", "type": kind, "id": column["id"], kind: value}
    cursors = [f"{place:08x}-0000-4000-8000-000000000000" for place in range(len(value))]
    shown, following = ask.cut(cursors)
    items = [
        {"object": "property_item", "type": kind, "id": column["id"], kind: value[int(cursor[:8], 16)]}
        for cursor in shown
    ]
    base = f"https://api.notion.com/v1/pages/{id}/properties/{column['id']}"
    return {
        **ask.listed("property_item", items, following),
        "property_item": {
            "id": column["id"],
            "next_url": None if following is None else f"{base}?start_cursor={following}",
            "type": kind,
            kind: {},
        },
    }


def get_markdown(ask: Ask) -> dict[str, Any]:
    """`GET /pages/{id}/markdown`."""
    id, _, _ = ask.find("page", ask.ids[0])
    text = markdown_of(lambda at: _blocks(ask, at), id)
    return {"object": "page_markdown", "id": id, "markdown": text, "truncated": False, "unknown_block_ids": []}


def set_markdown(ask: Ask) -> dict[str, Any]:
    """`PATCH /pages/{id}/markdown`: all of it anew, or some texts in it."""
    id, _, _ = ask.find("page", ask.ids[0], write=True, trash=False)
    kind = ask.body.get("type")
    if kind not in ("replace_content", "update_content", "insert_content"):
        raise invalid("body.type", "`replace_content`, `update_content` or `insert_content`", kind)
    given = check.table(ask.body.get(kind), f"body.{kind}")
    text = "" if kind == "replace_content" else markdown_of(lambda at: _blocks(ask, at), id)
    if kind == "update_content":
        for place, item in enumerate(check.array(given.get("content_updates"), "body.update_content.content_updates")):
            where = f"body.update_content.content_updates[{place}]"
            change = check.table(item, where)
            old = check.text(change.get("old_str"), f"{where}.old_str", 500_000)
            new_text = check.text(change.get("new_str"), f"{where}.new_str", 500_000)
            found = text.count(old) if old else 0
            if not found or (found > 1 and change.get("replace_all_matches") is not True):
                raise ApiError("validation_error", f"{where}.old_str occurs {found} times in the page, not once.")
            text = text.replace(old, new_text)
    elif kind == "replace_content":
        text = check.text(given.get("new_str"), "body.replace_content.new_str", 500_000)
    else:
        text += "\n" + check.text(given.get("content"), "body.insert_content.content", 500_000)
    if len(text) > 500_000:
        raise ApiError("validation_error", "A page's markdown may have 500000 characters.")
    sent = blocks_of(text)
    if len(sent) > 1000:
        raise ApiError("validation_error", "A page's markdown may make 1000 blocks.")
    new = [drafts(sent[at : at + 100], "body.markdown", ask.world) for at in range(0, len(sent), 100)]
    ask.store.check_depth(id, 3)
    _erase(ask, id)
    for batch in new:
        block.insert(ask, id, batch)
    ask.touch(id)
    return get_markdown(ask)


# -- inside -----------------------------------------------------------------------------------------------------------


def _blocks(ask: Ask, container: str) -> list[dict[str, Any]]:
    return [ask.render.block(fields, False) for fields in ask.store.children(container) if not fields["trash"]]


def _erase(ask: Ask, id: str) -> None:
    """Everything of a page but its child pages and databases goes into the trash."""
    for fields in list(ask.store.children(id)):
        if not fields["trash"] and not fields["type"].startswith("child_"):
            ask.store.set_block(fields["id"], trash=True)


def _parent(ask: Ask) -> dict[str, Any]:
    if "parent" not in ask.body:
        raise invalid("body.parent", "defined")
    sources = ("database_id",) if ask.render.version == OLD else ("data_source_id", "database_id")
    kind, id = known_parent(ask.body["parent"], ("page_id", *sources, "workspace"))
    if id is None:
        return {"type": "workspace"}
    if kind == "page_id":
        return {"type": "page_id", "id": id}
    return {"type": "data_source_id", "id": source_of(ask, id, kind)}


def _values(ask: Ask, fields: Fields) -> Values:
    def related(id: str, source: str, where: str) -> None:
        _, page, _ = ask.find("page", id)
        if page["parent"].get("id") != source:
            raise ApiError("validation_error", f"{where}: page {id} is not in the related data source.")

    given = ask.body.get("properties")
    columns = ask.render.columns(fields)
    chance = ask.store.site.rng.stream(f"{ask.store.site.name}/column")
    return check_values({} if given is None else given, columns, "body.properties", ask.world, chance, related=related)


def _learn(ask: Ask, fields: Fields, values: Values) -> None:
    """Keep the options that values have brought."""
    if values.columns:
        source = fields["parent"]["id"]
        columns = (ask.store.get("data_source", source) or {})["columns"]
        ask.store.set("data_source", source, columns={**columns, **values.columns})


def _tie(ask: Ask, id: str, fields: Fields, old: Any, values: Values) -> None:
    """Keep the other side of two-way relations."""
    columns = ask.render.columns(fields)
    for column_id, now in values.found.items():
        column = columns.get(column_id)
        if column is None or column["type"] != "relation" or column["config"]["synced"] is None:
            continue
        synced = column["config"]["synced"]
        before = old.get(column_id, [])
        for other in [*(one for one in before if one not in now), *(one for one in now if one not in before)]:
            page = ask.store.get("page", other)
            if page is None:
                continue
            kept = [one for one in page["properties"].get(synced, []) if one != id]
            if other in now and len(kept) < RELATED:
                kept.append(id)
            ask.store.set("page", other, properties={**page["properties"], synced: kept})


def _tell(ask: Ask, id: str, fields: Fields, old: Any, values: Values) -> None:
    """Tell who was assigned to a page, or mentioned in its properties."""
    columns = ask.render.columns(fields)
    page = ask.store.get("page", id) or fields
    for column_id, value in values.found.items():
        kind = columns[column_id]["type"]
        if kind == "people":
            users = [user for user in value if user not in old.get(column_id, [])]
            ask.mention(users, ask.render.title(page), "assigned")
        elif kind in ("title", "rich_text"):
            known = rich_text.mentioned(old.get(column_id, []))
            ask.mention([u for u in rich_text.mentioned(value) if u not in known], ask.render.title(page))
