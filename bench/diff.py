"""Diff: two worlds of 10,000 rows compared, a plain comparison of dicts beside it; and what a trial's journal tells."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most, median, seconds, spread
from terrarium.core.diff import diff_of
from terrarium.core.journal import EventKind, Journal
from terrarium.core.rows import Row, Rows
from terrarium.core.state import change_text, journal_diff

TARGET = 100.0  # milliseconds
CHANGED = 100  # of the rows, and as many are added and removed


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """The diff of two worlds, the plain comparison, and the diff that a journal of as many changes tells."""
    count, repeats = (200, 1) if quick else (10_000, 5)
    before, after = _world(count, 0), _world(count, CHANGED)
    ours, plain = [], []
    for _ in range(repeats):
        ours.append(1000 * seconds(_diff, before, after))
        plain.append(1000 * seconds(_plain, before, after))
    yield Figure(f"diff of two worlds of {count:,} rows", median(ours), "ms", at_most(TARGET), spread(ours))
    yield Figure("a plain comparison of dicts of them", median(plain), "ms", None, spread(plain))
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        journal = _journal(Path(folder), count)
        told = [1000 * seconds(journal_diff, journal.path, journal.blobs) for _ in range(repeats)]
        journal.close()
    yield Figure(f"diff of a trial with {count:,} changes, from its journal", median(told), "ms", None, spread(told))


def _fields(number: int, edition: int) -> dict[str, Any]:
    return {
        "from": f"person{number}@corp.example",
        "to": ["agent@world.example"],
        "subject": f"Number {number}",
        "body": f"Edition {edition} of {number}. " * 4,
        "flags": [],
        "size": 200 + number,
        "answered": None,
    }


def _world(count: int, changed: int) -> dict[str, list[Row]]:
    """Rows of two capabilities, made anew, so that none is the same object as in another world."""
    every = [Row("mail", f"{n:06}", _fields(n, 1 if n < 2 * changed else 0)) for n in range(changed, count + changed)]
    return {"email": every[::2], "calendar": every[1::2]}


def _diff(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    found = diff_of(before, after)
    if not found.changed:
        raise RuntimeError("nothing was found")


def _plain(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    """The least that can be done: which rows are not equal."""
    for spec in before:
        old = {(row.table, row.key): row.fields for row in before[spec]}
        new = {(row.table, row.key): row.fields for row in after[spec]}
        if not [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]:
            raise RuntimeError("nothing was found")


def _journal(folder: Path, count: int) -> Journal:
    journal = Journal(folder / "journal.jsonl", lambda: 0)
    journal.append(EventKind.TURN, "agent", {"state": "begin", "number": 1, "instruction": "Go."})
    store = Rows(
        folder,
        lambda change: (
            journal.append_text(EventKind.CHANGE, change.actor, change_text("email", change, journal.blobs)) and None
        ),
        keep=False,
    )
    for number in range(count):
        store.insert("agent", "mail", f"{number:06}", _fields(number, 0))
    return journal
