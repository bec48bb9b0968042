"""Resume points in the middle of turns: beside the journal, as when they are taken depends on the wall clock.

One JSON object a line: the number of the last event before, and the name of the snapshot.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from terrarium.core.errors import JournalFault

NAME = "points.jsonl"


class Points:
    """The points of one try.

    Args:
        journal: Its journal file.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(NAME)

    def add(self, seq: int, snapshot: str) -> None:
        """Write one down; it is on the disk before this returns.

        Raises:
            JournalFault: It cannot be written.
        """
        line = json.dumps({"seq": seq, "snapshot": snapshot}) + "\n"
        try:
            with self.path.open("ab") as file:
                file.write(line.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalFault(f"cannot write {self.path}: {error.strerror}") from error

    def read(self) -> list[tuple[int, str]]:
        """(number of the last event before, name of the snapshot) of each; what is damaged is passed over."""
        found: list[tuple[int, str]] = []
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                told = json.loads(line)
                found.append((int(told["seq"]), str(told["snapshot"])))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def cut(self, seq: int) -> None:
        """Forget those behind event `seq`: other events will have their numbers.

        Raises:
            JournalFault: It cannot be written.
        """
        there = self.read()
        kept = [point for point in there if point[0] <= seq]
        if kept == there:
            return
        fresh = self.path.with_name(f".{NAME}")
        try:
            fresh.write_text("".join(json.dumps({"seq": at, "snapshot": name}) + "\n" for at, name in kept), "ascii")
            fresh.replace(self.path)
        except OSError as error:
            raise JournalFault(f"cannot write {self.path}: {error.strerror}") from error
