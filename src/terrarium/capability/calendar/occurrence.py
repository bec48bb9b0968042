"""When things happen: the occurrences of stored objects in a range, recurrences counted out.

Ranges are half-open and overlap as RFC 4791, section 9.9, says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.moment import Moment, is_day, micros
from terrarium.capability.calendar.parsing import Component, end_of, parse, start_of
from terrarium.capability.calendar.rule import rule_parts
from terrarium.capability.calendar.series import counted_from
from terrarium.core.rows import Fields
from terrarium.core.values import from_micros

DAY = 86_400_000_000
_WINDOW, _MANY = 30 * DAY, 200  # what is looked at first, and from how many on no longer one is
LATEST = micros(datetime(9000, 1, 1, tzinfo=UTC))
EARLIEST = micros(datetime(1600, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Range:
    """From `start` to before `end`, in microseconds; floating times are those of `place`."""

    start: int = EARLIEST
    end: int = LATEST
    place: tzinfo = UTC

    def overlaps(self, start: int, end: int) -> bool:
        """Whether something from `start` to `end` is in it; something without length is where it starts."""
        return start < self.end and (end > self.start if end > start else start >= self.start)


@dataclass(frozen=True)
class Occurrence:
    """One time an object happens.

    Attributes:
        start: When it begins, as its own zone has it.
        end: When it ends.
        id: The moment that the rule gave it, by which one occurrence is known; None for what does not recur.
        part: The library's component with its own properties; None for what does not recur.
    """

    start: Moment
    end: Moment
    id: Moment | None = None
    part: Component | None = None


def occurrences(fields: Fields, within: Range, allowance: Allowance) -> Iterator[Occurrence]:
    """The occurrences of an object in a range, in order of their starts.

    Args:
        fields: Of the object, as they are kept.
        within: The range.
        allowance: How much may be counted out; what does not recur costs nothing.

    Raises:
        TooMany: There is more, and it is not to be cut off.
    """
    if fields["first"] is not None and not _near(fields, within):
        return
    if not fields["recurs"]:
        start, end = fields["start"], fields["end"]
        if start is not None and within.overlaps(micros(start, within.place), micros(end or start, within.place)):
            yield Occurrence(start, end or start)
        return
    allowance.begins(len(fields["text"]), _skipped(fields["rrule"]))
    number = 0
    for part in _counted(fields["text"], within):
        start, end = start_of(part), end_of(part)
        if start is None or end is None:
            continue
        begins = micros(start, within.place)
        if begins >= within.end + DAY:
            return
        if not within.overlaps(begins, micros(end, within.place)):
            continue
        number += 1
        if not allowance.takes(number):
            return
        yield Occurrence(start, end, part["RECURRENCE-ID"].dt if "RECURRENCE-ID" in part else start, part)


def happens(fields: Fields, within: Range, allowance: Allowance) -> bool:
    """Whether an object has a time in a range; without recurrence, to-dos follow the table of RFC 4791.

    Raises:
        TooMany: That is too much to count.
    """
    if fields["component"] == "VTODO" and not fields["recurs"]:
        return _todo(parse(fields["text"]).main, within)
    if fields["component"] == "VJOURNAL" and fields["start"] is None:
        return False
    return next(occurrences(fields, within, allowance), None) is not None


def _near(fields: Fields, within: Range) -> bool:
    slack = DAY if fields["floating"] or fields["recurs"] else 0
    last = fields["last"]
    return fields["first"] - slack < within.end and (last is None or last + slack >= within.start)


def _skipped(rule: str | None) -> int:
    """How many occurrences are counted at most to get to a range: a series that says how many begins at its first."""
    return int(rule_parts(rule).get("COUNT", 0)) if rule else 0


def _counted(text: str, within: Range) -> Iterator[Component]:
    """The library's occurrences from the range on, in order, without end where the rule has none."""
    begin, length = max(within.start - DAY, EARLIEST), _WINDOW
    query = counted_from(text, begin)
    first = True
    last = min(within.end + DAY, LATEST)
    while begin < last:
        stop = min(begin + length, last)
        found: list[tuple[int, Component]] = []
        for part in query.between(from_micros(begin), from_micros(stop)):
            starts = micros(part["DTSTART"].dt, within.place)
            if first or starts >= begin:  # what reaches into the next window was in this one already
                found.append((starts, part))
        yield from (part for _, part in sorted(found, key=lambda entry: entry[0]))
        begin, first = stop, False
        length = 2 * length if len(found) < _MANY else length


def _todo(part: Component, within: Range) -> bool:
    start, due = start_of(part), part["DUE"].dt if "DUE" in part else None
    if start is not None and ("DUE" in part or "DURATION" in part):
        end = end_of(part)
        assert end is not None
        begins, ends = micros(start, within.place), micros(end, within.place)
        return (within.start < ends and within.end > begins) or within.start <= begins < within.end
    if start is not None:
        return within.start <= micros(start, within.place) < within.end
    if due is not None:
        return within.start < micros(due, within.place) <= within.end
    done, made = (part[name].dt if name in part else None for name in ("COMPLETED", "CREATED"))
    if done is not None and made is not None:
        return within.start <= micros(made) < within.end or within.start <= micros(done) < within.end
    if done is not None:
        return within.start <= micros(done) < within.end
    return made is None or micros(made) < within.end


def same_moment(one: Moment | None, other: Moment | None) -> bool:
    """Whether two moments name the same occurrence."""
    if one is None or other is None:
        return one is other
    if is_day(one) != is_day(other):
        day, clock = (one, other) if is_day(one) else (other, one)
        return isinstance(clock, datetime) and clock.date() == date(day.year, day.month, day.day)
    return micros(one) == micros(other)
