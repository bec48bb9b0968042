"""An event as task programs and agents have it: plain fields in, plain fields out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from terrarium.capability.calendar.content import clean
from terrarium.capability.calendar.moment import (
    Moment,
    absolute,
    in_zone,
    is_day,
    is_floating,
    micros,
    moment_of,
    zone_name,
)
from terrarium.capability.calendar.occurrence import Occurrence
from terrarium.capability.calendar.parsing import fields_of, parse
from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.rule import ALARMS, TooMany, check_rule, joined
from terrarium.core.clock import Clock, span_micros
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields
from terrarium.core.values import Value

STATUSES = ("TENTATIVE", "CONFIRMED", "CANCELLED")
ANSWERS = ("NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED")
_ADDRESS = re.compile(r"\s*(?:(?P<name>[^<>]*?)\s*<)?(?:mailto:)?(?P<address>[^\s<>@,;:\"]+@[^\s<>@,;:\"]+)>?\s*")


def event_fields(
    people: People,
    uid: str,
    summary: Value,
    dtstart: Value,
    dtend: Value,
    *,
    description: Value = None,
    location: Value = None,
    timezone: str | None = None,
    rrule: str | None = None,
    exdates: Sequence[Value] | None = None,
    attendees: Sequence[Value] | None = None,
    organizer: Value = None,
    alarms: Sequence[Value] | None = None,
    status: str | None = None,
    transparent: bool = False,
    sequence: int = 0,
    world: tzinfo | None = None,
) -> dict[str, Value]:
    """The fields of an event from what a caller gave, checked. Needs the calendar libraries only where it recurs.

    `world` is where clock times are meant that come without `timezone`; None: they stay floating.

    Raises:
        Refused: Something cannot be.
    """
    if len(_list("alarms", alarms)) > ALARMS:
        raise TooMany(f"an event has at most {ALARMS} reminders")
    start, end = span_of(dtstart, dtend, timezone, world)
    if rrule is not None:
        rrule = joined(check_rule(clean("the recurrence rule", rrule, 1000), start))
    skipped = [like(in_zone(moment_of("exdates", moment), timezone), start) for moment in _list("exdates", exdates)]
    if skipped and rrule is None:
        raise Refused("exdates need a recurrence rule (rrule)")
    recurs = rrule is not None
    return {
        "uid": uid,
        "component": "VEVENT",
        "summary": clean("the summary", summary, 5000),
        "description": None if description is None else clean("the description", description),
        "location": None if location is None else clean("the location", location, 5000),
        "status": status_of(status),
        "transparent": bool(transparent),
        "sequence": sequence,
        "start": start,
        "end": end,
        "zone": zone_name(start),
        "floating": is_floating(start),
        "first": micros(start),
        "last": None if recurs else micros(end),
        "recurs": recurs,
        "rrule": rrule,
        "exdates": sorted(skipped, key=micros),
        "organizer": None if organizer is None else person_at(people, organizer),
        "attendees": [attendee_of(people, attendee) for attendee in _list("attendees", attendees)],
        "alarms": [alarm_of(alarm, world or UTC) for alarm in _list("alarms", alarms)],
    }


def span_of(dtstart: Value, dtend: Value, zone: str | None, world: tzinfo | None = None) -> tuple[Moment, Moment]:
    """Beginning and end of an event; without an end, a day lasts until the next and a moment an hour.

    Raises:
        Refused: They are not moments, of different kinds, or in the wrong order.
    """
    start = in_zone(moment_of("dtstart", dtstart), zone, world)
    if dtend is None:
        return start, start + (timedelta(days=1) if is_day(start) else timedelta(hours=1))
    end = in_zone(moment_of("dtend", dtend), zone, world)
    if is_day(start) != is_day(end):
        raise Refused("dtstart and dtend must both be days or both be times")
    if is_floating(start) != is_floating(end):
        raise Refused("dtstart and dtend must both have a time zone, or neither")
    if is_day(start) and end == start:
        end = start + timedelta(days=1)
    if micros(end) < micros(start):
        raise Refused(f"an event cannot end ({end}) before it starts ({start})")
    return start, end


def like(moment: Moment, start: Moment) -> Moment:
    """A moment that names an occurrence, of the kind that the start of its series is.

    Raises:
        Refused: It is a day, and the series has times.
    """
    if is_day(start):
        return moment.date() if isinstance(moment, datetime) else moment
    if not isinstance(moment, datetime):
        raise Refused(f"{moment} is a day; name the occurrence by its time too")
    assert isinstance(start, datetime)
    if start.tzinfo is None:
        return moment.replace(tzinfo=None)
    return moment.replace(tzinfo=start.tzinfo) if moment.tzinfo is None else moment.astimezone(start.tzinfo)


def status_of(status: Value) -> str | None:
    """The status of an event in capitals.

    Raises:
        Refused: There is no such status.
    """
    if status is None:
        return None
    found = str(status).upper()
    if found not in STATUSES:
        raise Refused(f"the status of an event is one of {', '.join(STATUSES)}, not {str(status)[:40]!r}")
    return found


def answer_of(answer: Value) -> str:
    """A participation status in capitals; `accept` and `decline` will do.

    Raises:
        Refused: There is no such answer.
    """
    found = str(answer).upper().replace("_", "-")
    found = {"ACCEPT": "ACCEPTED", "DECLINE": "DECLINED", "YES": "ACCEPTED", "NO": "DECLINED"}.get(found, found)
    if found not in ANSWERS:
        raise Refused(f"an answer is one of {', '.join(ANSWERS)}, not {str(answer)[:40]!r}")
    return found


def person_at(people: People, given: Value) -> dict[str, Value]:
    """Address and name of somebody: a person's id, an address, or `Name <address>`.

    Raises:
        Refused: It is none of these.
    """
    if isinstance(given, Mapping):
        given = f"{given.get('name') or ''} <{given.get('address')}>"
    if not isinstance(given, str):
        raise Refused(f"{str(given)[:80]!r} is not a person or an address")
    if "@" not in given:
        from terrarium.capability.calendar.person import person_id

        person = people.person(person_id(given))
        return {"address": person.address.lower(), "name": person.name}
    found = _ADDRESS.fullmatch(given)
    if found is None:
        raise Refused(f"{given[:80]!r} is not an address; write 'ann@corp.example' or 'Ann <ann@corp.example>'")
    address = found["address"].lower()
    known = people.at(address)
    name = (found["name"] or "").strip().strip('"')
    return {"address": address, "name": clean("a name", name or (known.name if known else ""), 500)}


def attendee_of(people: People, given: Value) -> dict[str, Value]:
    """Somebody invited, with role and answer.

    Raises:
        Refused: It is nobody, or a role or answer that there is not.
    """
    told = given if isinstance(given, Mapping) else {}
    if unknown := sorted(set(told) - {"address", "name", "role", "status", "rsvp"}):
        raise Refused(f"an attendee has address, name, role, status and rsvp, not {unknown[0]!r}")
    role = str(told.get("role") or "REQ-PARTICIPANT").upper()
    if role not in ("CHAIR", "REQ-PARTICIPANT", "OPT-PARTICIPANT", "NON-PARTICIPANT"):
        raise Refused(f"there is no role {role[:40]!r}")
    status = answer_of(told.get("status") or "NEEDS-ACTION")
    rsvp = bool(told.get("rsvp", status == "NEEDS-ACTION"))
    return {**person_at(people, given), "role": role, "status": status, "rsvp": rsvp}


def alarm_of(given: Value, place: tzinfo = UTC) -> dict[str, Value]:
    """A reminder: a span before the start (`15m`, seconds, timedelta), a moment (in `place`), or a table of these.

    Raises:
        Refused: It is none of these.
    """
    told: Mapping[str, Value]
    told = given if isinstance(given, Mapping) else {"at": given} if isinstance(given, datetime) else {"before": given}
    if unknown := sorted(set(told) - {"before", "after", "at", "related", "action", "description"}):
        raise Refused(f"an alarm has before, after, at, related, action and description, not {unknown[0]!r}")
    if sum(told.get(key) is not None for key in ("before", "after", "at")) != 1:
        raise Refused("an alarm needs one of before, after and at, for example {'before': '15m'}")
    at, offset = None, None
    if told.get("at") is not None:
        moment = moment_of("the alarm", told["at"])
        if not isinstance(moment, datetime):
            raise Refused("the moment of an alarm needs a time")
        at = absolute(moment, place).astimezone(UTC)
    elif told.get("before") is not None:
        offset = -(span_micros(told["before"]) // 10**6)
    else:
        offset = span_micros(told["after"]) // 10**6
    action = str(told.get("action") or "DISPLAY").upper()
    if action not in ("DISPLAY", "AUDIO", "EMAIL"):
        raise Refused(f"the action of an alarm is DISPLAY, AUDIO or EMAIL, not {action[:40]!r}")
    related = str(told.get("related") or "start").lower()
    if related not in ("start", "end"):
        raise Refused("an alarm is related to 'start' or 'end'")
    description = clean("the description of an alarm", told.get("description") or "", 5000)
    return {
        "action": action,
        "description": description,
        "offset": offset,
        "related": related,
        "at": at,
        "acknowledged": None,
    }


def view(fields: Fields, occurrence: Occurrence | None = None) -> dict[str, Value]:
    """An event, or one occurrence of it, as others see it."""
    shown, start, end, recurrence = fields, fields["start"], fields["end"], None
    if occurrence is not None:
        start, end, recurrence = occurrence.start, occurrence.end, occurrence.id
        if occurrence.part is not None:
            from terrarium.capability.calendar.parsing import Parsed

            shown = fields_of(Parsed(parse(fields["text"]).calendar, (occurrence.part,)))
    found: dict[str, Value] = {
        "uid": fields["uid"],
        "summary": shown["summary"],
        "dtstart": start,
        "dtend": end,
        "description": shown["description"],
        "location": shown["location"],
        "status": shown["status"],
        "timezone": fields["zone"],
        "transparent": shown["transparent"],
        "organizer": shown["organizer"] and shown["organizer"]["address"],
        "attendees": [
            {key: entry[key] for key in ("address", "name", "role", "status")} for entry in shown["attendees"]
        ],
        "alarms": [
            {key: alarm[key] for key in ("action", "description", "offset", "related", "at")}
            for alarm in shown["alarms"]
        ],
        "rrule": fields["rrule"],
        "exdates": list(fields["exdates"]),
        "recurrence_id": recurrence,
        "sequence": shown["sequence"],
    }
    if fields["component"] != "VEVENT":
        found["component"] = fields["component"]
    return found


def moment_range(start: Value, end: Value, clock: Clock) -> tuple[int, int]:
    """A range from what a caller gave, in the world's zone: None for the start is now, for the end, four weeks later.

    Raises:
        Refused: They are not moments, or the end is not after the start.
    """
    begin = clock.micros if start is None else micros(moment_of("start", start), clock.zone)
    stop = begin + 28 * 86_400_000_000 if end is None else micros(moment_of("end", end), clock.zone)
    if stop <= begin:
        raise Refused("the end of a range must come after its start")
    return begin, stop


def _list(what: str, given: Sequence[Value] | None) -> list[Value]:
    if given is None:
        return []
    if not isinstance(given, (list, tuple)) or len(given) > 10_000:
        raise Refused(f"{what} must be a list")
    return list(given)
