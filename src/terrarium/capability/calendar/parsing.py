"""Reading iCalendar objects: what a client or task program hands in, checked, and the fields that are kept of it.

The library keeps time zones that a text defines in one table for the whole process, by their names. So that worlds
cannot see each other's, such a zone is given a name that follows from its definition before the library reads it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from terrarium.capability.calendar.content import clean, unfold
from terrarium.capability.calendar.moment import Moment, is_day, is_floating, known_zone, micros
from terrarium.capability.calendar.rule import ALARMS, INSTANCES, TooMany, check_rule, last_of, until_of
from terrarium.core.errors import Refused
from terrarium.core.values import Value

Component = Any
"""A component of the library's; its own types allow everything everywhere."""
SIZE = 1024 * 1024
"""Characters of one object."""
COMPONENTS = ("VEVENT", "VTODO", "VJOURNAL")
_KINDS = (*COMPONENTS, "VFREEBUSY")
_NESTING = 5
LONGEST = 400 * 86_400_000_000
"""Microseconds that an occurrence of a series may last, or a reminder be away: looks begin so long before."""
_ZONED = re.compile(
    r"(DTSTART|DTEND|DUE|RECURRENCE-ID|EXDATE|RDATE|TRIGGER)((?:;[^:]*)?;TZID=)(\"[^\"]*\"|[^;:]*)", re.I
)


@dataclass(frozen=True)
class Parsed:
    """An iCalendar object of the library's, which nobody may change, and its parts."""

    calendar: Component
    parts: tuple[Component, ...]

    @property
    def main(self) -> Component:
        """The part that is not an override, or the first override where only those are here."""
        return next((part for part in self.parts if "RECURRENCE-ID" not in part), self.parts[0])

    @property
    def method(self) -> str | None:
        """The METHOD of an invitation."""
        return str(self.calendar["METHOD"]).upper() if "METHOD" in self.calendar else None

    @property
    def recurs(self) -> bool:
        """Whether it stands for more than its own moment."""
        main = self.main
        return len(self.parts) > 1 or any(name in main for name in ("RRULE", "RDATE", "RECURRENCE-ID"))


def parse(text: str) -> Parsed:
    """An iCalendar object read and checked.

    Raises:
        TooMany: It recurs too often.
        Refused: It is not one: broken, of several events, without UID or start, ending before it starts, in an unknown
            time zone, over 1 MiB.
    """
    found = _parsed(text)
    if isinstance(found, Refused):
        raise found.with_traceback(None)
    return found


@functools.lru_cache(maxsize=2048)
def _parsed(text: str) -> Parsed | Refused:
    """The same, remembered: what a letter to many carries is read once, also where it is broken."""
    try:
        return _read(text)
    except Refused as error:
        return error


def _read(text: str) -> Parsed:
    from icalendar import Calendar

    if len(text) > SIZE:
        raise Refused(f"an object has at most {SIZE} characters, not {len(text)}")
    clean("the object", text, SIZE)
    lines = unfold(text)
    _check_nesting(lines)
    try:
        calendar = Calendar.from_ical("\r\n".join(_safe_zones(lines)) + "\r\n")
    except Refused:
        raise
    except Exception as error:  # the library raises ValueError, and others where a text surprises it
        raise Refused(f"that is not iCalendar: {_first(error)}") from None
    parts = tuple(part for part in calendar.subcomponents if part.name in _KINDS)
    if not parts:
        raise Refused("the object holds no event, to-do, journal entry or free/busy time")
    if len({part.name for part in parts}) > 1:
        raise Refused("an object holds components of one kind only")
    parsed = Parsed(calendar, parts)
    if parts[0].name != "VFREEBUSY":
        _check_identity(parts)
    for part in parts:
        try:
            _check_part(part)
        except Refused:  # which is a ValueError, too
            raise
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise Refused(f"a {part.name} that cannot be understood: {_first(error)}") from None
    return parsed


def start_of(part: Component) -> Moment | None:
    """When a part begins."""
    value = part.get("DTSTART")
    return None if value is None else value.dt


def end_of(part: Component) -> Moment | None:
    """When a part ends: what it says, else after its duration, else the next day of a whole day, else at once."""
    start = start_of(part)
    for name in ("DTEND", "DUE"):
        if name in part:
            end: Moment = part[name].dt
            return end
    if start is None:
        return None
    if "DURATION" in part:
        return _plus(start, part["DURATION"].dt)
    return start + timedelta(days=1) if is_day(start) and part.name == "VEVENT" else start


def fields_of(parsed: Parsed) -> dict[str, Value]:
    """The fields that are kept of an object beside its text."""
    main, recurs = parsed.main, parsed.recurs
    start, end = start_of(main), end_of(main)
    rule = next((text for text in rules_of(main)), None)
    organizer = next(iter(addresses(main, "ORGANIZER")), None)
    first, last = span(parsed)
    return {
        "uid": str(main.get("UID", "")),
        "component": main.name,
        "summary": str(main.get("SUMMARY", "")),
        "description": _maybe(main, "DESCRIPTION"),
        "location": _maybe(main, "LOCATION"),
        "status": (_maybe(main, "STATUS") or "").upper() or None,
        "transparent": str(main.get("TRANSP", "")).upper() == "TRANSPARENT",
        "sequence": sequence_of(main),
        "start": start,
        "end": end,
        "zone": main["DTSTART"].params.get("TZID") if start is not None else None,
        "floating": start is None or is_floating(start),
        "first": first,
        "last": last,
        "recurs": recurs,
        "rrule": rule,
        "exdates": sorted(moments(main, "EXDATE"), key=micros),
        "organizer": organizer and {"address": organizer["address"], "name": organizer["name"]},
        "attendees": [
            {key: value for key, value in entry.items() if key != "agent"} for entry in addresses(main, "ATTENDEE")
        ],
        "alarms": [alarm_of(alarm) for alarm in main.walk("VALARM")],
    }


def span(parsed: Parsed) -> tuple[int | None, int | None]:
    """Between which moments it lies, in microseconds; None where that is not plain to see."""
    main = parsed.main
    starts = [start for part in parsed.parts if (start := start_of(part)) is not None]
    if not starts or "RDATE" in main or main.name == "VTODO" or len(starts) < len(parsed.parts):
        return None, None
    first = min(micros(start) for start in starts)
    ends = [micros(end) for part in parsed.parts if (end := end_of(part)) is not None]
    if not parsed.recurs:
        return first, max([*ends, first])
    if "RRULE" not in main:
        return first, max(ends)
    start, [rule] = start_of(main), rules_of(main)
    assert start is not None
    until = until_of(check_rule(rule, start)) or last_of(rule, start)
    if "RECURRENCE-ID" in main or until is None:
        return first, None
    length = max(reach_of(part) for part in parsed.parts)
    day = 86_400_000_000  # the end may be a clock time or a day in another place
    return first, max([*ends, micros(until) + length + 2 * day])


def rules_of(part: Component) -> list[str]:
    """The RRULE properties of a part, as texts."""
    return [value.to_ical().decode() for value in _listed(part.get("RRULE"))]


def reach_of(part: Component) -> int:
    """How many microseconds after its place in the rule what recurs by this part may still go on."""
    told, start, end = part.get("RECURRENCE-ID"), start_of(part), end_of(part)
    if start is None or end is None or ("RRULE" not in part and (told is None or "RANGE" not in told.params)):
        return 0
    return max(0, micros(end) - micros(start if told is None else told.dt))


def moments(part: Component, name: str) -> Iterator[Moment]:
    """The moments of EXDATE or RDATE; of a period, its beginning."""
    for value in _listed(part.get(name)):
        for entry in getattr(value, "dts", [value]):
            moment = entry.dt
            yield moment[0] if isinstance(moment, tuple) else moment


def sequence_of(part: Component) -> int:
    """The SEQUENCE of a part."""
    try:
        return max(0, int(part.get("SEQUENCE", 0)))
    except (TypeError, ValueError):
        return 0


def addresses(part: Component, name: str) -> list[dict[str, Value]]:
    """ORGANIZER or ATTENDEE as plain fields."""
    found: list[dict[str, Value]] = []
    for value in _listed(part.get(name)):
        told = getattr(value, "params", {})
        found.append(
            {
                "address": plain_address(str(value)),
                "name": str(told.get("CN", "")),
                "role": str(told.get("ROLE", "REQ-PARTICIPANT")).upper(),
                "status": str(told.get("PARTSTAT", "NEEDS-ACTION")).upper(),
                "rsvp": str(told.get("RSVP", "")).upper() == "TRUE",
                "agent": str(told.get("SCHEDULE-AGENT", "SERVER")).upper(),
            }
        )
    return found


def plain_address(text: str) -> str:
    """A calendar user's address without its scheme; mail addresses in small letters."""
    return text[7:].strip().lower() if text[:7].lower() == "mailto:" else text.strip()


def alarm_of(alarm: Component) -> dict[str, Value]:
    """A VALARM as plain fields: `offset` in seconds from the start (or `related` end), or `at`."""
    trigger = alarm.get("TRIGGER")
    moment = trigger.dt if trigger is not None else timedelta(0)
    related = str(trigger.params.get("RELATED", "START")).lower() if trigger is not None else "start"
    seen = alarm.get("ACKNOWLEDGED")
    return {
        "action": str(alarm.get("ACTION", "DISPLAY")).upper(),
        "description": str(alarm.get("DESCRIPTION", "")),
        "offset": int(moment.total_seconds()) if isinstance(moment, timedelta) else None,
        "related": "end" if related == "end" else "start",
        "at": None if isinstance(moment, timedelta) else _utc(moment),
        "acknowledged": None if seen is None else _utc(seen.dt),
    }


# -- checks ---------------------------------------------------------------------------------------------------------


def _check_nesting(lines: list[str]) -> None:
    depth = 0
    for entry in lines:
        word = entry[:6].upper()
        if word.startswith("BEGIN:"):
            depth += 1
            if depth > _NESTING:
                raise Refused("components are nested too deep")
        elif word.startswith("END:"):
            depth -= 1


def _check_identity(parts: tuple[Component, ...]) -> None:
    ids = {str(part.get("UID", "")).strip() for part in parts}
    if "" in ids:
        raise Refused("every event needs a UID")
    if len(ids) > 1:
        raise Refused("an object holds one event only: its parts have different UIDs")
    if any(len(id) > 1000 for id in ids):
        raise Refused("a UID has at most 1000 characters")
    if sum("RECURRENCE-ID" not in part for part in parts) > 1:
        raise Refused("an object holds one event only: give further parts a RECURRENCE-ID")
    if len(parts) > INSTANCES:
        raise TooMany(f"an event has at most {INSTANCES} overrides")


def _check_part(part: Component) -> None:
    broken = [name for name, _ in part.errors if name is None or not str(name).upper().startswith("X-")]
    if broken or any(type(value).__name__ == "vBroken" for value in part.values()):
        told = "; ".join(f"{name or 'a line'}: {text}" for name, text in part.errors[:3])
        raise Refused(f"a broken {part.name}: {told[:300] or 'a property cannot be read'}")
    if len(part.subcomponents) > ALARMS:
        raise TooMany(f"an event has at most {ALARMS} reminders")
    for alarm in part.subcomponents:
        if alarm.errors or (alarm.name == "VALARM" and "TRIGGER" not in alarm):
            raise Refused("a broken VALARM: it needs a TRIGGER and an ACTION")
        if alarm.name == "VALARM" and abs(alarm_of(alarm)["offset"] or 0) * 10**6 > LONGEST:
            raise Refused("a reminder rings at most 400 days before or after what it is of")
    start, end = start_of(part), end_of(part)
    if part.name == "VEVENT" and start is None:
        raise Refused("an event needs a DTSTART")
    for moment in (start, end):
        if moment is not None and not 1600 <= moment.year <= 9000:
            raise Refused(f"the year {moment.year} is out of range")
    if start is not None and end is not None:
        if part.name == "VEVENT" and is_day(start) != is_day(end):
            raise Refused("DTSTART and DTEND must both be days or both be times")
        if is_day(start) == is_day(end) and micros(end) < micros(start):
            raise Refused("an event cannot end before it starts")
    if "DTEND" in part and "DURATION" in part:
        raise Refused("an event has DTEND or DURATION, not both")
    if reach_of(part) > LONGEST or len(rules_of(part)) > 1:
        raise Refused("what recurs has one rule, and is over after 400 days at most each time")
    for rule in rules_of(part):
        if start is None:
            raise Refused("what recurs needs a DTSTART")
        check_rule(rule, start)
    if sum(1 for name in ("RDATE", "EXDATE") for _ in moments(part, name)) > 2 * INSTANCES:
        raise TooMany(f"an event has at most {INSTANCES} occurrences")


def _safe_zones(lines: list[str]) -> list[str]:
    """The lines with every TZID under a name the library reads alike in every world.

    Raises:
        Refused: A zone that nobody knows and the text does not define.
    """
    if not any("TZID" in entry.upper() for entry in lines):
        return lines
    own: dict[str, str] = {}
    block: list[str] | None = None
    for entry in lines:
        if entry.upper() == "BEGIN:VTIMEZONE":
            block = []
        elif entry.upper() == "END:VTIMEZONE" and block is not None:
            name = next((line.partition(":")[2] for line in block if re.match("TZID[:;]", line, re.I)), "")
            own[name] = hashlib.sha256("\n".join(block).encode()).hexdigest()[:16]
            block = None
        elif block is not None:
            block.append(entry)
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        if name not in names:
            names[name] = _zone_called(name) or (f"own-{own[name]}" if name in own else "")
        if not names[name]:
            raise Refused(f"nobody knows the time zone {name[:80]!r}, and the object does not define it (VTIMEZONE)")
        return names[name]

    def rewrite(entry: str) -> str:
        if entry[:5].upper() == "TZID:":
            return "TZID:" + renamed(entry[5:])
        found = _ZONED.match(entry)
        if found is None:
            return entry
        return found[1] + found[2] + renamed(found[3].strip('"')) + entry[found.end() :]

    return [rewrite(entry) for entry in lines]


def _zone_called(name: str) -> str | None:
    """The name in the IANA data base of a zone as clients call it, or None."""
    if known_zone(name) is not None:
        return name
    parts = name.strip("/").split("/")
    for start in range(len(parts)):
        if known_zone("/".join(parts[start:])) is not None:
            return "/".join(parts[start:])
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return WINDOWS_TO_OLSON.get(name)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _maybe(part: Component, name: str) -> str | None:
    value = part.get(name)
    return None if value is None else str(value[0] if isinstance(value, list) else value)


def _plus(start: Moment, length: timedelta) -> Moment:
    """A nominal duration: days keep the clock time, the rest is exact (RFC 5545, section 3.3.6)."""
    if not isinstance(start, datetime):
        return start + length
    later = start + timedelta(days=length.days)
    rest = length - timedelta(days=length.days)
    return later + rest if later.tzinfo is None else (later.astimezone(UTC) + rest).astimezone(later.tzinfo)


def _utc(moment: date | datetime) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
