"""Changing events: a whole series, one occurrence, or one and all that follow. What an editor does not know is kept."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.content import PRODID, alarm_lines
from terrarium.capability.calendar.event import like
from terrarium.capability.calendar.moment import Moment, is_day, known_zone, micros, written, zone_name
from terrarium.capability.calendar.occurrence import DAY, Range, occurrences, same_moment
from terrarium.capability.calendar.parsing import Component, Parsed, end_of, moments, parse, sequence_of, start_of
from terrarium.capability.calendar.rule import joined, rule_parts
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields
from terrarium.core.values import Value

Scope = Literal["one", "future", "all"]
SCOPES = ("one", "future", "all")

_SERIES = ("RRULE", "RDATE", "EXDATE")
_TEXTS = {"summary": "SUMMARY", "description": "DESCRIPTION", "location": "LOCATION", "status": "STATUS"}


@functools.lru_cache(maxsize=256)
def zone_text(name: str) -> str:
    """The VTIMEZONE component of a zone, as the library writes it."""
    from icalendar import Timezone

    zone: Component = Timezone.from_tzid(name, first_date=datetime(2000, 1, 1).date())
    return str(zone.to_ical().decode()).strip()


def copied(text: str) -> Component:
    """The library's object of a text, free to be changed."""
    return copy.deepcopy(parse(text).calendar)


def text_of(calendar: Component) -> str:
    """An object as text, with the definition of every zone it uses."""
    known = {str(zone.get("TZID")) for zone in calendar.walk("VTIMEZONE")}
    used = {
        str(told)
        for part in calendar.walk()
        if part.name not in ("VTIMEZONE", "STANDARD", "DAYLIGHT")
        for value in part.values()
        for entry in (value if isinstance(value, list) else [value])
        if (told := getattr(entry, "params", {}).get("TZID"))
    }
    from icalendar import Timezone

    for name in sorted(filter(known_zone, used - known), reverse=True):
        calendar.subcomponents.insert(0, Timezone.from_ical(zone_text(name)))
    return str(calendar.to_ical().decode())


def put(part: Component, name: str, value: Any) -> None:
    """Give a component one property of that name, or none where the value is None."""
    part.pop(name, None)
    if value is not None:
        part.add(name, value)


def altered(fields: Fields, changes: Mapping[str, Value], stamp: datetime) -> str:
    """The text of an object with changes to the whole of it."""
    calendar = copied(fields["text"])
    main = Parsed(calendar, _parts(calendar)).main
    before = start_of(main)
    _apply(main, changes, stamp)
    after = start_of(main)
    if (
        before is not None
        and after is not None
        and "start" in changes
        and len(_parts(calendar)) + len(list(moments(main, "EXDATE"))) > 1
    ):
        _shift(calendar, main, before, after)
    return text_of(calendar)


def altered_once(fields: Fields, occurrence: Moment, changes: Mapping[str, Value], stamp: datetime) -> str:
    """The text of an object with changes to one of its occurrences (RECURRENCE-ID).

    Raises:
        NotFound: It has no such occurrence.
    """
    at = occurrence_at(fields, occurrence)
    calendar = copied(fields["text"])
    _apply(_override(calendar, at), changes, stamp)
    return text_of(calendar)


def without(fields: Fields, occurrence: Moment, stamp: datetime) -> str:
    """The text of an object without one of its occurrences (EXDATE).

    Raises:
        NotFound: It has no such occurrence.
    """
    at = occurrence_at(fields, occurrence)
    calendar = copied(fields["text"])
    main = Parsed(calendar, _parts(calendar)).main
    for part in _parts(calendar):
        if part is not main and same_moment(part["RECURRENCE-ID"].dt, at):
            calendar.subcomponents.remove(part)
    main.add("EXDATE", like(at, start_of(main) or at))
    _stamp(main, stamp)
    return text_of(calendar)


def split(fields: Fields, occurrence: Moment, uid: str | None, stamp: datetime) -> tuple[str | None, str | None]:
    """A series up to before one of its occurrences, and, under another UID, that one and all that follow.

    Args:
        fields: Of the object.
        occurrence: Where it is cut.
        uid: Of the second series; None: it is not wanted.
        stamp: When this was done.

    Returns:
        The two texts; None for one that would be empty or is not wanted.

    Raises:
        NotFound: It has no such occurrence.
    """
    at = occurrence_at(fields, occurrence)
    first, second = copied(fields["text"]), copied(fields["text"])
    main = Parsed(first, _parts(first)).main
    start = start_of(main)
    assert start is not None
    if "RRULE" not in main:
        raise Refused("only a series with a recurrence rule can be cut; change its occurrences one by one")
    parts = rule_parts(fields["rrule"])
    done = _rule_instances_before(parts, start, at) if "COUNT" in parts else 0
    for calendar, early in ((first, True), (second, False)):
        whole = Parsed(calendar, _parts(calendar)).main
        for part in _parts(calendar):
            if part is not whole and (micros(part["RECURRENCE-ID"].dt) < micros(at)) != early:
                calendar.subcomponents.remove(part)
        for name in ("EXDATE", "RDATE"):
            kept = [moment for moment in moments(whole, name) if (micros(moment) < micros(at)) == early]
            whole.pop(name, None)
            for moment in kept:
                whole.add(name, moment)
        _stamp(whole, stamp)
    _set_rule(main, _ended(parts, at, done))
    rest = Parsed(second, _parts(second)).main
    length = (end_of(rest) or start) - start
    put(rest, "DTSTART", like(at, start))
    if "DTEND" in rest:
        put(rest, "DTEND", like(at, start) + length)
    if "COUNT" in parts:
        _set_rule(rest, parts | {"COUNT": str(int(parts["COUNT"]) - done)})
    for part in _parts(second):
        put(part, "UID", uid or "")
    return (
        None if micros(at) <= micros(start) else text_of(first),
        None if uid is None else text_of(second),
    )


def occurrence_at(fields: Fields, occurrence: Moment) -> Moment:
    """The occurrence that somebody names, as its series has it.

    Raises:
        NotFound: There is none.
    """
    if not fields["recurs"]:
        raise NotFound(f"{fields['summary'][:80]!r} does not recur")
    at = like(occurrence, start_of(parse(fields["text"]).main) or occurrence)
    near = Range(micros(at) - 400 * DAY, micros(at) + 400 * DAY)  # one that was moved is known by where it was
    for found in occurrences(fields, near, Allowance()):
        if same_moment(found.id, at):
            return at
    raise NotFound(f"{fields['summary'][:80]!r} has no occurrence at {at}")


def with_answer(text: str, address: str, status: str, occurrence: Moment | None, stamp: datetime) -> str | None:
    """The text of an object with somebody's answer in it; None where they are not invited, or say nothing new."""
    calendar = copied(text)
    if occurrence is not None and Parsed(calendar, _parts(calendar)).recurs:
        targets = [_override(calendar, occurrence)]
    else:
        targets = list(_parts(calendar))
    changed = False
    for part in targets:
        for attendee in attendees(part):
            if address_of(attendee) == address and str(attendee.params.get("PARTSTAT", "")).upper() != status:
                attendee.params["PARTSTAT"] = status
                attendee.params.pop("RSVP", None)
                changed = True
        _stamp(part, stamp, count=False)
    return text_of(calendar) if changed else None


def attendees(part: Component) -> list[Any]:
    """The ATTENDEE properties of a part."""
    found = part.get("ATTENDEE")
    return [] if found is None else found if isinstance(found, list) else [found]


def address_of(attendee: Any) -> str:
    """The address of an ATTENDEE or ORGANIZER, without its scheme, in small letters."""
    text = str(attendee)
    return (text[7:] if text[:7].lower() == "mailto:" else text).strip().lower()


# -- inside ---------------------------------------------------------------------------------------------------------


def _parts(calendar: Component) -> tuple[Component, ...]:
    return tuple(part for part in calendar.subcomponents if part.name in ("VEVENT", "VTODO", "VJOURNAL"))


def _apply(part: Component, changes: Mapping[str, Value], stamp: datetime) -> None:
    from icalendar import Alarm, vCalAddress

    for field, name in _TEXTS.items():
        if field in changes:
            put(part, name, changes[field])
    if "start" in changes:
        put(part, "DTSTART", changes["start"])
        put(part, "DTEND", changes["end"])
        part.pop("DURATION", None)
    if "transparent" in changes:
        put(part, "TRANSP", "TRANSPARENT" if changes["transparent"] else None)
    if "rrule" in changes:
        _set_rule(part, rule_parts(changes["rrule"]) if changes["rrule"] else None)
    if "exdates" in changes:
        part.pop("EXDATE", None)
        for moment in changes["exdates"]:
            part.add("EXDATE", moment)
    if "organizer" in changes:
        told = changes["organizer"]
        address = vCalAddress(f"mailto:{told['address']}") if told else None
        if address is not None and told["name"]:
            address.params["CN"] = told["name"]
        put(part, "ORGANIZER", address)
    if "attendees" in changes:
        part.pop("ATTENDEE", None)
        for told in changes["attendees"]:
            attendee = vCalAddress(f"mailto:{told['address']}")
            attendee.params.update({"ROLE": told["role"], "PARTSTAT": told["status"]})
            attendee.params.update({"CN": told["name"]} if told["name"] else {})
            attendee.params.update({"RSVP": "TRUE"} if told["rsvp"] else {})
            part.add("ATTENDEE", attendee, encode=0)
    if "alarms" in changes:
        part.subcomponents = [inner for inner in part.subcomponents if inner.name != "VALARM"]
        for told in changes["alarms"]:
            text = "\r\n".join(alarm_lines([told], str(part.get("SUMMARY", ""))))
            part.add_component(Alarm.from_ical(text + "\r\n"))
    _stamp(part, stamp, count=set(changes) != {"alarms"})  # one's own reminders are no new version to the others


def _stamp(part: Component, stamp: datetime, *, count: bool = True) -> None:
    put(part, "DTSTAMP", stamp.astimezone(UTC).replace(microsecond=0))
    put(part, "LAST-MODIFIED", stamp.astimezone(UTC).replace(microsecond=0))
    if count:
        put(part, "SEQUENCE", sequence_of(part) + 1)


def _set_rule(part: Component, parts: Mapping[str, str] | None) -> None:
    from icalendar import vRecur

    part.pop("RRULE", None)
    if parts is not None:
        part.add("RRULE", vRecur.from_ical(joined(parts)))


def _override(calendar: Component, at: Moment) -> Component:
    """The part for one occurrence, made from the series where there is none yet."""
    main = Parsed(calendar, _parts(calendar)).main
    for part in _parts(calendar):
        if "RECURRENCE-ID" in part and same_moment(part["RECURRENCE-ID"].dt, at):
            return part
    start, end = start_of(main), end_of(main)
    assert start is not None
    assert end is not None
    made = copy.deepcopy(main)
    for name in _SERIES:
        made.pop(name, None)
    at = like(at, start)
    put(made, "DTSTART", at)
    if "DTEND" in made:
        put(made, "DTEND", _clock(at, _wall(end) - _wall(start)))
    put(made, "RECURRENCE-ID", at)
    calendar.add_component(made)
    return made


def _shift(calendar: Component, main: Component, before: Moment, after: Moment) -> None:
    """Move what names occurrences along with the start of their series."""
    if is_day(before) != is_day(after):
        for part in _parts(calendar):
            if part is not main:
                calendar.subcomponents.remove(part)
        main.pop("EXDATE", None)
        return
    move = _wall(after) - _wall(before)
    skipped = [like(_clock(moment, move), after) for moment in moments(main, "EXDATE")]
    main.pop("EXDATE", None)
    for moment in skipped:
        main.add("EXDATE", moment)
    for part in _parts(calendar):
        if part is not main:
            put(part, "RECURRENCE-ID", like(_clock(part["RECURRENCE-ID"].dt, move), after))


def _wall(moment: Moment) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)
    return moment.replace(tzinfo=None)


def _clock(moment: Moment, move: timedelta) -> Moment:
    """A moment moved by what its clock shows, whatever the zone does in between."""
    return moment + move


def _ended(parts: Mapping[str, str], at: Moment, done: int) -> dict[str, str]:
    """The rule of a series that ends before `at`."""
    if "COUNT" in parts:
        return dict(parts) | {"COUNT": str(max(done, 1))}
    if is_day(at):
        return dict(parts) | {"UNTIL": written(at - timedelta(days=1))}
    assert isinstance(at, datetime)
    last = at - timedelta(seconds=1)
    return dict(parts) | {"UNTIL": written(last.astimezone(UTC) if last.tzinfo else last)}


def _rule_instances_before(parts: Mapping[str, str], start: Moment, at: Moment) -> int:
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

    end = _wall(at)
    number = 0
    for moment in rrulestr(joined(parts), dtstart=_wall(start)):
        if moment >= end:
            break
        number += 1
    return number


def new_object(method: str | None = None) -> Component:
    """An empty VCALENDAR."""
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODID)
    if method is not None:
        calendar.add("METHOD", method)
    return calendar


def zones_in(*found: Moment | None) -> list[str]:
    """The VTIMEZONE components that moments need."""
    names = {name for moment in found if moment is not None and (name := zone_name(moment))}
    return [zone_text(name) for name in sorted(names)]
