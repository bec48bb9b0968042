"""The journal: events appended and read in a second, beside the same bytes written by the kernel alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_least, median, seconds, spread
from terrarium.core.clock import START
from terrarium.core.journal import EventKind, Journal, read
from terrarium.core.values import to_micros

TARGET = 50_000.0  # events a second

CHANGE = {
    "capability": "email",
    "table": "copy",
    "key": "ann@corp.example/INBOX/00000017",
    "before": None,
    "after": {"message": "<5f1c22d09a41@corp.example>", "flags": [], "received": 1893488400000000, "size": 412},
}


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Appending, the raw writes, reading."""
    count, repeats = (500, 1) if quick else (50_000, 3)
    appended, written, reading = [], [], []
    size = 0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
            path = Path(folder) / "journal.jsonl"
            appended.append(count / seconds(_append, path, count))
            lines = path.read_bytes().splitlines(keepends=True)
            size = len(lines[-1])
            written.append(count / seconds(_write, path.with_name("raw"), lines))
            reading.append(count / seconds(_read, path))
    note = f"{size} bytes each, one write(2) each; {spread(appended)}"
    yield Figure(f"appended, {count:,} events", median(appended), "events/s", at_least(TARGET), note)
    yield Figure("the same bytes by os.write alone", median(written), "events/s", None, f"the limit; {spread(written)}")
    yield Figure("appended, of that limit", 100 * median(appended) / median(written), "%")
    yield Figure("read back as events", median(reading), "events/s", None, spread(reading))


def _append(path: Path, count: int) -> None:
    now = to_micros(START)
    journal = Journal(path, lambda: now)
    for number in range(count):
        journal.append(EventKind.CHANGE, "agent", CHANGE, cause=number, seen_by=("agent",))
    journal.close()


def _read(path: Path) -> None:
    for _ in read(path):
        pass


def _write(path: Path, lines: list[bytes]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for line in lines:
        os.write(file, line)
    os.close(file)
