"""`calendar-data`: an object as a client wants it, whole, in part, or counted out (RFC 4791, section 9.6)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.caldav.filter import range_of
from terrarium.capability.calendar.edit import copied, new_object, put, text_of
from terrarium.capability.calendar.moment import Moment, absolute, is_floating, micros
from terrarium.capability.calendar.occurrence import Range, occurrences
from terrarium.capability.calendar.parsing import Component, end_of, parse, start_of
from terrarium.capability.calendar.rule import INSTANCES, TooMany
from terrarium.capability.calendar.shelf import Shelved
from terrarium.capability.webdav.answer import Failed
from terrarium.capability.webdav.xml import c

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SERIES = ("RRULE", "RDATE", "EXDATE", "EXRULE")


@dataclass(frozen=True)
class Shape:
    """What a client wants of objects.

    Attributes:
        expand: Occurrences in this range, each by itself and in UTC.
        limit: Overrides only in this range.
        parts: Of each component, which properties (None: all); None: every component.
        allowance: How much the request may count out.
    """

    expand: Range | None = None
    limit: Range | None = None
    parts: dict[str, frozenset[str] | None] | None = None
    allowance: Allowance = field(default_factory=Allowance)
    counted: list[int] = field(default_factory=lambda: [0])
    """How many occurrences this answer holds so far."""

    def text(self, item: Shelved) -> str:
        """An object so.

        Raises:
            TooMany: It, or the answer so far, has too many occurrences in the range.
        """
        stored: str = item.fields["text"]
        if self.expand is None and self.limit is None and self.parts is None:
            return stored
        if self.expand is not None and item.fields["component"] != "VFREEBUSY":
            calendar = _expanded(item, self.expand, self.allowance)
            self.counted[0] += len(calendar.subcomponents)
            if self.counted[0] > INSTANCES:
                raise TooMany(f"there are more than {INSTANCES} occurrences in that range; choose a shorter one")
        else:
            calendar = copied(stored)
            if self.limit is not None:
                _limit(calendar, self.limit)
        if self.parts is not None:
            _select(calendar, self.parts)
        return text_of(calendar) if self.parts is None else str(calendar.to_ical().decode())


def shape_of(element: Element, place: tzinfo, allowance: Allowance) -> Shape:
    """What a `CALDAV:calendar-data` asks for.

    Raises:
        Failed: 403 for another format, or a range that cannot be.
    """
    kind, version = element.get("content-type", "text/calendar"), element.get("version", "2.0")
    if kind.lower() != "text/calendar" or version != "2.0":
        raise Failed(403, c("supported-calendar-data"), "calendar-data is text/calendar 2.0")
    expand, limit = element.find(c("expand")), element.find(c("limit-recurrence-set"))
    for span in (expand, limit):
        if span is not None and (span.get("start") is None or span.get("end") is None):
            raise Failed(403, c("valid-filter"), "expand and limit-recurrence-set need start and end")
    top = element.find(c("comp"))
    return Shape(
        None if expand is None else range_of(expand, place),
        None if limit is None else range_of(limit, place),
        None if top is None else _parts(top),
        allowance,
    )


def _parts(element: Element) -> dict[str, frozenset[str] | None]:
    name = element.get("name", "").upper()
    props = [prop.get("name", "").upper() for prop in element.findall(c("prop"))]
    whole = element.find(c("allprop")) is not None or (not props and element.find(c("comp")) is None)
    found: dict[str, frozenset[str] | None] = {name: None if whole else frozenset(props)}
    if element.find(c("allcomp")) is not None or (whole and element.find(c("comp")) is None):
        found["*"] = None
    for inner in element.findall(c("comp")):
        found |= _parts(inner)
    return found


def _select(part: Component, wanted: dict[str, frozenset[str] | None]) -> None:
    kept = wanted.get(part.name)
    if kept is not None:
        for name in [name for name in part if name.upper() not in kept]:
            part.pop(name)
    part.subcomponents = [inner for inner in part.subcomponents if inner.name in wanted or "*" in wanted]
    for inner in part.subcomponents:
        _select(inner, wanted)


def _limit(calendar: Component, within: Range) -> None:
    """Leave out overrides that neither happen in a range nor would have."""
    for part in list(calendar.subcomponents):
        if "RECURRENCE-ID" in part:
            start, end = start_of(part), end_of(part)
            assert start is not None
            was = micros(part["RECURRENCE-ID"].dt, within.place)
            now = within.overlaps(micros(start, within.place), micros(end or start, within.place))
            if not now and not within.start <= was < within.end:
                calendar.subcomponents.remove(part)


def _expanded(item: Shelved, within: Range, allowance: Allowance) -> Component:
    calendar = new_object()
    for occurrence in occurrences(item.fields, within, allowance):
        part = copy.deepcopy(occurrence.part if occurrence.part is not None else parse(item.fields["text"]).main)
        for name in _SERIES:
            part.pop(name, None)
        put(part, "DTSTART", _plain(occurrence.start))
        if "DTEND" in part or ("DURATION" not in part and occurrence.end != occurrence.start and part.name == "VEVENT"):
            put(part, "DTEND", _plain(occurrence.end))
        if "DUE" in part:
            put(part, "DUE", _plain(part["DUE"].dt))
        part.pop("RECURRENCE-ID", None)
        if occurrence.id is not None:
            put(part, "RECURRENCE-ID", _plain(occurrence.id))
        calendar.add_component(part)
    return calendar


def _plain(moment: Moment) -> Moment:
    """A moment in UTC; days and floating times stay."""
    return moment if is_floating(moment) or not isinstance(moment, datetime) else absolute(moment).astimezone(UTC)
