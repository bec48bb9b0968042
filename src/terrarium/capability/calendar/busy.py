"""Free and busy times: when a person cannot be met, without saying why (RFC 5545, section 3.6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.content import PRODID, escape, fold, line
from terrarium.capability.calendar.moment import micros, written
from terrarium.capability.calendar.occurrence import Range, occurrences
from terrarium.capability.calendar.parsing import addresses
from terrarium.capability.calendar.shelf import Shelf, Shelved
from terrarium.core.person import Person
from terrarium.core.rows import Fields
from terrarium.core.values import from_micros

BUSY, TENTATIVE = "BUSY", "BUSY-TENTATIVE"


@dataclass(frozen=True, order=True)
class Period:
    """A time, in microseconds, in which somebody is busy or perhaps so."""

    start: int
    end: int
    kind: str = BUSY


def busy_periods(shelf: Shelf, person: Person, within: Range, allowance: Allowance) -> list[Period]:
    """When a person is busy by all of their own calendars, joined where it overlaps, in order.

    Raises:
        TooMany: That is more than the allowance, and it is not to be cut off.
    """
    found: list[Period] = []
    for key, fields in shelf.calendars(person.id):
        if not fields["transparent"]:
            found += calendar_periods(shelf, key, within, allowance, person)
    return joined(found)


def calendar_periods(
    shelf: Shelf, key: str, within: Range, allowance: Allowance, person: Person | None = None
) -> list[Period]:
    """The same by one calendar."""
    place = Range(within.start, within.end, shelf.place(key))
    return joined(period for item in shelf.objects(key) for period in _periods(item, place, allowance, person))


def joined(periods: Iterable[Period]) -> list[Period]:
    """Periods of each kind without overlaps, in order."""
    given, done = sorted(periods), list[Period]()
    for kind in (BUSY, TENTATIVE):
        current: Period | None = None
        for period in (period for period in given if period.kind == kind):
            if current is not None and period.start <= current.end:
                current = Period(current.start, max(current.end, period.end), kind)
                continue
            done += [current] if current is not None else []
            current = period
        done += [current] if current is not None else []
    return sorted(done)


def busy_text(periods: Iterable[Period], within: Range, stamp: datetime, **told: str) -> str:
    """A VFREEBUSY object.

    Args:
        periods: What it says.
        within: The range it is about.
        stamp: When it was made.
        told: Further properties of its component; `method` is that of the object.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODID}"]
    lines += [f"METHOD:{told.pop('method')}"] if "method" in told else []
    lines += ["BEGIN:VFREEBUSY", f"DTSTAMP:{written(stamp)}"]
    lines += [f"DTSTART:{written(from_micros(within.start))}", f"DTEND:{written(from_micros(within.end))}"]
    lines += [f"{name.upper()}:{escape(value) if name == 'uid' else value}" for name, value in told.items()]
    for period in periods:
        value = f"{written(from_micros(period.start))}/{written(from_micros(period.end))}"
        lines.append(line("FREEBUSY", value, {"FBTYPE": period.kind}))
    return "\r\n".join(fold(entry) for entry in [*lines, "END:VFREEBUSY", "END:VCALENDAR", ""])


def _periods(item: Shelved, within: Range, allowance: Allowance, person: Person | None) -> Iterable[Period]:
    fields = item.fields
    if fields["component"] != "VEVENT" or (not fields["recurs"] and not _counts(fields, person)):
        return
    for occurrence in occurrences(fields, within, allowance):
        told = fields
        if occurrence.part is not None:
            part = occurrence.part
            told = {
                "status": str(part.get("STATUS", "")).upper(),
                "transparent": str(part.get("TRANSP", "")).upper() == "TRANSPARENT",
                "attendees": addresses(part, "ATTENDEE") if "ATTENDEE" in part else [],
            }
        kind = _counts(told, person)
        start, end = micros(occurrence.start, within.place), micros(occurrence.end, within.place)
        if kind and end > start:
            yield Period(max(start, within.start), min(end, within.end), kind)


def _counts(fields: Fields, person: Person | None) -> str | None:
    """The kind of time an event takes of a person, or None where it takes none."""
    if fields["transparent"] or fields["status"] == "CANCELLED":
        return None
    answer = None
    if person is not None:
        own = person.address.lower()
        answer = next((entry["status"] for entry in fields["attendees"] if entry["address"].lower() == own), None)
    if answer == "DECLINED":
        return None
    return TENTATIVE if fields["status"] == "TENTATIVE" or answer in ("TENTATIVE", "NEEDS-ACTION") else BUSY
