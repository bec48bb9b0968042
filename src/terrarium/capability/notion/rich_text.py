"""Rich text: what is sent is checked and kept in the form in which it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from terrarium.capability.notion import field
from terrarium.capability.notion.api_error import invalid

TEXT_LIMIT = 2000
_MARKS = ("bold", "italic", "strikethrough", "underline", "code")
Names = Callable[[str, str], str]
"""What a mention shows: `names("user", id)`, `names("page", id)`."""


def rich_text(value: Any, where: str, names: Names) -> list[dict[str, Any]]:
    """An array of rich text items.

    Raises:
        ApiError: It is none, has over 100 items, or one of over 2000 characters.
    """
    items = field.array(value, where)
    return [_item(item, f"{where}[{place}]", names) for place, item in enumerate(items)]


def plain(items: Iterable[Mapping[str, Any]]) -> str:
    """The text without its marks."""
    return "".join(item["plain_text"] for item in items)


def of(text: str) -> list[dict[str, Any]]:
    """Plain text as items to send, cut where one would be too long."""
    return [{"type": "text", "text": {"content": text[at : at + TEXT_LIMIT]}} for at in range(0, len(text), TEXT_LIMIT)]


def mentioned(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of the users mentioned."""
    found = [item["mention"] for item in items if item["type"] == "mention"]
    return [mention["user"]["id"] for mention in found if mention["type"] == "user"]


def _item(value: Any, where: str, names: Names) -> dict[str, Any]:
    given = field.table(value, where)
    kinds = [kind for kind in ("text", "mention", "equation") if kind in given]
    kind = given.get("type", kinds[0] if kinds else None)
    if not isinstance(kind, str) or kind not in kinds:
        raise invalid(f"{where}.text", "defined")
    found: dict[str, Any] = {"type": kind}
    href = None
    if kind == "text":
        inner = field.table(given["text"], f"{where}.text")
        if "content" not in inner:
            raise invalid(f"{where}.text.content", "defined")
        content = field.text(inner["content"], f"{where}.text.content", TEXT_LIMIT)
        link = inner.get("link")
        if link is not None:
            href = field.text(field.table(link, f"{where}.text.link").get("url"), f"{where}.text.link.url")
        found["text"] = {"content": content, "link": None if href is None else {"url": href}}
        shown = content
    elif kind == "equation":
        inner = field.table(given["equation"], f"{where}.equation")
        shown = field.text(inner.get("expression"), f"{where}.equation.expression", 1000)
        found["equation"] = {"expression": shown}
    else:
        found["mention"], shown = _mention(given["mention"], f"{where}.mention", names)
        if found["mention"]["type"] in ("page", "database"):
            target: str = found["mention"][found["mention"]["type"]]["id"]
            href = f"https://www.notion.so/{target.replace('-', '')}"
    found["annotations"] = _annotations(given.get("annotations"), f"{where}.annotations")
    found["plain_text"] = shown
    found["href"] = href
    return found


def _mention(value: Any, where: str, names: Names) -> tuple[dict[str, Any], str]:
    given = field.table(value, where)
    kinds = [kind for kind in ("user", "page", "database", "date") if kind in given]
    kind = given.get("type", kinds[0] if kinds else None)
    if not isinstance(kind, str) or kind not in kinds:
        raise invalid(where, "a mention of a `user`, `page`, `database` or `date`", value)
    if kind == "date":
        span = field.date_range(given["date"], f"{where}.date")
        shown = span["start"] if span["end"] is None else f"{span['start']} → {span['end']}"
        return {"type": "date", "date": span}, shown
    inner = field.table(given[kind], f"{where}.{kind}")
    id = field.uuid_of(inner.get("id"), f"{where}.{kind}.id")
    shown = names(kind, id)
    if kind == "user":
        return {"type": "user", "user": {"object": "user", "id": id}}, f"@{shown}"
    return {"type": kind, kind: {"id": id}}, shown


def _annotations(value: Any, where: str) -> dict[str, Any]:
    given = {} if value is None else field.table(value, where)
    found: dict[str, Any] = {mark: field.flag(given.get(mark, False), f"{where}.{mark}") for mark in _MARKS}
    found["color"] = field.color(given.get("color", "default"), f"{where}.color")
    return found
