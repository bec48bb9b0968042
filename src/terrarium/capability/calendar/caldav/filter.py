"""The filters of calendar-query: which objects a client asks for (RFC 4791, section 9.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from terrarium.capability.calendar.alarm import rings_of
from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.moment import Moment, micros, read
from terrarium.capability.calendar.occurrence import EARLIEST, LATEST, Range, happens
from terrarium.capability.calendar.parsing import Component, parse
from terrarium.capability.calendar.shelf import Shelved
from terrarium.capability.webdav.answer import Failed
from terrarium.capability.webdav.text_match import text_match
from terrarium.capability.webdav.xml import CALDAV, c

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Test = Callable[[Shelved], bool]
_KNOWN = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VALARM", "VCALENDAR")


def test_of(filter: Element | None, place: tzinfo, allowance: Allowance) -> Test:
    """What a `CALDAV:filter` asks of an object; everything fits where there is none.

    Args:
        filter: The element.
        place: Where floating times are meant.
        allowance: How much the request may count out.

    Raises:
        Failed: 403 for a filter that is broken or not known here.
    """
    if filter is None:
        return lambda item: True
    tops = list(filter)
    if len(tops) != 1 or tops[0].tag != c("comp-filter") or tops[0].get("name", "").upper() != "VCALENDAR":
        raise Failed(403, c("valid-filter"), "a filter holds one comp-filter of VCALENDAR")
    tests = [_of_object(element, place, allowance) for element in tops[0] if element.tag != c("is-not-defined")]
    if tops[0].find(c("is-not-defined")) is not None:
        return lambda item: False
    return lambda item: all(test(item) for test in tests)


def range_of(element: Element, place: tzinfo = UTC) -> Range:
    """The range of a `time-range`, `expand` or the like.

    Raises:
        Failed: 403 where its ends are no UTC times, both missing, or in the wrong order.
    """
    start, end = _utc(element.get("start")), _utc(element.get("end"))
    if start is None and end is None:
        raise Failed(403, c("valid-filter"), "a time range needs a start or an end")
    found = Range(EARLIEST if start is None else start, LATEST if end is None else end, place)
    if found.end <= found.start:
        raise Failed(403, c("valid-filter"), "a time range ends after it starts")
    return found


def _utc(text: str | None) -> int | None:
    if text is None:
        return None
    moment: Moment | None
    try:
        moment = read(text)
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise Failed(403, c("valid-filter"), f"{text[:40]!r} is not a time in UTC such as 20300107T090000Z")
    return min(max(micros(moment), EARLIEST), LATEST)


def _of_object(element: Element, place: tzinfo, allowance: Allowance) -> Test:
    """A filter directly inside that of VCALENDAR."""
    if element.tag == c("prop-filter"):
        inside = _of_property(element)
        return lambda item: inside(parse(item.fields["text"]).calendar)
    name = _name(element, "comp-filter")
    if element.find(c("is-not-defined")) is not None:
        return lambda item: not _has(item, name)
    range_, rest = None, []
    for inner in element:
        if inner.tag == c("time-range"):
            range_ = range_of(inner, place)
        elif inner.tag == c("comp-filter") and name in ("VEVENT", "VTODO"):
            rest.append(_of_alarm(inner, place, allowance))
        elif inner.tag == c("prop-filter"):
            rest.append(_any_part(name, _of_property(inner)))
        else:
            raise Failed(403, c("supported-filter"), f"{inner.tag[-40:]} is not known in a filter of {name}")
    wanted = range_

    def fits(item: Shelved) -> bool:
        if not _has(item, name) or (wanted is not None and not happens(item.fields, wanted, allowance)):
            return False
        return all(test(item) for test in rest)

    return fits


def _of_alarm(element: Element, place: tzinfo, allowance: Allowance) -> Test:
    name = _name(element, "comp-filter")
    if element.find(c("is-not-defined")) is not None:
        return lambda item: f"BEGIN:{name}" not in item.fields["text"].upper()
    span = element.find(c("time-range"))
    tests = [_of_property(inner) for inner in element if inner.tag == c("prop-filter")]
    if span is not None:
        within = range_of(span, place)

        def rings(item: Shelved) -> bool:
            found = rings_of(item, within.start, within.end, allowance, place)
            return name == "VALARM" and next(found, None) is not None

        return rings
    return lambda item: any(
        all(test(alarm) for test in tests) for part in parse(item.fields["text"]).parts for alarm in part.walk(name)
    )


def _any_part(name: str, test: Callable[[Component], bool]) -> Test:
    return lambda item: any(test(part) for part in parse(item.fields["text"]).calendar.walk(name))


def _of_property(element: Element) -> Callable[[Component], bool]:
    name = _name(element, "prop-filter", known=False)
    if element.find(c("is-not-defined")) is not None:
        return lambda part: name not in part
    tests: list[Callable[[Any], bool]] = []
    for inner in element:
        if inner.tag == c("text-match"):
            match = text_match(inner, CALDAV)
            tests.append(lambda value, match=match: match(_text(value)))  # type: ignore[misc]
        elif inner.tag == c("time-range"):
            within = range_of(inner)
            tests.append(lambda value, within=within: _in_range(value, within))  # type: ignore[misc]
        elif inner.tag == c("param-filter"):
            tests.append(_of_parameter(inner))
        else:
            raise Failed(403, c("supported-filter"), f"{inner.tag[-40:]} is not known in a filter of {name}")
    return lambda part: any(all(test(value) for test in tests) for value in _values(part, name))


def _of_parameter(element: Element) -> Callable[[Any], bool]:
    name = _name(element, "param-filter", known=False)
    if element.find(c("is-not-defined")) is not None:
        return lambda value: name not in getattr(value, "params", {})
    inner = element.find(c("text-match"))
    match = (lambda text: True) if inner is None else text_match(inner, CALDAV)
    return lambda value: name in getattr(value, "params", {}) and match(str(value.params[name]))


def _name(element: Element, kind: str, *, known: bool = True) -> str:
    name = element.get("name", "").upper()
    if element.tag != c(kind) or not name or (known and name not in _KNOWN and not name.startswith("X-")):
        raise Failed(403, c("supported-filter"), f"{element.tag[-40:]} {name[:40]!r} is not known here")
    return name


def _has(item: Shelved, name: str) -> bool:
    if item.fields["component"] == name:
        return True
    return name not in ("VEVENT", "VTODO", "VJOURNAL") and f"BEGIN:{name}" in item.fields["text"].upper()


def _values(part: Component, name: str) -> Iterable[Any]:
    value = part.get(name)
    return () if value is None else value if isinstance(value, list) else (value,)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    return value.to_ical().decode("utf-8", "replace") if hasattr(value, "to_ical") else str(value)


def _in_range(value: Any, within: Range) -> bool:
    moment = getattr(value, "dt", None)
    if moment is None or not hasattr(moment, "year"):
        return False
    at = micros(moment, within.place)
    return within.start <= at < within.end
