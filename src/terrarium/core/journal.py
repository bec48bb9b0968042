"""The journal: everything that happened, one append-only numbered event a line.

A line is one JSON object, ascii, written with one write(2) and no user-space buffer, so what `append` returned is
in the page cache and survives `kill -9` of the process. A torn last line is skipped by readers and cut by the writer.
Numbers ascend by one, and each line ends with a checksum (CRC-32) of what stands before it: a line that was changed,
moved, repeated or taken out is noticed by whoever reads it. A line without a checksum is read as it is.
All that may differ between two equal runs (wall time, durations, pids, host paths) lives in the field `wall`.
"""

from __future__ import annotations

import errno
import functools
import itertools
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from terrarium.core.errors import BudgetSpent, JournalFault
from terrarium.core.files import make_folder
from terrarium.core.values import Blobs, Value, decode, dumps, encode, from_micros, to_micros

SCHEMA = 1
BEGINS = ("begin", "wakes")  # the `state` of a turn, of an agent's and of a simulated person's


class EventKind(StrEnum):
    """What an event is. Closed: a new kind is a new schema number."""

    HEADER = "header"
    """First line: ids, versions, digests, seed, configuration."""
    CALL = "call"
    """The program used `env` or `agent`."""
    RETURN = "return"
    """What that call gave back; `cause` is the call."""
    RAISE = "raise"
    """The error that call raised; `cause` is the call."""
    FIRE = "fire"
    """A scheduled callback starts; `cause` is the call that registered it."""
    FIRED = "fired"
    """It has ended; `cause` is its `fire`."""
    TURN = "turn"
    """A turn: `state` is `begin` or `end`; that of a simulated person, `wakes` or `rests`."""
    STEP = "step"
    """One model call and the tool calls that follow from it."""
    MODEL = "model"
    """What the model answered."""
    TOOL_CALL = "tool_call"
    """A tool call as it was asked for."""
    TOOL_RESULT = "tool_result"
    """What the agent was shown of it; `cause` is the tool call."""
    CHANGE = "change"
    """One row of the world's state before and after."""
    NOTICE = "notice"
    """Something an agent was told without asking."""
    REWARD = "reward"
    """A reward given during the episode."""
    CHECK = "check"
    """One assertion of the task and how it came out."""
    ATTACK = "attack"
    """Something an attack did."""
    SNAPSHOT = "snapshot"
    """The world was saved under this digest; a resume point."""
    OPERATOR = "operator"
    """Somebody outside stepped in."""
    ERROR = "error"
    """Something failed; `data` says at which boundary."""
    STOP = "stop"
    """Why the episode ended."""
    VERDICT = "verdict"
    """Last line: checks, reward, passed."""


_LAST = (EventKind.ERROR, EventKind.STOP, EventKind.VERDICT)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    seq: int
    kind: EventKind
    actor: str
    time: datetime
    cause: int | None
    seen_by: tuple[str, ...]
    data: Mapping[str, Value]
    wall: Mapping[str, Value]

    def equal_part(self) -> str:
        """The event without `wall`, as text: equal in two runs that went the same way."""
        data = dumps(encode(self.data))
        return _line(self.seq, self.kind, self.actor, to_micros(self.time), self.cause, self.seen_by, data) + "}"


_quoted = functools.lru_cache(maxsize=1024)(dumps)  # names come again and again
_KINDS = {kind: f'"kind":"{kind.value}","actor":' for kind in EventKind}


def _line(
    seq: int, kind: EventKind, actor: str, micros: int, cause: int | None, seen_by: tuple[str, ...], data: str
) -> str:
    """The event as JSON but for the closing brace, so that `wall` can follow."""
    seen = f'"seen_by":[{",".join(map(_quoted, seen_by))}],' if seen_by else ""
    return (
        f'{{"seq":{seq},{_KINDS[kind]}{_quoted(actor)},"time":{micros},'
        f'"cause":{"null" if cause is None else cause},{seen}"data":{data}'
    )


def _sealed(line: bytes) -> bytes:
    """A whole line, from what stands before its checksum."""
    return b'%b,"sum":"%08x"}}\n' % (line, zlib.crc32(line))


def _whole(line: bytes, raw: Mapping[str, Any]) -> bool:
    """Whether a line, without its end, is as it was written; one without a checksum is taken to be."""
    wall = raw.get("wall")
    return not isinstance(wall, dict) or "sum" not in wall or line + b"\n" == _sealed(line[: -len(_SEAL)])


_SEAL = b',"sum":"00000000"}}'


def rewritten(raw: Mapping[str, Any]) -> bytes:
    """The line of an event that is taken over from another journal, with the checksum of what it says now.

    Args:
        raw: The parsed line, with a `wall`.
    """
    wall = {key: value for key, value in raw["wall"].items() if key != "sum"}
    line = dumps({**{key: value for key, value in raw.items() if key != "wall"}, "wall": {"at": 0.0, **wall}})
    return _sealed(line[:-2].encode("ascii"))


class Journal:
    """The journal of one trial, open for writing. One writer per trial.

    Args:
        path: The file; made with its folder. An existing one is continued behind its last whole line.
        now: World time in microseconds, asked at every append.
        blobs: Where values over 64 KiB go; by default `blobs` beside the file.

    Raises:
        JournalFault: The file cannot be made or read, or a line before its last is damaged.
    """

    def __init__(self, path: Path, now: Callable[[], int], blobs: Blobs | None = None) -> None:
        self.path = path
        self.blobs = blobs or Blobs(path.parent / "blobs")
        self.now = now
        self.seq = 0
        self.limit: int | None = None
        """How many bytes it may have; then only how the trial ended is written."""
        self._size = 0
        self._sealed: str | None = None
        self._code: str | None = None  # of the system, where it was the system that sealed it
        try:
            make_folder(path.parent)
            if path.exists():
                for seq, end in _ends(path):
                    self.seq, self._size = seq, end
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            raise JournalFault(f"cannot open {path}: {error.strerror}", code=_code(error)) from error

    def append(
        self,
        kind: EventKind,
        actor: str,
        data: Mapping[str, Value],
        *,
        cause: int | None = None,
        seen_by: tuple[str, ...] = (),
        wall: Mapping[str, Value] | None = None,
    ) -> Event:
        """Write one event; it is in the page cache before this returns.

        Raises:
            JournalFault: It could not be written (disk full, file closed); nothing of it remains in the file.
            BudgetSpent: It would have more bytes than `limit`.
            ValueNotPlain: `data` holds something that cannot be written down; nothing was written.
        """
        text = dumps(encode(data, self.blobs))
        seq = self.append_text(kind, actor, text, cause=cause, seen_by=seen_by, wall=wall)
        return Event(seq, kind, actor, from_micros(self.now()), cause, seen_by, data, wall or {})

    def append_text(
        self,
        kind: EventKind,
        actor: str,
        text: str,
        *,
        cause: int | None = None,
        seen_by: tuple[str, ...] = (),
        wall: Mapping[str, Value] | None = None,
    ) -> int:
        """`append` for data that is encoded and written out already; returns only the number."""
        if self._sealed is not None:
            raise JournalFault(f"the journal is closed: {self._sealed}", code=self._code)
        if self.limit is not None and self._size + len(text) > self.limit and kind not in _LAST:
            raise BudgetSpent(f"the journal has more than {self.limit / 2**20:g} MB (limits.journal_mb)")
        seq = self.seq + 1
        more = f",{dumps(encode(wall))[1:-1]}" if wall else ""
        line = _line(seq, kind, actor, self.now(), cause, seen_by, text)
        data = _sealed(f'{line},"wall":{{"at":{time.time():.6f}{more}'.encode("ascii"))
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            # Whatever fails once would leave a hole in the story: no event may follow.
            self._sealed, self._code = f"{error.strerror} ({self.path})", _code(error)
            try:
                os.ftruncate(self._fd, self._size)
            except OSError:
                pass
            raise JournalFault(f"cannot write {self.path}: {error.strerror}", code=self._code) from error
        self._size += len(data)
        self.seq = seq
        return seq

    def sync(self) -> None:
        """Ask the disk to keep what was written (fsync): at a snapshot and at the verdict."""
        if self._sealed is None:
            os.fsync(self._fd)

    def read(self, after: int = 0) -> Iterator[Event]:
        """The events behind number `after`, from the file."""
        return (event for event in read(self.path, self.blobs) if event.seq > after)

    def cut(self, seq: int) -> Path | None:
        """Move what follows event `seq` to the next `lost-<n>.jsonl` beside the file, and end the journal there.

        Returns:
            The file that now holds the tail, or None where there was none.

        Raises:
            JournalFault: The tail cannot be written; the journal is as it was.
        """
        keep, last = 0, 0
        for number, end in _ends(self.path):
            if number <= seq:
                keep, last = end, number
        content = self.path.read_bytes()
        lost: Path | None = None
        try:
            if content[keep:]:
                lost = next(path for n in itertools.count(1) if not (path := self._lost(n)).exists())
                lost.write_bytes(content[keep:])
            os.ftruncate(self._fd, keep)
        except OSError as error:
            if lost is not None:
                lost.unlink(missing_ok=True)
            raise JournalFault(f"cannot cut {self.path}: {error.strerror}", code=_code(error)) from error
        self.seq, self._size = last, keep
        return lost

    def _lost(self, n: int) -> Path:
        return self.path.parent / f"lost-{n}.jsonl"

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._sealed is None:
            self._sealed = "it was closed"
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _code(error: OSError) -> str | None:
    return errno.errorcode.get(error.errno or 0)


def _ends(path: Path) -> Iterator[tuple[int, int]]:
    """(number, offset behind it) of every whole line.

    Raises:
        JournalFault: A line before the last is damaged, or a line is not what was written there.
    """
    offset = 0
    lines = _Lines(path)
    with path.open("rb") as file:
        for line in file:
            offset += len(line)
            raw = lines.parse(line)
            if raw is not None and line.endswith(b"\n"):
                yield raw["seq"], offset


class _Lines:
    """Parses the lines of a journal, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._first: int | None = None
        self._damage: JournalFault | None = None

    def skip(self) -> None:
        """The next line is passed over.

        Raises:
            JournalFault: The one before is damaged.
        """
        if self._damage is not None:
            raise self._damage
        self._number += 1

    def parse(self, line: bytes) -> dict[str, Any] | None:
        """The next line; None where it is damaged, which only the last may be.

        Raises:
            JournalFault: The one before is damaged, or this one is not what was written there.
        """
        if self._damage is not None:
            raise self._damage
        self._number += 1
        try:
            raw: dict[str, Any] = json.loads(line)
            seq = raw["seq"] = int(raw["seq"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            self.damaged(error)
            return None
        if not _whole(line.rstrip(b"\n"), raw):
            raise JournalFault(
                f"{self._path}:{self._number} is not what was written: event {seq} was changed afterwards"
            )
        first = self._first = seq - self._number if self._first is None else self._first
        if seq != first + self._number:
            raise JournalFault(
                f"{self._path}:{self._number} is out of order: it is event {seq}, where event {first + self._number} "
                "was written; a line was moved, repeated or taken out"
            )
        return raw

    def damaged(self, error: Exception) -> None:
        """The present line cannot be understood: an error as soon as another one follows."""
        self._damage = JournalFault(f"{self._path}:{self._number} is damaged: {error}")


def read(
    path: Path, blobs: Blobs | None = None, wanted: Callable[[bytes], object] = lambda head: True
) -> Iterator[Event]:
    """The events of a journal, in order; a torn or damaged last line is skipped.

    Args:
        path: The journal file.
        blobs: Where large values are; None leaves them as `{"$blob": ...}`.
        wanted: Says of the first 300 bytes of a line whether the event is read at all.

    Raises:
        JournalFault: The file cannot be opened, a line before the last is damaged, or a line is not what was written.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise JournalFault(f"cannot read {path}: {error.strerror}") from error
    lines = _Lines(path)
    with file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn, even if only of its line end: its writer will cut it
            if not wanted(line[:300]):
                lines.skip()
                continue
            raw = lines.parse(line)
            if raw is None:
                continue
            try:
                event = Event(
                    seq=raw["seq"],
                    kind=EventKind(raw["kind"]),
                    actor=raw["actor"],
                    time=from_micros(raw["time"]),
                    cause=raw["cause"],
                    seen_by=tuple(raw.get("seen_by", ())),
                    data=decode(raw["data"], blobs),
                    wall=raw.get("wall", {}),
                )
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                lines.damaged(error)
                continue
            yield event
