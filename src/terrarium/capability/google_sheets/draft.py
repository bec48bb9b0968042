"""A change that is being made: what it writes is seen by itself only, until all of it is done or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from terrarium.capability.google_sheets.fault import Fault, bad
from terrarium.core.rows import Fields, Row, Rows

CELLS_LIMIT = 1_000_000
TEXT_LIMIT = 64 * 1024 * 1024
WORK_LIMIT = 4_000_000
ROWS_LIMIT = 60_000  # that one change writes: they are written while the engine's loop waits

_CELLS = "cells"


class Usage:
    """How much of each spreadsheet is filled: cells, characters and formulas, counted once and then kept up to date."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._files: dict[str, Counter[str]] | None = None
        self._all: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()

    def version(self, file: str) -> int:
        """How often a file was changed; counted in memory, so it says only whether it is as it was."""
        return self._versions[file]

    def changed(self, file: str) -> None:
        """Take note that a file was changed."""
        self._versions[file] += 1

    def totals(self) -> Counter[str]:
        """`cells`, `text` and `formulas` of all spreadsheets together."""
        self._count()
        return self._all

    def of(self, file: str) -> Counter[str]:
        """Those of one."""
        return self._count().get(file) or Counter()

    def grow(self, file: str, by: Counter[str]) -> None:
        """Take note of a change."""
        self._count().setdefault(file, Counter()).update(by)
        self._all.update(by)

    def _count(self) -> dict[str, Counter[str]]:
        if self._files is None:
            self._files = {}
            for row in self._rows.table(_CELLS):
                self.grow(row.key.partition("/")[0], size_of(row.fields))
        return self._files


def size_of(fields: Fields | None) -> Counter[str]:
    """What one row of cells takes."""
    size: Counter[str] = Counter()
    for cell in (fields or {}).values():
        size["cells"] += 1
        size["text"] += _length(cell)
        size["formulas"] += isinstance(cell, dict) and "formula" in cell
    return size


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _length(part) for name, part in value.items())
    if isinstance(value, list):
        return sum(_length(part) for part in value)
    return 8


class Draft:
    """Rows as a change sees them, its own writes included. Nothing is written before `commit`.

    Args:
        rows: The store.
        usage: How full it is.
    """

    def __init__(self, rows: Rows, usage: Usage) -> None:
        self._rows = rows
        self._usage = usage
        self._written: dict[tuple[str, str], Fields | None] = {}
        self._grown: dict[str, Counter[str]] = {}
        self._total: Counter[str] = Counter()
        self._work = 0

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self._written)

    def spend(self, steps: int) -> None:
        """Count work, so that no request takes much longer than a second or two.

        Raises:
            Fault: It is too much for one request.
        """
        self._work += steps
        if self._work > WORK_LIMIT:
            raise bad("The request is too large: it touches too many cells. Split it into smaller ones.")

    def get(self, table: str, key: str) -> Fields | None:
        """The fields of a row, or None. They are shared: copy before changing."""
        place = (table, key)
        return self._written[place] if place in self._written else self._rows.get(table, key)

    def table(self, table: str, prefix: str = "") -> Iterator[Row]:
        """The rows of a table whose keys start with `prefix`, in order."""
        mine = {key: it for (name, key), it in self._written.items() if name == table and key.startswith(prefix)}
        if not mine:
            yield from self._rows.table(table, prefix)
            return
        keys = {row.key: row.fields for row in self._rows.table(table, prefix)} | mine
        self.spend(len(keys))
        for key in sorted(keys):
            fields = keys[key]
            if fields is not None:
                yield Row(table, key, fields)

    def put(self, table: str, key: str, fields: Fields | None) -> None:
        """Write a row; None removes it.

        Raises:
            Fault: The state would become too large.
        """
        before = self.get(table, key)
        self.spend(1 + len(fields or ()))
        if table == _CELLS:
            by = size_of(fields)
            by.subtract(size_of(before))
            self._grown.setdefault(key.partition("/")[0], Counter()).update(by)
            self._total.update(by)
            for name, limit in (("cells", CELLS_LIMIT), ("text", TEXT_LIMIT)):
                if by[name] > 0 and self._usage.totals()[name] + self._total[name] > limit:
                    raise Fault(400, "This action would increase the number of cells above the limit of this server.")
        self._written[table, key] = fields
        if len(self._written) > ROWS_LIMIT:
            raise bad(f"The request is too large: it changes more than {ROWS_LIMIT} rows. Split it into smaller ones.")

    def update(self, table: str, key: str, **fields: Any) -> None:
        """Set some fields of a row that is there."""
        self.put(table, key, {**(self.get(table, key) or {}), **fields})

    def formulas(self, file: str) -> int:
        """How many formulas a spreadsheet has."""
        return self._usage.of(file)["formulas"] + self._grown.get(file, Counter())["formulas"]

    def touched(self, file: str) -> bool:
        """Whether this has written to the cells or sheets of a spreadsheet."""
        return any(key.startswith(file) and table != "permission" for table, key in self._written)

    def commit(self, actor: str) -> bool:
        """Write all of it; False where nothing differs.

        Args:
            actor: Who does.
        """
        done = False
        for (table, key), after in self._written.items():
            before = self._rows.get(table, key)
            if before != after or (before is None) != (after is None):
                self._rows.change(actor, table, key, before, after)
                self._usage.changed(key.partition("/")[0])
                done = True
        for file, by in self._grown.items():
            self._usage.grow(file, by)
        self._written.clear()
        self._grown.clear()
        self._total.clear()
        return done
