"""What can be told of MariaDB's statements by their first words: what they do, and whether they only look."""

from __future__ import annotations

import re

_SHOWN = 2000  # characters that are looked at, whatever a client sends
_LOOKS = frozenset(
    ["ANALYZE", "BEGIN", "CHECK", "CHECKSUM", "CLOSE", "COMMIT", "DEALLOCATE", "DECLARE", "DESC", "DESCRIBE", "DO",
     "EXPLAIN", "FETCH", "FLUSH", "GET", "HANDLER", "HELP", "KILL", "LOCK", "OPEN", "PREPARE", "RELEASE", "RESET",
     "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "SHUTDOWN", "START", "TABLE", "UNLOCK", "USE", "VALUES", "WITH"]
)  # fmt: skip
_COUNTED = frozenset(["DELETE", "INSERT", "LOAD", "REPLACE", "UPDATE"])
_ONLY_LOOKS = frozenset(
    ["ANALYZE", "CHECKSUM", "DESC", "DESCRIBE", "EXPLAIN", "HELP", "SELECT", "SHOW", "TABLE", "VALUES", "WITH"]
)
_PART = re.compile(
    r"""(?P<word>[A-Za-z]+)|(?P<end>;)|(?P<aside>[\s(]+|/\*(?!M?!).*?\*/|--(?=\s)[^\n]*|\#[^\n]*)"""
    r"""|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|.""",
    re.DOTALL,
)


def keywords(sql: str) -> list[str]:
    """The first word of each statement of a text, in capitals; `STATEMENT` where it begins with none."""
    found: list[str] = []
    fresh = True
    for part in _PART.finditer(sql[:_SHOWN]):
        if part["end"]:
            fresh = True
        elif fresh and not part["aside"]:
            found.append((part["word"] or "STATEMENT").upper())
            fresh = False
    return found


def only_looks(sql: str) -> bool:
    """Whether a statement begins as one that only looks."""
    return bool(_ONLY_LOOKS & set(keywords(sql)[:1]))


def tag(words: list[str], number: int, affected: int) -> str:
    """What a statement did: `INSERT 2`, `CREATE 0`.

    Args:
        words: The keywords of the text that it is part of.
        number: Which of the text's statements it is, from 0.
        affected: Rows, as the server says.
    """
    return f"{words[number] if number < len(words) else 'STATEMENT'} {affected}"


def writes(tag: str) -> bool:
    """Whether what was done can have changed what others see: `INSERT 1`, but not `INSERT 0` or `SET 0`."""
    word, _, affected = tag.partition(" ")
    return bool(word) and word not in _LOOKS and not (word in _COUNTED and affected == "0")
