"""Field masks: which parts of a message are wanted, or are to be set."""

from __future__ import annotations

import re
from typing import Any

from terrarium.capability.google_sheets.fault import bad

Mask = dict[str, "Mask"]  # an empty one: all of it

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[*(),./]|\S")
_LENGTH, _DEPTH = 4000, 20


def parse(text: str) -> Mask:
    """A mask such as `sheets(properties.title,data),spreadsheetId`; `*` is all.

    Raises:
        Fault: It is none.
    """
    if len(text) > _LENGTH:
        raise bad("Invalid field mask: it is too long")
    tokens = [*_TOKEN.findall(text), ""]
    mask, place = _list(tokens, 0, 0, text)
    if tokens[place]:
        raise _invalid(text)
    return {} if "*" in mask else mask


def _list(tokens: list[str], place: int, depth: int, text: str) -> tuple[Mask, int]:
    mask: Mask = {}
    while True:
        place = _path(tokens, place, depth, text, mask)
        if tokens[place] != ",":
            return mask, place
        place += 1


def _path(tokens: list[str], place: int, depth: int, text: str, mask: Mask) -> int:
    """Take in `a.b(c,d)`; what comes after it is at the place returned."""
    if depth > _DEPTH:
        raise _invalid(text)
    name = tokens[place]
    if not (name == "*" or (name.isascii() and (name[:1].isalpha() or name[:1] == "_"))):
        raise _invalid(text)
    place += 1
    known = name in mask and not mask[name]
    inner: Mask = {}
    if tokens[place] in (".", "/"):
        place = _path(tokens, place + 1, depth + 1, text, inner)
    elif tokens[place] == "(":
        inner, place = _list(tokens, place + 1, depth + 1, text)
        if tokens[place] != ")":
            raise _invalid(text)
        place += 1
    if "*" in inner or not inner or known:
        mask[name] = {}
    else:
        _merge(mask.setdefault(name, {}), inner)
    return place


def _merge(mask: Mask, other: Mask) -> None:
    for name, inner in other.items():
        if name not in mask:
            mask[name] = inner
        elif not inner or not mask[name]:
            mask[name] = {}
        else:
            _merge(mask[name], inner)


def _invalid(text: str) -> Exception:
    return bad(f"Invalid field selection {text[:100]}")


def pick(tree: Any, mask: Mask) -> Any:
    """The parts of a message that a mask names."""
    if not mask:
        return tree
    if isinstance(tree, list):
        return [pick(item, mask) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {name: pick(tree[name], inner) for name, inner in mask.items() if name in tree}


def wants(mask: Mask | None, *path: str) -> bool:
    """Whether any part of what is at a path is wanted."""
    for name in path:
        if not mask:
            return True
        if name not in mask:
            return False
        mask = mask[name]
    return True


def apply(old: dict[str, Any], new: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """A message with what the mask names taken from another; what the other lacks is removed."""
    if not mask:
        return dict(new)
    found = dict(old)
    for name, inner in mask.items():
        mine, theirs = found.get(name), new.get(name)
        if inner and (isinstance(mine, dict) or isinstance(theirs, dict)):
            value: Any = apply(
                mine if isinstance(mine, dict) else {}, theirs if isinstance(theirs, dict) else {}, inner
            )
            value = value or None
        else:
            value = theirs
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found
