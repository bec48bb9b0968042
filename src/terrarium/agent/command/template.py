"""Templates: words, files and variables of a program, with `$name` where a value goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from terrarium.core.errors import ConfigError

Word = str | tuple[str, ...]
"""A word of a command line; several in a tuple are left out together where a value in them is empty."""
Part = str | Mapping[str, Any]
"""A piece of a file: text, or a table; left out where a value in it is empty."""


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its values; `$$` is a dollar.

    Raises:
        ConfigError: It names a value that nobody knows.
    """
    try:
        return Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"the template {text[:80]!r} cannot be filled: {error}; known: {sorted(values)}") from None


def words_of(words: Sequence[Word], values: Mapping[str, str]) -> list[str]:
    """A command line."""
    line: list[str] = []
    for word in words:
        if isinstance(word, str):
            line.append(filled(word, values))
        elif not _lacking(word, values):
            line += [filled(part, values) for part in word]
    return line


def file_of(parts: Sequence[Part], values: Mapping[str, str]) -> str:
    """The content of a file: text parts one after the other, tables laid over each other and written as JSON."""
    there = [part for part in parts if not _lacking(part, values)]
    if not any(isinstance(part, Mapping) for part in there):
        return "".join(filled(part, values) for part in there if isinstance(part, str))
    tree: dict[str, Any] = {}
    for part in there:
        if isinstance(part, Mapping):
            _lay_over(tree, _filled_tree(part, values))
    return json.dumps(tree, indent=2)


def plain(part: Any) -> Any:
    """A part that is no template: what stands in it comes out as it is."""
    if isinstance(part, str):
        return part.replace("$", "$$")
    if isinstance(part, Mapping):
        return {plain(key): plain(item) for key, item in part.items()}
    return [plain(item) for item in part] if isinstance(part, (list, tuple)) else part


def _lacking(part: Any, values: Mapping[str, str]) -> bool:
    """Whether a value in it is empty."""
    if isinstance(part, str):
        return any(values.get(name) == "" for name in Template(part).get_identifiers())
    found = part.values() if isinstance(part, Mapping) else part if isinstance(part, (list, tuple)) else ()
    return any(_lacking(item, values) for item in found)


def _filled_tree(tree: Any, values: Mapping[str, str]) -> Any:
    if isinstance(tree, str):
        return filled(tree, values)
    if isinstance(tree, Mapping):
        return {filled(key, values): _filled_tree(item, values) for key, item in tree.items()}
    return [_filled_tree(item, values) for item in tree] if isinstance(tree, (list, tuple)) else tree


def _lay_over(tree: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        there = tree.get(key)
        if isinstance(there, dict) and isinstance(value, Mapping):
            _lay_over(there, value)
        else:
            tree[key] = value
