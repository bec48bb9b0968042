"""iCalendar as text: writing content lines, and the plain events that need no library (RFC 5545, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from terrarium.capability.calendar.moment import Moment, is_day, written, zone_name
from terrarium.core.errors import Refused
from terrarium.core.values import Value

PRODID = "-//Terrarium//Calendar//EN"

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_UNSAFE = re.compile('[";:,\r\n]')


def clean(what: str, value: Value, limit: int = 100_000) -> str:
    """Text that can stand in an event; line ends become LF.

    Raises:
        Refused: It is not text, too long, or holds control characters.
    """
    if not isinstance(value, str):
        raise Refused(f"{what} must be text, not {type(value).__name__}")
    if len(value) > limit:
        raise Refused(f"{what} has {len(value)} characters; at most {limit}")
    if _FORBIDDEN.search(value):
        raise Refused(f"{what} holds a control character")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def escape(text: str) -> str:
    """Text as the value of a TEXT property."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def fold(line: str) -> str:
    """A content line in pieces of at most 75 octets, none of which cuts a character."""
    if len(line) <= 75 and line.isascii():
        return line
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for character in line:
        width = len(character.encode())
        if size + width > 75:
            pieces.append("".join(piece))
            piece, size = [" "], 1
        piece.append(character)
        size += width
    return "\r\n".join([*pieces, "".join(piece)])


def unfold(text: str) -> list[str]:
    """The content lines of a text, whatever line ends it has."""
    return re.sub(r"\r?\n[ \t]", "", text).replace("\r\n", "\n").strip("\n").split("\n")


def line(name: str, value: str, parameters: Mapping[str, str] | None = None) -> str:
    """A content line; the value is as it must stand there."""
    told = "".join(f";{key}={_parameter(text)}" for key, text in (parameters or {}).items())
    return f"{name}{told}:{value}"


def moment_line(name: str, moment: Moment) -> str:
    """A content line whose value is a moment."""
    if is_day(moment):
        return line(name, written(moment), {"VALUE": "DATE"})
    zone = zone_name(moment)
    return line(name, written(moment), {"TZID": zone} if zone else None)


def alarm_lines(alarms: Sequence[Mapping[str, Value]], summary: str) -> list[str]:
    """VALARM components."""
    lines = []
    for alarm in alarms:
        lines += ["BEGIN:VALARM", f"ACTION:{alarm['action']}", f"DESCRIPTION:{escape(alarm['description'] or summary)}"]
        if alarm["at"] is not None:
            lines.append(line("TRIGGER", written(alarm["at"]), {"VALUE": "DATE-TIME"}))
        else:
            related = {"RELATED": "END"} if alarm["related"] == "end" else None
            lines.append(line("TRIGGER", duration(alarm["offset"]), related))
        lines.append("END:VALARM")
    return lines


def attendee_line(attendee: Mapping[str, Value]) -> str:
    """An ATTENDEE property."""
    told = {"CN": attendee["name"]} if attendee["name"] else {}
    told |= {"ROLE": attendee["role"], "PARTSTAT": attendee["status"]}
    told |= {"RSVP": "TRUE"} if attendee["rsvp"] else {}
    return line("ATTENDEE", f"mailto:{attendee['address']}", told)


def duration(seconds: int) -> str:
    """Seconds as a DURATION, such as `-PT15M`."""
    sign, left = "-" if seconds < 0 else "", abs(seconds)
    if left % 86400 == 0 and left:
        return f"{sign}P{left // 86400}D"
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    parts = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (left, "S")) if number)
    return f"{sign}PT{parts or '0S'}"


def event_text(event: Mapping[str, Value], stamp: datetime, zones: Iterable[str] = ()) -> str:
    """A whole VCALENDAR object with one event from its plain fields.

    Args:
        event: As `Item` has them.
        stamp: When it was written.
        zones: VTIMEZONE components, as texts.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODID}"]
    for zone in zones:
        lines += unfold(zone)
    lines += ["BEGIN:VEVENT", f"UID:{escape(event['uid'])}", f"DTSTAMP:{written(stamp)}"]
    lines.append(moment_line("DTSTART", event["start"]))
    if event["end"] is not None:
        lines.append(moment_line("DTEND", event["end"]))
    lines.append(f"SUMMARY:{escape(event['summary'])}")
    for name in ("description", "location"):
        if event[name] is not None:
            lines.append(f"{name.upper()}:{escape(event[name])}")
    if event["rrule"]:
        lines.append(f"RRULE:{event['rrule']}")
    lines += [moment_line("EXDATE", moment) for moment in event["exdates"]]
    if event["status"]:
        lines.append(f"STATUS:{event['status']}")
    if event["transparent"]:
        lines.append("TRANSP:TRANSPARENT")
    lines.append(f"SEQUENCE:{event['sequence']}")
    if event["organizer"]:
        organizer = event["organizer"]
        lines.append(
            line(
                "ORGANIZER", f"mailto:{organizer['address']}", {"CN": organizer["name"]} if organizer["name"] else None
            )
        )
    lines += [attendee_line(attendee) for attendee in event["attendees"]]
    lines += alarm_lines(event["alarms"], event["summary"])
    lines += ["END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(fold(entry) for entry in lines)


def _parameter(text: str) -> str:
    text = text.replace('"', "'").replace("\n", " ")
    return f'"{text}"' if _UNSAFE.search(text) else text
