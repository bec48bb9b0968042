"""Requests about comments and users."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid, not_found
from terrarium.capability.notion.ask import Ask, known_parent
from terrarium.capability.notion.rich_text import of, rich_text
from terrarium.capability.notion.store import Fields


def create(ask: Ask) -> dict[str, Any]:
    """`POST /comments`: on a page or block, or in a discussion."""
    discussion = ask.body.get("discussion_id")
    if discussion is not None:
        known = check.uuid_of(discussion, "body.discussion_id")
        first = next((row for row in ask.store.rows.table("comment") if row.fields["discussion"] == known), None)
        if first is None:
            raise not_found("block", known)
        on = first.fields["on"]
    else:
        _, parent = known_parent(ask.body.get("parent"), ("page_id", "block_id"))
        on, known = parent, ask.store.new_id()
    _found(ask, on, write=True)
    text = _text(ask)
    id = ask.store.new_id()
    fields = {"on": on, "discussion": known, "rich_text": text, **ask.store.stamp(ask.account.bot)}
    ask.store.add_comment(id, fields)
    ask.mention_in(text, on)
    return ask.render.comment(id, fields)


def listing(ask: Ask) -> dict[str, Any]:
    """`GET /comments?block_id=`."""
    if not ask.query.get("block_id"):
        raise ApiError("validation_error", "query failed validation: query.block_id should be defined.")
    on = check.uuid_of(ask.query["block_id"][0])
    _found(ask, on)
    shown, following = ask.cut(ask.store.comments(on))
    results = [ask.render.comment(id, ask.store.get("comment", id) or {}) for id in shown]
    return ask.listed("comment", results, following)


def retrieve(ask: Ask) -> dict[str, Any]:
    """`GET /comments/{id}`."""
    return ask.render.comment(*_comment(ask))


def update(ask: Ask) -> dict[str, Any]:
    """`PATCH /comments/{id}`: another text, by who wrote it."""
    id, fields = _comment(ask, own=True)
    text = _text(ask)
    ask.store.set("comment", id, rich_text=text, edited=ask.store.now)
    ask.mention_in(text, fields["on"])
    return ask.render.comment(id, ask.store.get("comment", id) or {})


def delete(ask: Ask) -> dict[str, Any]:
    """`DELETE /comments/{id}`, by who wrote it."""
    id, fields = _comment(ask, own=True)
    ask.store.drop_comment(id)
    return ask.render.comment(id, fields)


def me(ask: Ask) -> dict[str, Any]:
    """`GET /users/me`: the integration."""
    return ask.accounts.users[ask.account.bot]


def user(ask: Ask) -> dict[str, Any]:
    """`GET /users/{id}`."""
    id = check.uuid_of(ask.ids[0])
    found = ask.accounts.users.get(id)
    if found is None:
        raise not_found("user", id)
    return found


def users(ask: Ask) -> dict[str, Any]:
    """`GET /users`."""
    shown, following = ask.cut(list(ask.accounts.users))
    return ask.listed("user", [ask.accounts.users[id] for id in shown], following)


# -- inside -----------------------------------------------------------------------------------------------------------


def _found(ask: Ask, on: Any, *, write: bool = False) -> None:
    table = "page" if ask.store.get("page", on) is not None else "block"
    ask.find(table, on, write=write, trash=not write)


def _comment(ask: Ask, *, own: bool = False) -> tuple[str, Fields]:
    id = check.uuid_of(ask.ids[0])
    fields = ask.store.get("comment", id)
    if fields is None:
        raise ApiError("object_not_found", f"Could not find comment with ID: {id}.")
    _found(ask, fields["on"], write=own)
    if own and ask.account.agent is not None and fields["created_by"] != ask.account.bot:
        raise ApiError("restricted_resource", "Only who wrote a comment can change it.")
    return id, fields


def _text(ask: Ask) -> list[dict[str, Any]]:
    if "rich_text" not in ask.body and isinstance(ask.body.get("markdown"), str):
        return rich_text(of(ask.body["markdown"]), "body.markdown", ask.world.names)
    if "rich_text" not in ask.body:
        raise invalid("body.rich_text", "defined")
    text = rich_text(ask.body["rich_text"], "body.rich_text", ask.world.names)
    if not text:
        raise invalid("body.rich_text", "an array with text", [])
    return text
