"""The rows of a table as canonical rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from terrarium.core.errors import TerrariumError
from terrarium.core.rows import Row
from terrarium.core.values import Value, encode, sorted_dumps

ROWS_LIMIT = 100_000
"""Rows of one table that are given one by one; of a larger one there is their number and a digest over all."""
BYTES_LIMIT = 64 * 1024**2
"""The same in bytes; of a table with a row larger than this there is no digest, which would take too much memory."""
DIGEST_LIMIT = 1024**3
"""Bytes of a table of which there is a digest; of a larger one there is only the size."""
ALL_LIMIT = 192 * 1024**2
"""Bytes of all rows of a database that are given one by one; the tables that come after have a digest."""


class TooHeavy(Exception):
    """A table that cannot be read row by row, though its size does not tell: the session is of no more use.

    Args:
        table: Its name, with its schema.
        reason: What the server said.
    """

    def __init__(self, table: str, reason: TerrariumError) -> None:
        super().__init__(table)
        self.table, self.reason = table, reason


def keyed(where: str, rows: Sequence[dict[str, Value]], primary: Sequence[str]) -> list[Row]:
    """Rows by their primary key; without one by what they hold, so that an insert moves no other row."""
    found: list[Row] = []
    seen: dict[str, int] = {}
    for row in rows:
        if primary:
            values = [row[name] for name in primary]
            key = str(values[0]) if len(values) == 1 else json.dumps([str(value) for value in values])
        else:
            key = hashlib.sha256(sorted_dumps(encode(row)).encode("ascii")).hexdigest()[:32]
        seen[key] = seen.get(key, 0) + 1
        found.append(Row(where, key if seen[key] == 1 else f"{key}/{seen[key]}", row))
    return found
