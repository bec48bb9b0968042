"""What may change: patterns of rows, against which a diff is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from terrarium.core.diff import Diff, Kind, RowChange, same
from terrarium.core.errors import ConfigError, nearest
from terrarium.core.values import Value

_TOLD = 12  # rows that a complaint names
_KINDS = ("added", "removed", "changed")

Test = Callable[[Value], object]


@dataclass(frozen=True)
class Allowed:
    """Changes that may be; made by `allowed`."""

    pattern: str
    kind: Kind | None = None
    fields: tuple[str, ...] | None = None
    where: Mapping[str, Value | Test] = field(default_factory=dict)
    by: str | None = None
    at_least: int = 0
    at_most: int | None = None

    def covers(self, change: RowChange) -> bool:
        """Whether it is about a change."""
        if not _matches(self.pattern, change) or self.kind not in (None, change.kind):
            return False
        if self.by is not None and any(actor != self.by for actor in change.by):
            return False
        if self.fields is not None and change.kind == "changed" and not set(change.fields) <= set(self.fields):
            return False
        row = change.before if change.after is None else change.after
        return row is not None and all(name in row and _holds(row[name], want) for name, want in self.where.items())

    def __str__(self) -> str:
        told = [self.kind or "", f"by {self.by}" if self.by else ""]
        told += [f"{name}={'a test' if callable(want) else repr(want)}" for name, want in self.where.items()]
        more = ", ".join(part for part in told if part)
        return f"{self.pattern}{f' ({more})' if more else ''}"


def allowed(
    pattern: str,
    *,
    kind: Kind | None = None,
    fields: Sequence[str] | None = None,
    where: Mapping[str, Value | Test] | None = None,
    by: str | None = None,
    at_least: int = 0,
    at_most: int | None = None,
    times: int | None = None,
) -> Allowed:
    """Changes that may be, for `env.unchanged_except`.

    Args:
        pattern: `capability`, `capability:table` or `capability:table:key`; in table and key, `*` stands for anything,
            `?` for one character and `[ab]` for one of them.
        kind: Only rows `added`, `removed` or `changed`; default: all three.
        fields: Of a changed row, only these fields.
        where: Field to value, or to a function that says whether it may be that: of the row after, or before it was
            removed.
        by: Only an agent of that name.
        at_least: How many such changes there must be.
        at_most: How many there may be; what is more is not allowed.
        times: Exactly how many.

    Raises:
        ConfigError: An argument cannot be that.
    """
    given: object = pattern
    if not isinstance(given, str) or not given:
        raise ConfigError(f"a pattern is text such as 'email' or 'workspace:file:/root/*', not {given!r:.100}")
    if kind is not None and kind not in _KINDS:
        raise ConfigError(f"kind is one of {', '.join(_KINDS)}, not {kind!r:.40}")
    if isinstance(fields, str):
        raise ConfigError(f"fields is a list of names, not the text {fields!r:.40}")
    if times is not None:
        at_least = at_most = times
    names = None if fields is None else tuple(fields)
    return Allowed(pattern, kind, names, dict(where or {}), by, at_least, at_most)


def check_capabilities(given: Iterable[Allowed], specs: Sequence[str]) -> None:
    """Refuse patterns of capabilities that are not there.

    Raises:
        ConfigError: There is one.
    """
    for one in given:
        if not any(one.pattern == spec or one.pattern.startswith(f"{spec}:") for spec in specs):
            name = one.pattern.partition(":")[0]
            there = ", ".join(specs) or "none"
            raise ConfigError(f"{one.pattern!r}: there is no {name!r}{nearest(name, specs)}; there are: {there}")


def complaint(diff: Diff, given: Sequence[Allowed]) -> str | None:
    """What is wrong with a diff, in words: changes that nothing allows, or that are missing; None: nothing is."""
    counts = [0] * len(given)
    others: list[RowChange] = []
    for change in diff.changes:
        for place, one in enumerate(given):
            if (one.at_most is None or counts[place] < one.at_most) and one.covers(change):
                counts[place] += 1
                break
        else:
            others.append(change)
    told = []
    if others or diff.left_out:
        more = f"; {diff.left_out} changes could not be looked at" if diff.left_out else ""
        told.append(f"changed, too{more}:\n{Diff(others).text(_TOLD)}")
    for one, count in zip(given, counts, strict=True):
        if count < one.at_least:
            told.append(f"missing: {one.at_least} × {one}, there is {count or 'none'}")
    if diff.unknown:
        told.append(f"not known, as it came or went meanwhile: {', '.join(diff.unknown)}")
    return "\n".join(told) or None


def _matches(pattern: str, change: RowChange) -> bool:
    if pattern == change.capability:
        return True
    if not pattern.startswith(f"{change.capability}:"):
        return False
    table, _, key = pattern[len(change.capability) + 1 :].partition(":")
    return fnmatchcase(change.table, table) and (not key or fnmatchcase(change.key, key))


def _holds(value: Value, want: Value | Test) -> bool:
    return bool(want(value)) if callable(want) else same(value, want)
