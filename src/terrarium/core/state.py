"""The state of a world: its rows and digests, moments of it that are kept, and what differs between two of them.

A moment costs nothing where capabilities see their writes: it is the number of an event, and the journal's changes tell
the rest. Of a capability that does not, the rows themselves are kept, as a blob.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from terrarium.core.aside import aside
from terrarium.core.baton import PROGRAM
from terrarium.core.capability import Capability, Digested, digest_of
from terrarium.core.diff import Diff, Fold, RowChange, counting, diff_of, sorted_changes
from terrarium.core.errors import ConfigError
from terrarium.core.journal import Event, EventKind, Journal, read
from terrarium.core.offers import offers
from terrarium.core.rows import Change, Row
from terrarium.core.values import Blobs, decode, dumps, encode, record

KEPT_BYTES = 16 * 2**20  # of the rows of one capability; beyond it, long values are kept by their beginning only
UNREAD = "unread:"
"""Begins what stands for the digest of rows that were not read."""
_BEGINNING = 256  # characters
_TOLD = re.compile(rb'"kind":"(change|turn|snapshot)"|"data":\{"path":"env\.(checking|release)"').search


@record
@dataclass(frozen=True)
class State:
    """A moment of a world.

    Attributes:
        event: The number of the last event before it.
        kept: For each capability that does not see its writes, the blob that holds its rows.
    """

    event: int
    kept: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Deeds(Protocol):
    """A capability some of whose changes only follow from others, such as counters that clients synchronise by."""

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without those that only follow from others, or that nobody means when they act."""
        ...


class States:
    """The state of one world.

    Args:
        capabilities: What it has, by name.
        journal: Its journal.
    """

    def __init__(self, capabilities: Mapping[str, Capability], journal: Journal) -> None:
        self._capabilities = capabilities
        self._journal = journal
        self._digested: dict[str, tuple[Capability, str]] = {}
        self.judged = False
        """The program has begun to judge since the last turn began."""

    # -- rows -----------------------------------------------------------------------------------------------------

    def rows(self) -> dict[str, list[Row]]:
        """The canonical rows of every capability."""
        return {spec: list(capability.rows()) for spec, capability in sorted(self._capabilities.items())}

    async def digests(self, *, dear: bool = True) -> dict[str, str]:
        """The digest of every capability's canonical rows; called while the world is quiet.

        Where all writes are seen, it is that of before until `forget` tells of one.

        Args:
            dear: Also of databases, all of whose rows have to be read for it; False: those get a text like no other.
        """
        found = {}
        for spec, capability in sorted(self._capabilities.items()):
            known = self._digested.get(spec)
            seen = capability.traits.sees_writes
            if not dear and not seen and not offers(capability, Digested):
                found[spec] = f"{UNREAD}{secrets.token_hex(16)}"
                continue
            if known is None or known[0] is not capability or not seen:
                known = self._digested[spec] = capability, await digest_of(capability)
            found[spec] = known[1]
        return found

    def forget(self, spec: str) -> None:
        """A capability has changed, come or gone."""
        self._digested.pop(spec, None)

    # -- moments --------------------------------------------------------------------------------------------------

    async def now(self) -> State:
        """This moment."""
        event, kept = self._journal.seq, {}
        for spec in self.blind:
            text = await aside(lambda rows=self._capabilities[spec].rows: _written(list(rows()), self._journal.blobs))  # type: ignore[misc]
            kept[spec] = self._journal.blobs.put(text)
        return State(event, kept)

    async def keep(self, cause: int | None = None) -> None:
        """Have the journal hold this moment: when agents begin to act, and when they are judged.

        Args:
            cause: The call that asks for it.
        """
        if self.blind:
            kept = (await self.now()).kept
            self._journal.append(EventKind.SNAPSHOT, "world", {"kept": kept}, cause=cause)

    async def diff(
        self, before: State | None = None, after: State | None = None, by: str = "everyone", deeds: bool = False
    ) -> Diff:
        """What differs between two moments.

        Args:
            before: Default: when the first agent began to act; where none has, nothing differs.
            after: Default: now.
            by: Whose writes: see `counting`.
            deeds: Without what only follows from other changes.
        """
        after = after or await self.now()
        diff = await aside(lambda: compare(self._events(), self._journal.blobs, before, after, by))
        if not deeds:
            return diff
        kept: list[RowChange] = []
        for spec, group in itertools.groupby(diff.changes, lambda change: change.capability):
            changes = list(group)
            capability: object = self._capabilities.get(spec)
            kept += capability.deeds(changes) if offers(capability, Deeds) else changes
        return Diff(kept, diff.left_out, diff.unknown)

    def _events(self) -> Iterator[Event]:
        return read(self._journal.path, self._journal.blobs, _TOLD)

    @property
    def blind(self) -> list[str]:
        """The capabilities that do not see their writes."""
        return sorted(spec for spec, found in self._capabilities.items() if not found.traits.sees_writes)


def compare(
    events: Iterable[Event], blobs: Blobs | None, before: State | None, after: State, by: str = "everyone"
) -> Diff:
    """What differs between two moments of a journal; see `States.diff`.

    Raises:
        ConfigError: `after` comes before `before`.
        JournalFault: The blobs of one of them are missing.
    """
    if before is not None and before.event > after.event:
        raise ConfigError("a diff goes forward in time: `before` is the earlier moment")
    people, kept, back = set[str](), dict[str, str](), 0
    fold = Fold(counting(by, people))
    for event in events:
        if event.seq > after.event:
            break
        if event.kind is EventKind.SNAPSHOT:
            kept = event.data.get("kept", kept)
            if before is not None and event.seq > before.event and _went_back(fold, event):
                back = event.seq
        elif event.kind is EventKind.TURN and event.data["state"] in ("wakes", "rests"):
            people.add(event.actor)
        elif before is None:
            if event.kind is EventKind.TURN:
                before = State(event.seq, kept)
        elif event.kind is EventKind.TURN:
            fold.mark(None)
        elif event.seq > before.event and event.kind is EventKind.CHANGE:
            told = event.data
            if told["capability"] not in before.kept and event.cause != back:
                place = (told["capability"], told["table"], told["key"])
                fold.add(place, event.actor, told.get("trace", False), told["before"], told["after"])
        elif event.seq > before.event and event.kind is EventKind.CALL and event.data["path"] == "env.release":
            fold.drop(event.data["args"]["spec"])
    if before is None:
        return Diff()
    changes = fold.changes()
    both = sorted(before.kept.keys() & after.kept.keys())
    for spec in both if by != PROGRAM else ():
        if before.kept[spec] != after.kept[spec]:
            changes += diff_of({spec: _read(before.kept[spec], blobs)}, {spec: _read(after.kept[spec], blobs)}).changes
    return sorted_changes(changes, sorted(before.kept.keys() ^ after.kept.keys())).bounded()


def _went_back(fold: Fold, event: Event) -> bool:
    """Heed a checkpoint; whether the fold is back at one by itself, and need not be told what that has changed.

    Told so, it would take rows that agents had written before as what was there before.
    """
    if "checkpoint" in event.data:
        fold.mark(event.data["checkpoint"])
    return "restored" in event.data and fold.back(event.data["restored"])


def judged(events: Iterable[Event]) -> State:
    """The moment of a journal at which judging began last; where turns followed, or it never began, the end."""
    called, last, kept, own = None, 0, dict[str, str](), dict[str, str]()
    for event in events:
        last = event.seq
        if event.kind is EventKind.CALL and event.data["path"] == "env.checking":
            called, own = event.seq, {}
        elif event.kind is EventKind.TURN and event.data["state"] == "begin":
            called = None
        elif event.kind is EventKind.SNAPSHOT and "kept" in event.data:
            kept = event.data["kept"]
            own = kept if event.cause == called else own
    return State(last, kept) if called is None else State(called, own)


def change_text(spec: str, change: Change, blobs: Blobs) -> str:
    """The data of a `change` event, written out."""
    before = "null" if change.before is None else dumps(encode(change.before, blobs))
    after = change.text or dumps(encode(change.after, blobs))
    trace = ',"trace":true' if change.trace else ""
    return (
        f'{{"capability":{dumps(spec)},"table":{dumps(change.table)},"key":{dumps(encode(change.key))},'
        f'"before":{before},"after":{after}{trace}}}'
    )


def _written(rows: list[Row], blobs: Blobs) -> bytes:
    """Rows as a text, of a size that a run's folder can hold many of."""
    tree: list[Any] = [[encode(row.table), encode(row.key), encode(row.fields)] for row in rows]
    text = dumps(tree)
    if len(text) > KEPT_BYTES:
        text = dumps([[table, key, {name: _begun(value) for name, value in row.items()}] for table, key, row in tree])
    return text.encode("ascii")


def _begun(value: Any) -> Any:
    """A value, where it is long, as its beginning and its digest."""
    text = dumps(value)
    if len(text) <= 2 * _BEGINNING:
        return value
    import hashlib

    return f"{text[:_BEGINNING]}… {len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def _read(digest: str, blobs: Blobs | None) -> list[Row]:
    if blobs is None:
        return []
    return [Row(decode(table), decode(key), decode(row)) for table, key, row in json.loads(blobs.get(digest))]


def journal_diff(path: Path, blobs: Blobs, by: str = "agents") -> Diff:
    """What changed in a trial from the first turn to when it was judged, from its journal.

    Args:
        path: The journal.
        blobs: Of its run.
        by: Whose writes: see `counting`.

    Raises:
        JournalFault: It cannot be read, or a blob is missing.
    """
    return compare(read(path, blobs, _TOLD), blobs, None, judged(read(path, None, _TOLD)), by)
