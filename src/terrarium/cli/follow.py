"""The journal of a trial as it is written: its events so far, and then each as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from terrarium.cli.entry import Entry, FoundBlobs, entry_of
from terrarium.core.errors import RETRIED, JournalFault, TerrariumError

POLL = 0.1  # seconds between two looks at the file


@dataclass(frozen=True)
class Followed:
    """Something that came: an event and the line it stands in, or a note of what became of the journal."""

    entry: Entry | None
    line: str


class Follower:
    """Follows one trial; nothing is ever written.

    Args:
        journal: Of its last try.
        works: Whether somebody still works at the trial.
        tries: How many tries there may be.
        stop: Asked between two looks; True ends the story.
    """

    def __init__(
        self,
        journal: Path,
        works: Callable[[], bool],
        tries: int = 1_000,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.scored = False
        """Whether the last verdict has a reward."""
        self.ended = False
        """Whether there was a verdict at all."""
        self._journal = journal
        self._works, self._tries, self._stop = works, tries, stop
        self._boundary = ""
        self._begin(journal)

    def _begin(self, journal: Path) -> None:
        self._journal = journal
        self._seen: list[int] = []  # hashes of the lines that were told
        self._at = 0
        self._blobs = FoundBlobs(journal.resolve().parents[min(3, len(journal.resolve().parents) - 1)] / "blobs")
        self.ended, self._boundary = False, ""

    def events(self) -> Iterator[Followed]:
        """What stands there and what comes, until the trial has ended or nobody works at it any more.

        Raises:
            JournalFault: A whole line is damaged.
        """
        while True:
            worked = self._works()  # asked first: what is written before the end is read after it
            yield from self.new()
            newer = self._newer()
            if newer is not None:
                self._begin(newer)
                yield Followed(None, f"it is tried again: {newer.parent.name}")
            elif self._is_over():
                return
            elif not worked or self._stop():
                if not self.ended:
                    yield Followed(None, "nobody works at it any more: it was interrupted")
                return
            else:
                time.sleep(POLL)

    def _is_over(self) -> bool:
        number = self._journal.parent.name.removeprefix("try-")
        last = number.isdecimal() and int(number) >= self._tries
        return self.ended and (self.scored or self._boundary not in RETRIED or last)

    def _newer(self) -> Path | None:
        """The journal of a later try."""
        number = self._journal.parent.name.removeprefix("try-")
        if not number.isdecimal():
            return None
        newer = self._journal.parent.with_name(f"try-{int(number) + 1}") / "journal.jsonl"
        return newer if newer.is_file() else None

    def new(self) -> Iterator[Followed]:
        """The whole lines that were not told yet; one that was cut away and written anew is told again."""
        try:
            with self._journal.open("rb") as file:
                if file.seek(0, 2) < self._at:
                    yield from self._cut()
                file.seek(self._at)
                for line in file:
                    if not line.endswith(b"\n"):
                        return  # torn: the rest comes
                    followed = self._told(line)
                    self._at += len(line)
                    self._seen.append(hash(line))
                    yield followed
        except OSError as error:
            raise JournalFault(f"cannot read {self._journal}: {error.strerror}") from error

    def _cut(self) -> Iterator[Followed]:
        """The writer resumed the trial, and took away what came after its last resume point."""
        kept, at = 0, 0
        with self._journal.open("rb") as file:
            for line, before in zip(file, self._seen, strict=False):
                if hash(line) != before:
                    break
                kept, at = kept + 1, at + len(line)
        self._seen, self._at, self.ended = self._seen[:kept], at, False
        yield Followed(None, f"it was interrupted, and goes on behind event {kept}")

    def _told(self, line: bytes) -> Followed:
        try:
            entry = entry_of(json.loads(line), self._blobs)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TerrariumError) as error:
            raise JournalFault(f"{self._journal}, line {len(self._seen) + 1}, is damaged: {error}") from None
        if entry.kind == "error" and entry.actor == "world":
            self._boundary = str(entry.data.get("boundary", ""))
        elif entry.kind == "verdict":
            verdict = entry.data.get("verdict")
            self.ended = True
            self.scored = isinstance(verdict, dict) and verdict.get("reward") is not None
        return Followed(entry, line.decode("ascii", "backslashreplace").rstrip("\n"))
