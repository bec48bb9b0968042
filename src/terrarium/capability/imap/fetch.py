"""What FETCH answers for one message (RFC 3501, 7.4.2)."""

from __future__ import annotations

from datetime import datetime

from terrarium.capability.imap.reading import Readings
from terrarium.capability.imap.section import Item
from terrarium.capability.imap.view import View
from terrarium.capability.mailbox import Copy

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def fetched(copy: Copy, number: int, items: list[Item], readings: Readings, view: View) -> list[bytes]:
    """The response for a message, in pieces to be sent one after the other."""
    pieces: list[bytes] = []
    for item in items:
        pieces.append(b" " if pieces else b"* %d FETCH (" % number)
        pieces += _told(copy, item, readings, view)
    return [*pieces, b")"]


def shown_date(moment: datetime) -> bytes:
    """A moment as INTERNALDATE has it, in the zone it was written in."""
    offset = moment.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset is not None else 0
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    day = f"{moment.day:2d}-{_MONTHS[moment.month - 1]}-{moment.year:04d}"
    return f'"{day} {moment:%H:%M:%S} {zone}"'.encode("ascii")


def _told(copy: Copy, item: Item, readings: Readings, view: View) -> list[bytes]:
    name = item.name.encode("ascii")
    if item.section is not None:
        section = item.section
        found = section.of(readings.part(copy))
        if item.name == "BODY":
            name += b"[" + section.spec + b"]" + (b"<%d>" % section.span[0] if section.span else b"")
        return [name, b" NIL"] if found is None else [name, b" {%d}\r\n" % len(found), found]
    value = b""
    match item.name:
        case "UID":
            value = b"%d" % copy.uid
        case "FLAGS":
            value = view.shown_flags(copy.uid)
        case "INTERNALDATE":
            value = shown_date(copy.received)
        case "RFC822.SIZE":
            value = b"%d" % readings.size(copy)
        case "ENVELOPE":
            value = readings.envelope(copy)
        case "BODY" | "BODYSTRUCTURE":
            value = readings.structure(copy, extended=item.name == "BODYSTRUCTURE")
    return [name, b" ", value]
