"""What differs between two moments of a world: rows added, removed and changed, in every capability."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from terrarium.core.baton import PROGRAM
from terrarium.core.rows import Fields, Row
from terrarium.core.values import Value, record

Kind = Literal["added", "removed", "changed"]

LIMIT = 10_000  # changes that a diff of a trial holds
ENGINE = "world"  # the actor of what nobody did

_SIGNS: dict[Kind, str] = {"added": "+", "removed": "-", "changed": "~"}
_LINES = 100  # rows that a text shows
_WIDTH = 72  # characters of a value in it
_SHOWN = 8  # fields of a row in it


@record
@dataclass(frozen=True)
class RowChange:
    """One row that differs.

    Attributes:
        capability: Whose, such as `email` or `postgres:primary`.
        table: Which.
        key: The row.
        before: All of its fields; None: it is new.
        after: All of its fields; None: it is gone.
        by: Who changed it, sorted; nobody where the capability does not see its writes.
    """

    capability: str
    table: str
    key: str
    before: Fields | None
    after: Fields | None
    by: list[str] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def fields(self) -> list[str]:
        """The names of the fields that differ, sorted; all of them where the row is new or gone."""
        before, after = self.before or {}, self.after or {}
        both = before.keys() & after.keys()
        return sorted((before.keys() ^ after.keys()) | {name for name in both if not same(before[name], after[name])})

    def __str__(self) -> str:
        """One line: what happened to the row, and in which fields."""
        by = f" (by {', '.join(self.by)})" if self.by else ""
        return f"{_SIGNS[self.kind]} {self.table} {_word(self.key)}{by}: {self._told()}"

    def _told(self) -> str:
        before, after = self.before, self.after
        if before is not None and after is not None:
            told = [f"{name} {_shown(before, name)} → {_shown(after, name)}" for name in self.fields]
        else:
            row = after or before or {}
            told = [f"{name} {_shown(row, name)}" for name, value in row.items() if value not in (None, "", [], {})]
        more = [f"and {len(told) - _SHOWN} fields more"] if len(told) > _SHOWN else []
        return ", ".join(told[:_SHOWN] + more) or "empty"


@record
@dataclass(frozen=True)
class Diff:
    """What differs between two moments; empty, it is false.

    Attributes:
        changes: Ordered by capability, table and key.
        left_out: How many changes are not among them, where there are very many.
        unknown: Capabilities that could not be compared, as one of the moments holds nothing of them.
    """

    changes: list[RowChange] = field(default_factory=list)
    left_out: int = 0
    unknown: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changes) or self.left_out > 0

    def __len__(self) -> int:
        return len(self.changes) + self.left_out

    @property
    def added(self) -> list[RowChange]:
        """The rows that are new."""
        return [change for change in self.changes if change.kind == "added"]

    @property
    def removed(self) -> list[RowChange]:
        """The rows that are gone."""
        return [change for change in self.changes if change.kind == "removed"]

    @property
    def changed(self) -> list[RowChange]:
        """The rows that are there before and after, with other fields."""
        return [change for change in self.changes if change.kind == "changed"]

    def of(self, capability: str, table: str | None = None) -> list[RowChange]:
        """The changes in a capability, or in a table of it."""
        return [c for c in self.changes if c.capability == capability and table in (None, c.table)]

    def apply(self, rows: Mapping[str, Iterable[Row]]) -> dict[str, list[Row]]:
        """The rows after it, from those before; both as `World.rows` gives them."""
        found = {spec: {(row.table, row.key): row for row in each} for spec, each in rows.items()}
        for change in self.changes:
            place = found.setdefault(change.capability, {})
            if change.after is None:
                place.pop((change.table, change.key), None)
            else:
                place[change.table, change.key] = Row(change.table, change.key, change.after)
        return {spec: [each[at] for at in sorted(each)] for spec, each in sorted(found.items())}

    def bounded(self, limit: int = LIMIT) -> Diff:
        """The same with at most so many changes."""
        if len(self.changes) <= limit:
            return self
        return Diff(self.changes[:limit], self.left_out + len(self.changes) - limit, self.unknown)

    def text(self, lines: int = _LINES) -> str:
        """It in words, a line for each row, at most so many."""
        told: list[str] = []
        for place, change in enumerate(self.changes[:lines]):
            if not place or self.changes[place - 1].capability != change.capability:
                told.append(f"{change.capability}: {self._counted(change.capability)}")
            told.append(f"  {change}")
        more = len(self) - min(lines, len(self.changes))
        if more:
            told.append(f"and {more} rows more")
        if self.unknown:
            told.append(f"not compared: {', '.join(self.unknown)}")
        return "\n".join(told) or "nothing has changed"

    def _counted(self, capability: str) -> str:
        kinds = [change.kind for change in self.of(capability)]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in _SIGNS if kind in kinds)

    def __str__(self) -> str:
        return self.text()


def diff_of(before: Mapping[str, Iterable[Row]], after: Mapping[str, Iterable[Row]]) -> Diff:
    """What differs between two worlds, as `World.rows` gives them.

    Args:
        before: The rows of each capability.
        after: The same, later or elsewhere. A capability that only one of them has is all added, or all removed.
    """
    changes: list[RowChange] = []
    for spec in sorted(before.keys() | after.keys()):
        changes += _rows_differ(spec, before.get(spec, ()), after.get(spec, ()))
    return Diff(changes)


def _rows_differ(spec: str, before: Iterable[Row], after: Iterable[Row]) -> Iterator[RowChange]:
    old = {(row.table, row.key): row.fields for row in before}
    new = {(row.table, row.key): row.fields for row in after}
    places = [at for at, fields in new.items() if not (at in old and same(old[at], fields))]
    places += [at for at in old if at not in new]
    for table, key in sorted(places):
        yield RowChange(spec, table, key, old.get((table, key)), new.get((table, key)))


def same(one: Value, other: Value) -> bool:
    """Whether two plain values are written down alike: 1 is neither 1.0 nor true, and nan is nan."""
    kind = type(one)
    if kind is not type(other):
        return kind in _LISTS and type(other) in _LISTS and same(list(one), list(other))
    if kind is dict:
        if len(one) != len(other):
            return False
        for name, value in one.items():
            if name not in other:
                return False
            met = other[name]
            if value is not met and not (value == met if type(value) is str is type(met) else same(value, met)):
                return False
        return True
    if kind in _LISTS:
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or bool(one == other) or (one != one and other != other)


_LISTS = (list, tuple)

Counts = Callable[[str, bool], bool]


def counting(by: str, people: Collection[str] = ()) -> Counts:
    """Which writes count, by actor and whether they only tell that somebody has looked.

    Args:
        by: `everyone`: all; `agents`: those of agents; else the name of an actor. Looks count only for `everyone`.
        people: Simulated ones, who are no agents; looked at at every write.
    """
    if by == "everyone":
        return lambda actor, trace: True
    if by == "agents":
        return lambda actor, trace: not trace and actor not in (PROGRAM, ENGINE) and actor not in people
    return lambda actor, trace: not trace and actor == by


class Fold:
    """Writes one after the other, folded into what they come to.

    Only some writes count. The others are taken as if they had been there before: what counts is compared with the
    world as it would be had only the others written.

    Args:
        counts: Which.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._rows: dict[tuple[str, str, str], tuple[Fields | None, Fields | None, frozenset[str]]] = {}
        self._marks: dict[str, dict[tuple[str, str, str], tuple[Fields | None, Fields | None, frozenset[str]]]] = {}

    def add(
        self, place: tuple[str, str, str], actor: str, trace: bool, before: Fields | None, after: Fields | None
    ) -> None:
        """One write: capability, table and key; who; whether it only tells of a look; the row before and after."""
        base, _, by = self._rows.get(place, (before, None, frozenset()))
        if self._counts(actor, trace):
            self._rows[place] = (base, after, by | {actor})
        else:
            self._rows[place] = (_rebased(base, before, after), after, by)

    def mark(self, label: str | None) -> None:
        """Remember what the writes come to by now under a label; None: forget all that was remembered."""
        self._marks = {} if label is None else {**self._marks, label: dict(self._rows)}

    def back(self, label: str) -> bool:
        """Only the writes up to that mark have happened; False where there is none."""
        if label in self._marks:
            self._rows = dict(self._marks[label])
        return label in self._marks

    def drop(self, spec: str) -> None:
        """A capability is gone with all of its rows."""
        self._rows = {place: row for place, row in self._rows.items() if place[0] != spec}

    def changes(self) -> list[RowChange]:
        """What differs now, in no order."""
        return [
            RowChange(*place, base, after, sorted(by))
            for place, (base, after, by) in self._rows.items()
            if by and not same(base, after)
        ]


def _rebased(base: Fields | None, before: Fields | None, after: Fields | None) -> Fields | None:
    """The row as it would be had only this write happened to it."""
    if after is None or before is None:
        return after
    if base is None:
        return None
    kept = {name: value for name, value in base.items() if name in after or name not in before}
    return kept | {name: after[name] for name in after if name not in before or not same(before[name], after[name])}


def sorted_changes(changes: Iterable[RowChange], unknown: Sequence[str] = ()) -> Diff:
    """The changes in their order."""
    return Diff(sorted(changes, key=lambda c: (c.capability, c.table, c.key)), 0, sorted(unknown))


def _word(text: str) -> str:
    return _cut(text if text.isprintable() else ascii(text))


def _shown(fields: Fields, name: str) -> str:
    if name not in fields:
        return "nothing"
    value = fields[name]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return _cut(_printable(json.dumps(value, ensure_ascii=False, default=str)))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
