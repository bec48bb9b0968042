"""Two journals of one trial held against each other: the first place at which they differ, with what came before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from terrarium.core.contrast import Contrast, contrasts
from terrarium.core.secrets import MASK
from terrarium.core.values import dumps, from_micros, sorted_dumps
from terrarium.run.recording import Line
from terrarium.run.versions import versions_differ

CONTEXT = 4  # equal events that are shown before a difference
_IDENTITY = ("agent", "branch", "sandbox", "seed", "attempt", "params", "agents", "limits", "capabilities")
_PROMISED = frozenset({"turn", "snapshot", "reward", "check", "error", "stop", "verdict"})
_SHORT = 140


@dataclass(frozen=True)
class Difference:
    """The first place at which a trial went another way.

    Attributes:
        recorded: The event of the record there, as one line; None where the record has ended.
        replayed: The event that came instead; None where the replay has ended.
        event: The number of the recorded event; where there is none, of the replayed one.
        kind: What kind of event it is.
        fields: What differs in it, at most five places.
        before: The last events that were equal, one line each.
        note: What the replay itself has to say of it.
    """

    recorded: str | None
    replayed: str | None
    event: int
    kind: str
    fields: tuple[Contrast, ...] = ()
    before: tuple[str, ...] = ()
    note: str = ""

    def text(self) -> str:
        """All of it, on some lines."""
        lines = [f"    {line}" for line in self.before]
        lines.append(f"  - {self.recorded or 'the record has ended'}")
        lines.append(f"  + {self.replayed or 'the replay has ended'}")
        for field in self.fields:
            lines += [f"    {field.place or 'event'}:", f"      recorded {field.one}", f"      replayed {field.other}"]
        if self.note:
            lines.append(f"    {self.note}")
        return "\n".join(lines)


def first_difference(recorded: Sequence[Line], replayed: Sequence[Line]) -> Difference | None:
    """Every event but for `wall`; of the header only what decides how a trial runs."""
    before: list[Line] = []
    for one, other in itertools.zip_longest(recorded, _fitted(replayed, recorded)):
        if one is None or other is None or not _alike(_whole(one), _whole(other)):
            return _difference(one, other, before, _whole)
        before = [*before[1 - CONTEXT :], one]
    return None


def first_broken_promise(recorded: Sequence[Line], replayed: Sequence[Line], rows: bool = True) -> Difference | None:
    """What is promised where not every part is deterministic: rows, replies, rewards, checks, verdict.

    Args:
        recorded: The record.
        replayed: The replay.
        rows: Also the digests of the world's rows; under the wall clock they hold real times.
    """
    replayed = _fitted(replayed, recorded)
    sides = [[line for line in lines if _is_promised(line, rows)] for lines in (recorded, replayed)]
    several = len({line["actor"] for line in recorded if line["kind"] == "turn"}) > 1
    if not several:
        return _first_of(*sides)
    # Turns that overlap may begin and end in another order.
    actors = sorted({line["actor"] for side in sides for line in side})
    found = (_first_of(*([line for line in side if line["actor"] == actor] for side in sides)) for actor in actors)
    return next((difference for difference in found if difference is not None), None)


def _fitted(replayed: Sequence[Line], recorded: Sequence[Line]) -> list[Line]:
    """The replay, its header without what the record's says nothing of: another version may say more."""
    header = {key: value for key, value in replayed[0]["data"].items() if key in recorded[0]["data"]}
    return [{**replayed[0], "data": header}, *replayed[1:]]


def _first_of(recorded: Sequence[Line], replayed: Sequence[Line]) -> Difference | None:
    before: list[Line] = []
    for one, other in itertools.zip_longest(recorded, replayed):
        if one is None or other is None or not _alike(_promised(one), _promised(other)):
            return _difference(one, other, before, _promised)
        before = [*before[1 - CONTEXT :], one]
    return None


def count_promised(recorded: Sequence[Line], rows: bool = True) -> int:
    """How many events of a record `first_broken_promise` looks at."""
    return sum(_is_promised(line, rows) for line in recorded)


def warnings(recorded: Mapping[str, Any], replayed: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two headers without deciding how a trial runs: versions, digests, places."""
    own = (*_IDENTITY, "schema", "trial", "versions")
    yield from versions_differ({"versions": recorded.get("versions", {})}, {"versions": replayed.get("versions", {})})
    one, other = ({key: value for key, value in header.items() if key not in own} for header in (recorded, replayed))
    for side in (one, other):
        side["task"] = {key: value for key, value in side.get("task", {}).items() if key != "name"}
    for found in contrasts(one, other, limit=50):
        yield f"{found.place} was {found.one} and is now {found.other}"


def _is_promised(line: Line, rows: bool) -> bool:
    kind = line["kind"]
    return kind == "header" or (kind in _PROMISED and (kind != "snapshot" or (rows and "rows" in line["data"])))


def _whole(line: Line) -> Any:
    """An event without what may differ."""
    if line["kind"] == "header":
        return _identity(line)
    told = {key: value for key, value in line.items() if key != "wall"}
    if line["kind"] == "stop":
        told["data"] = {"reason": line["data"].get("reason")}  # `timing` says whether costs were taken by the wall
    return told


def _promised(line: Line) -> Any:
    """What of an event is promised where the journal is not."""
    kind, data = line["kind"], line["data"]
    if kind == "header":
        return _identity(line)
    if kind == "turn":
        data = {key: value for key, value in data.items() if key != "number"}
    elif kind == "error":
        data = {key: data.get(key) for key in ("type", "boundary")}
    elif kind == "stop":
        data = {"reason": data.get("reason")}
    elif kind in ("check", "verdict"):
        data = _judged(data)
    return {"kind": kind, "actor": line["actor"], "data": data}


def _judged(tree: Any) -> Any:
    """Checks without the words of their details, which may quote what differs."""
    if isinstance(tree, list):
        return [_judged(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: _judged(value) for key, value in tree.items() if key not in ("detail", "exception")}


def _identity(line: Line) -> Any:
    return {"kind": "header", "data": {key: line["data"][key] for key in _IDENTITY if key in line["data"]}}


def _alike(one: Any, other: Any) -> bool:
    """Whether two trees are equal; a masked secret is equal to whatever stands in its place."""
    if one == other:
        return True
    a, b = sorted_dumps(one), sorted_dumps(other)
    return a == b or (MASK in a and _masks(a, b)) or (MASK in b and _masks(b, a))


def _masks(masked: str, text: str) -> bool:
    """Whether `text` is `masked` with something in the place of every mask; in linear time, texts may be megabytes."""
    first, *middle, last = masked.split(MASK)
    at = len(first)
    if not text.startswith(first):
        return False
    for part in middle:
        at = text.find(part, at + 1) + len(part)
        if at < len(part):
            return False
    return text.endswith(last) and at + 1 <= len(text) - len(last)


def _difference(one: Line | None, other: Line | None, before: Sequence[Line], part: Any) -> Difference:
    known = one or other
    assert known is not None
    fields = contrasts(part(one), part(other)) if one is not None and other is not None else []
    fields = [replace(found, place=found.place.removeprefix("data.")) for found in fields]
    told = [None if line is None else shown(line) for line in (one, other)]
    return Difference(told[0], told[1], known["seq"], known["kind"], tuple(fields), tuple(map(shown, before)))


def shown(line: Line) -> str:
    """An event as one line."""
    cause = f" of {line['cause']}" if line.get("cause") is not None else ""
    told = dumps(_identity(line)["data"] if line["kind"] == "header" else line["data"])
    told = told if len(told) <= _SHORT else f"{told[: _SHORT - 1]}…"
    moment = from_micros(line["time"])
    return f"event {line['seq']}  {moment:%m-%d %H:%M:%S}  {line['actor']}  {line['kind']}{cause}  {told}"
