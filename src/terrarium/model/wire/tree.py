"""Trees of JSON that strangers sent: what is in them, whatever they hold; and trees that every server takes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terrarium.core.errors import ModelFault, Refused
from terrarium.core.message import Block, ImageBlock, ToolUseBlock

Tree = dict[str, Any]
_DEEPEST = 100  # of the arguments of a call; what is nested deeper is text


def at(tree: Any, key: str) -> Any:
    """What is at a key; None where nothing is."""
    return tree.get(key) if isinstance(tree, Mapping) else None


def text_at(tree: Any, key: str) -> str:
    """The text at a key; empty where there is none."""
    value = at(tree, key)
    return value if isinstance(value, str) else ""


def count_at(tree: Any, key: str) -> int:
    """The number of tokens at a key; 0 where there is none."""
    value = at(tree, key)
    return value if type(value) is int and 0 <= value < 2**53 else 0


def table_at(tree: Any, key: str) -> Mapping[str, Any]:
    """The table at a key; an empty one where there is none."""
    value = at(tree, key)
    return value if isinstance(value, Mapping) else {}


def tables_at(tree: Any, key: str) -> list[Mapping[str, Any]]:
    """The tables of the list at a key; what else is in the list is left out."""
    value = at(tree, key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def wanted(tree: Any, key: str, kind: type, where: str) -> Any:
    """What a request must have at a key.

    Raises:
        Refused: It is not there, or of another kind.
    """
    value = at(tree, key)
    if not isinstance(value, kind):
        raise Refused(f"{where}.{key}: {_KINDS.get(kind, kind.__name__)} is needed here")
    return value


_KINDS: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


def image_of(data: str, media_type: str, where: str) -> ImageBlock:
    """An image that came as base64.

    Raises:
        Refused: It is no base64.
    """
    try:
        return ImageBlock(base64.b64decode(data, validate=True), media_type or "image/png")
    except (binascii.Error, ValueError):
        raise Refused(f"{where}: the data of an image is base64") from None


def arguments_of(value: Any) -> Any:
    """The arguments of a tool call: an object as it is, everything else as the text of it.

    Raises:
        ModelFault: They are nested so deep that not even their text can be had.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and not _is_deep(value):
        return dict(value)
    try:
        return json.dumps(value)
    except RecursionError:
        raise ModelFault("the arguments of a tool call are nested too deep") from None


def parsed(text: str) -> Any:
    """Arguments that came as text: an object where they are one, else the text."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def with_own_ids(blocks: Sequence[Block], body: Any) -> list[Block]:
    """The same blocks, in which every tool call has an id of its own: one that is missing or comes again is made up.

    What is made up follows from the whole answer alone, so that the calls of two answers differ.
    """
    seen: set[str] = set()
    made: list[Block] = []
    for number, block in enumerate(blocks):
        if isinstance(block, ToolUseBlock):
            name = block.id
            if not name or name in seen:
                name = f"call_{name_of(body)[:16]}_{number}"
                block = ToolUseBlock(name, block.name, block.input, block.signature)
            seen.add(name)
        made.append(block)
    return made


def name_of(tree: Any) -> str:
    """A name that follows from a tree alone: 64 hexadecimal digits."""
    try:
        text = json.dumps(tree, default=repr)
    except RecursionError:
        text = repr(type(tree))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def pieces(text: str) -> Iterator[str]:
    """A text in several pieces, at most 64: a stream of an answer."""
    size = max(1, min(24, len(text) // 2), len(text) // 64 + 1)
    for start in range(0, len(text), size):
        yield text[start : start + size]


def cleaned(value: Any) -> Any:
    """A tree of JSON that every server takes: lone surrogates and numbers that JSON lacks are replaced."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {cleaned(str(key)): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return cleaned(str(value))


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for tree in level
            for item in (tree.values() if isinstance(tree, Mapping) else tree)
            if isinstance(item, (Mapping, list))
        ]
        if not level:
            return False
    return True
