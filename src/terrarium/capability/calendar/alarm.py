"""Reminders: which alarms ring when, by world time (RFC 5545, section 3.6.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.moment import micros
from terrarium.capability.calendar.occurrence import EARLIEST, LATEST, Occurrence, Range, occurrences
from terrarium.capability.calendar.parsing import alarm_of
from terrarium.capability.calendar.rule import INSTANCES, TooMany
from terrarium.capability.calendar.shelf import Shelf, Shelved
from terrarium.core.values import Value, from_micros


@dataclass(frozen=True)
class Ring:
    """One alarm at one moment."""

    time: int
    item: Shelved
    occurrence: Occurrence
    alarm: Mapping[str, Value]

    def view(self, calendar: str) -> dict[str, Value]:
        """What others see of it."""
        fields = self.item.fields
        return {
            "time": from_micros(self.time),
            "calendar_id": calendar,
            "uid": fields["uid"],
            "summary": fields["summary"],
            "action": self.alarm["action"],
            "description": self.alarm["description"] or fields["summary"],
            "dtstart": self.occurrence.start,
            "recurrence_id": self.occurrence.id,
        }


def rings(shelf: Shelf, keys: Iterable[str], start: int, end: int, allowance: Allowance) -> list[Ring]:
    """The alarms of calendars that ring at or after `start` and before `end` (microseconds), in order.

    Those that were acknowledged, and those of cancelled events, do not ring.

    Raises:
        TooMany: There are more than 10,000, or that is more than the allowance, and it is not to be cut off.
    """
    found: list[Ring] = []
    for key in keys:
        place = shelf.place(key)
        for item in shelf.objects(key):
            for ring in rings_of(item, start, end, allowance, place):
                found.append(ring)
                if not allowance.cuts and len(found) > INSTANCES:
                    raise TooMany(f"there are more than {INSTANCES} reminders; choose a shorter range")
    return sorted(found, key=lambda ring: (ring.time, ring.item.key))


def rings_of(item: Shelved, start: int, end: int, allowance: Allowance, place: tzinfo = UTC) -> Iterator[Ring]:
    """The same of one object, in no order; days and floating times are those of `place`."""
    fields = item.fields
    if fields["start"] is None or fields["status"] == "CANCELLED":
        return
    if not fields["recurs"]:
        for alarm in fields["alarms"]:
            once = Occurrence(fields["start"], fields["end"] or fields["start"])
            time = _time(alarm, once, place)
            if _rings_at(alarm, time, start, end):
                yield Ring(time, item, once, alarm)
        return
    if "VALARM" not in fields["text"]:
        return
    reach = [alarm["offset"] * 10**6 for alarm in fields["alarms"] if alarm["offset"] is not None]
    before, after = max([0, *(-offset for offset in reach)]), max([0, *reach])
    near = Range(max(start - after, EARLIEST), min(end + before, LATEST), place)
    for occurrence in occurrences(fields, near, allowance):
        assert occurrence.part is not None
        for alarm in map(alarm_of, occurrence.part.walk("VALARM")):
            time = _time(alarm, occurrence, place)
            if _rings_at(alarm, time, start, end):
                yield Ring(time, item, occurrence, alarm)


def _rings_at(alarm: Mapping[str, Value], time: int, start: int, end: int) -> bool:
    seen = alarm["acknowledged"]
    return start <= time < end and (seen is None or micros(seen) < time)


def _time(alarm: Mapping[str, Value], occurrence: Occurrence, place: tzinfo) -> int:
    if alarm["at"] is not None:
        return micros(alarm["at"])
    moment = occurrence.end if alarm["related"] == "end" else occurrence.start
    return micros(moment, place) + int(alarm["offset"]) * 10**6
