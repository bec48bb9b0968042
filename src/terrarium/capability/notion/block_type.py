"""The types of blocks: what each may hold, and which may hold others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.field import words
from terrarium.capability.notion.rich_text import Names, rich_text

CHILDREN = 100  # blocks in one array
BLOCKS = 1000  # blocks in one request
NESTING = 2  # levels of children below those of a request


@dataclass(frozen=True)
class World:
    """What checking needs to know of the workspace.

    Attributes:
        names: What a mention shows.
        uploads: The file of an upload: `uploads(id, where)`.
        exists: Refuses an id of a page, database or block that is not there: `exists(kind, id, where)`.
    """

    names: Names
    uploads: Callable[[Any, str], dict[str, Any]]
    exists: Callable[[str, str, str], None]


@dataclass(frozen=True)
class Draft:
    """A block that was checked and is not stored yet."""

    type: str
    content: dict[str, Any]
    children: list[Draft] = field(default_factory=list)


Field = Callable[[Any, str, World], Any]
_MUST = object()


def _rich(value: Any, where: str, world: World) -> list[dict[str, Any]]:
    return rich_text(value, where, world.names)


def _cells(value: Any, where: str, world: World) -> list[list[dict[str, Any]]]:
    return [rich_text(cell, f"{where}[{n}]", world.names) for n, cell in enumerate(check.array(value, where))]


def _icon(value: Any, where: str, world: World) -> dict[str, Any] | None:
    return check.file(value, where, world.uploads, emoji=True)


def _language(value: Any, where: str, world: World) -> str:
    if value not in LANGUAGES:
        raise invalid(where, "a language such as `python` or `plain text`", value)
    return str(value)


def _synced(value: Any, where: str, world: World) -> dict[str, Any] | None:
    if value is None:
        return None
    id = check.uuid_of(check.table(value, where).get("block_id"), f"{where}.block_id")
    world.exists("block", id, where)
    return {"type": "block_id", "block_id": id}


def _bool(value: Any, where: str, world: World) -> bool:
    return check.flag(value, where)


def _url(value: Any, where: str, world: World) -> str:
    return check.text(value, where)


def _tint(value: Any, where: str, world: World) -> str:
    return check.color(value, where)


_TEXT: dict[str, tuple[Field, Any]] = {"rich_text": (_rich, _MUST), "color": (_tint, "default")}
_HEADING = {**_TEXT, "is_toggleable": (_bool, False)}
_LINK: dict[str, tuple[Field, Any]] = {"caption": (_rich, []), "url": (_url, _MUST)}
_FIELDS: dict[str, dict[str, tuple[Field, Any]]] = {
    "paragraph": {**_TEXT, "icon": (_icon, None)},
    "heading_1": _HEADING,
    "heading_2": _HEADING,
    "heading_3": _HEADING,
    "heading_4": _HEADING,
    "bulleted_list_item": _TEXT,
    "numbered_list_item": _TEXT,
    "quote": _TEXT,
    "toggle": _TEXT,
    "to_do": {**_TEXT, "checked": (_bool, False)},
    "callout": {**_TEXT, "icon": (_icon, {"type": "emoji", "emoji": "💡"})},
    "template": {"rich_text": (_rich, _MUST)},
    "code": {"rich_text": (_rich, _MUST), "caption": (_rich, []), "language": (_language, "plain text")},
    "equation": {"expression": (lambda v, w, _: check.text(v, w, 1000), _MUST)},
    "divider": {},
    "breadcrumb": {},
    "table_of_contents": {"color": (_tint, "default")},
    "bookmark": _LINK,
    "embed": _LINK,
    "column_list": {},
    "column": {"width_ratio": (lambda v, w, _: None if v is None else check.number(v, w), None)},
    "table": {
        "table_width": (lambda v, w, _: check.whole(v, w, 1, CHILDREN), _MUST),
        "has_column_header": (_bool, False),
        "has_row_header": (_bool, False),
    },
    "table_row": {"cells": (_cells, _MUST)},
    "synced_block": {"synced_from": (_synced, None)},
    "tab": {},
}
MEDIA = ("image", "video", "pdf", "file", "audio")
CONTAINERS = words(
    "paragraph bulleted_list_item numbered_list_item quote toggle to_do callout template column_list column "
    "table synced_block tab heading_1 heading_2 heading_3 heading_4"
)
TYPES = frozenset([*_FIELDS, *MEDIA, "link_to_page"])
LANGUAGES = words(
    "abap abc agda arduino assembly bash basic bnf c c# c++ clojure coffeescript coq css dart dhall diff "
    "docker ebnf elixir elm erlang f# flow fortran gherkin glsl go graphql groovy haskell hcl html idris java "
    "javascript json julia kotlin latex less lisp livescript lua makefile markdown markup matlab mathematica "
    "mermaid nix objective-c ocaml pascal perl php powershell prolog protobuf purescript python r racket "
    "reason ruby rust sass scala scheme scss shell smalltalk solidity sql swift toml typescript vb.net "
    "verilog vhdl webassembly xml yaml java/c/c++/c#"
) | {"ascii art", "llvm ir", "notion formula", "plain text", "visual basic"}


def drafts(value: Any, where: str, world: World, parent: str | None = None) -> list[Draft]:
    """The blocks of a request.

    Args:
        value: What was sent.
        where: Its path.
        world: The workspace.
        parent: The type of the block they go into; None: a page.

    Raises:
        ApiError: One is not of a known form, there are too many, or they are nested too deep.
    """
    left = [BLOCKS]
    return _drafts(value, where, world, parent, 0, left)


def _drafts(value: Any, where: str, world: World, parent: str | None, depth: int, left: list[int]) -> list[Draft]:
    items = check.array(value, where, CHILDREN)
    if items and depth > NESTING:
        raise ApiError("validation_error", f"body failed validation: {where} should be not present: nested too deep.")
    left[0] -= len(items)
    if left[0] < 0:
        raise ApiError("validation_error", f"body failed validation: a request may hold {BLOCKS} blocks at most.")
    return [_draft(item, f"{where}[{n}]", world, parent, depth, left) for n, item in enumerate(items)]


def _draft(value: Any, where: str, world: World, parent: str | None, depth: int, left: list[int]) -> Draft:
    given = check.table(value, where)
    kind = type_of(given, where)
    if (kind == "table_row") != (parent == "table") or (kind == "column") != (parent == "column_list"):
        raise ApiError("validation_error", f"body failed validation: a {kind} cannot be in {parent or 'a page'}.")
    inner = check.table(given[kind], f"{where}.{kind}")
    content = content_of(kind, inner, f"{where}.{kind}", world)
    below = inner.get("children", given.get("children"))
    if below is not None and kind not in CONTAINERS and below != []:
        raise invalid(f"{where}.{kind}.children", "not present", below)
    children = [] if below is None else _drafts(below, f"{where}.{kind}.children", world, kind, depth + 1, left)
    if kind.startswith("heading") and children and not content["is_toggleable"]:
        content["is_toggleable"] = True
    if kind == "table":
        if not children:
            raise invalid(f"{where}.table.children", "defined")
        check_rows(children, content["table_width"], f"{where}.table")
    if kind == "column_list" and len(children) < 2:
        raise ApiError("validation_error", f"body failed validation: {where}.column_list.children.length should be ≥ 2")
    return Draft(kind, content, children)


def check_rows(rows: list[Draft], width: int, where: str) -> None:
    """Refuse rows that are not as wide as their table."""
    for row in rows:
        if len(row.content["cells"]) != width:
            raise ApiError("validation_error", f"Number of cells in table row must match the table width of {width}.")


def type_of(given: Mapping[str, Any], where: str) -> str:
    """The type of a block that was sent.

    Raises:
        ApiError: It has none of those there are.
    """
    kind = given.get("type")
    if kind is None:
        kind = next((key for key in given if key in TYPES), None)
    if not isinstance(kind, str) or kind not in TYPES:
        known = ", ".join(f"`{name}`" for name in ("paragraph", "heading_1", "to_do", "code", "table"))
        raise invalid(f"{where}.type", f"a type of block such as {known}", *([] if kind is None else [kind]))
    if kind not in given:
        raise invalid(f"{where}.{kind}", "defined")
    return kind


def content_of(
    kind: str, given: Mapping[str, Any], where: str, world: World, old: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a block of a type holds, checked.

    Args:
        kind: The type.
        given: What was sent under it.
        where: Its path.
        world: The workspace.
        old: What it holds already: fields that are not given stay.

    Raises:
        ApiError: A field is missing or cannot be.
    """
    if kind in MEDIA:
        return _media(kind, given, where, world, old)
    if kind == "link_to_page":
        for key, what in (("page_id", "page"), ("database_id", "database")):
            if key in given:
                id = check.uuid_of(given[key], f"{where}.{key}")
                world.exists(what, id, f"{where}.{key}")
                return {"type": key, key: id}
        raise invalid(where, "an object with `page_id` or `database_id`", given)
    fields = _FIELDS[kind]
    for key in given:
        if key not in fields and key not in ("children", "text", "type"):
            raise invalid(f"{where}.{key}", "not present", given[key])
    found: dict[str, Any] = {}
    for name, (look, default) in fields.items():
        if name in given:
            found[name] = look(given[name], f"{where}.{name}", world)
        elif old is not None:
            found[name] = old.get(name, default)
        elif default is _MUST:
            raise invalid(f"{where}.{name}", "defined")
        else:
            found[name] = list(default) if isinstance(default, list) else default
    if kind == "column" and found["width_ratio"] is None:
        del found["width_ratio"]
    if old is not None and kind == "table" and found["table_width"] != old["table_width"]:
        raise invalid(f"{where}.table_width", "not present", given["table_width"])
    return found


def _media(
    kind: str, given: Mapping[str, Any], where: str, world: World, old: Mapping[str, Any] | None
) -> dict[str, Any]:
    caption = rich_text(given["caption"], f"{where}.caption", world.names) if "caption" in given else None
    if old is not None and not {"external", "file", "file_upload"} & set(given):
        return {**old, "caption": old["caption"] if caption is None else caption}
    source = check.file(given, where, world.uploads) or {}
    found = {"caption": caption or [], **source}
    if kind == "file":
        url = source.get("external", {}).get("url", "")
        found["name"] = check.text(given.get("name", url.rpartition("/")[2] or "file"), f"{where}.name", 900)
    return found
