"""Requests about blocks: one of them, and those that a page or block holds."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.ask import Ask
from terrarium.capability.notion.block_type import CONTAINERS, Draft, check_rows, content_of, drafts

_ASIDE = frozenset({"archived", "in_trash", "type", "object", "id"})


def retrieve(ask: Ask) -> dict[str, Any]:
    """`GET /blocks/{id}`; a page is a block, too."""
    id = check.uuid_of(ask.ids[0])
    page = ask.store.get("page", id)
    if page is not None:
        _, _, trashed = ask.find("page", id)
        return ask.render.page_as_block(id, page, trashed)
    id, fields, trashed = ask.find("block", id)
    return ask.render.block(fields, trashed)


def children(ask: Ask) -> dict[str, Any]:
    """`GET /blocks/{id}/children`."""
    id = ask.container(ask.ids[0])
    _, trashed = ask.access(id)
    ids = [fields["id"] for fields in ask.store.children(id) if not fields["trash"]]
    shown, following = ask.cut([child for child in ids if shared(ask, child)])
    blocks = [ask.render.block(ask.store.block(child) or {}, trashed) for child in shown]
    return ask.listed("block", blocks, following)


def append(ask: Ask) -> dict[str, Any]:
    """`PATCH /blocks/{id}/children`: new blocks at the end, at the start, or after another."""
    id = ask.container(ask.ids[0], write=True)
    parent = ask.store.block(id) if ask.store.get("page", id) is None else None
    kind = None if parent is None else parent["type"]
    if kind is not None and kind not in CONTAINERS:
        raise ApiError("validation_error", f"Block does not support children: it is a {kind}.")
    if "children" not in ask.body:
        raise invalid("body.children", "defined")
    new = drafts(ask.body["children"], "body.children", ask.world, kind)
    if kind == "table" and parent is not None:
        check_rows(new, parent["content"]["table_width"], "body")
    after, start = _position(ask)
    made = insert(ask, id, new, after, start)
    ask.touch(id)
    return ask.listed("block", [ask.result("block", child) for child in made], None)


def update(ask: Ask) -> dict[str, Any]:
    """`PATCH /blocks/{id}`: other content, into the trash, or out of it."""
    id = check.uuid_of(ask.ids[0])
    if ask.store.get("page", id) is not None:
        return _trash(ask, id, _wanted(ask)) if _wanted(ask) is not None else retrieve(ask)
    id, fields, _ = ask.find("block", id, write=True)
    kind, wanted = fields["type"], _wanted(ask)
    given = [key for key in ask.body if key not in _ASIDE]
    if given and given != [kind]:
        raise ApiError(
            "validation_error", f"Block type cannot be changed: it is a {kind}, and {given[0][:60]} was given."
        )
    if given and kind == "child_database":
        raise ApiError("validation_error", "Use the endpoints of databases to change a database.")
    content = fields["content"]
    if given:
        inner = check.table(ask.body[kind], f"body.{kind}")
        content = content_of(kind, inner, f"body.{kind}", ask.world, content)
        if kind == "table_row":
            table = ask.store.block(ask.store.container(id)) or {}
            check_rows([Draft(kind, content)], table["content"]["table_width"], "body")
    if given and (wanted or wanted is None):
        ask.find("block", id, trash=False)
        if wanted:
            raise invalid(f"body.{kind}", "not present where the block goes into the trash", ask.body[kind])
    if wanted is not None:
        _trash(ask, id, wanted)
    if given:
        ask.store.set_block(id, content=content, edited=ask.store.now, edited_by=ask.account.bot)
        ask.mention_in(_new_mentions(content, fields["content"]), id)
        ask.touch(id)
    return ask.result("block", id)


def delete(ask: Ask) -> dict[str, Any]:
    """`DELETE /blocks/{id}`: into the trash."""
    return _trash(ask, check.uuid_of(ask.ids[0]), True)


def insert(ask: Ask, container: str, new: list[Draft], after: str | None = None, start: bool = False) -> list[str]:
    """Store blocks that were checked, with what they hold; gives the ids of the outer ones.

    Raises:
        ApiError: There is no place for them.
    """
    places = ask.store.places(container, len(new), after, start=start)
    if new:
        ask.store.check_depth(container, _levels(new))
    return _store(ask, container, new, places)


def _store(ask: Ask, container: str, new: list[Draft], places: list[str]) -> list[str]:
    made = []
    for draft, place in zip(new, places, strict=True):
        id = ask.store.new_id()
        fields = {"id": id, "type": draft.type, "content": draft.content, "trash": False}
        ask.store.put_block(container, place, {**fields, **ask.store.stamp(ask.account.bot)})
        _store(ask, id, draft.children, ask.store.places(id, len(draft.children), None))
        ask.mention_in(_texts(draft.content), id)
        made.append(id)
    return made


def stand_in(ask: Ask, container: str, id: str, kind: str, after: str | None = None, start: bool = False) -> None:
    """Put the block of a child page or database into what holds it."""
    [place] = ask.store.places(container, 1, after, start=start)
    fields = {"id": id, "type": kind, "content": {}, "trash": False}
    ask.store.put_block(container, place, {**fields, **ask.store.stamp(ask.account.bot)})


def set_trash(ask: Ask, table: str, id: str, wanted: bool) -> None:
    """Put a page or database, and the block that stands for it, into the trash or out of it.

    Raises:
        ApiError: It is not in any page, or what it is in is in the trash.
    """
    fields = ask.store.get(table, id) or {}
    if fields["parent"]["type"] == "workspace":
        raise ApiError("validation_error", "Archiving workspace level pages via API not supported.")
    if fields["trash"] == wanted:
        return
    if not wanted:
        _check_above(ask, id)
    ask.store.set(table, id, trash=wanted, edited=ask.store.now, edited_by=ask.account.bot)
    if ask.store.block(id) is not None:
        ask.store.set_block(id, trash=wanted)


# -- inside -----------------------------------------------------------------------------------------------------------


def _trash(ask: Ask, id: str, wanted: bool | None) -> dict[str, Any]:
    for table in ("page", "database"):
        if ask.store.get(table, id) is not None:
            ask.find(table, id, write=True)
            set_trash(ask, table, id, bool(wanted))
            return retrieve(ask)
    id, fields, _ = ask.find("block", id, write=True)
    if fields["type"] in ("table_row", "column") and wanted:
        siblings = [c for c in ask.store.children(ask.store.container(id)) if not c["trash"] and c["id"] != id]
        if not siblings:
            raise ApiError("validation_error", f"The last {fields['type']} cannot be removed: remove what holds it.")
    if fields["trash"] != wanted:
        if not wanted:
            _check_above(ask, id)
        ask.store.set_block(id, trash=bool(wanted), edited=ask.store.now, edited_by=ask.account.bot)
        ask.touch(id)
    return ask.result("block", id)


def _check_above(ask: Ask, id: str) -> None:
    above = list(ask.store.chain(id))[1:]
    if any(fields["trash"] for _, _, fields in above):
        raise ApiError("validation_error", "Can't unarchive what is in something that is archived.")


def _wanted(ask: Ask) -> bool | None:
    return wanted_trash(ask)


def wanted_trash(ask: Ask) -> bool | None:
    """Whether the body asks for the trash (True), out of it (False) or neither (None)."""
    for key in ("in_trash", "archived"):
        if ask.body.get(key) is not None:
            return check.flag(ask.body[key], f"body.{key}")
    return None


def _position(ask: Ask) -> tuple[str | None, bool]:
    after, position = ask.body.get("after"), ask.body.get("position")
    if position is None:
        return (None if after is None else check.uuid_of(after, "body.after")), False
    given = check.table(position, "body.position")
    kind = given.get("type")
    if after is not None or kind not in ("start", "end", "after_block"):
        raise invalid("body.position.type", "`start`, `end` or `after_block`, and no `after` beside it", kind)
    if kind == "after_block":
        inner = check.table(given.get("after_block"), "body.position.after_block")
        return check.uuid_of(inner.get("id"), "body.position.after_block.id"), False
    return None, kind == "start"


def shared(ask: Ask, id: str) -> bool:
    """Whether a child page or database is not kept from who asks."""
    if ask.account.agent is None:
        return True
    share = ask.store.rows.get("share", f"{ask.account.agent}/{id}")
    return share is None or share["access"] != "none"


def _levels(new: list[Draft]) -> int:
    return max((1 + _levels(draft.children) for draft in new), default=0)


def _texts(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [*content.get("rich_text", ()), *content.get("caption", ())]


def _new_mentions(content: dict[str, Any], old: Any) -> list[dict[str, Any]]:
    known = [item.get("mention") for item in _texts(old)]
    return [item for item in _texts(content) if item["type"] != "mention" or item["mention"] not in known]
