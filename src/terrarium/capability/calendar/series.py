"""A series as the library counts it, from near where one looks.

The library counts each series from its first day, and remembers all that it counted: a daily event of the year 1600
would take seconds and megabytes to be found in 2030. What follows the calendar, and does not say how many times it
comes, is the same from any of its periods on; so it is counted from one that lies shortly before.
"""

from __future__ import annotations

import copy
import functools
from datetime import UTC, date, datetime
from typing import Any

from terrarium.capability.calendar.moment import is_day, micros
from terrarium.capability.calendar.parsing import Component, Parsed, end_of, parse, reach_of, rules_of, start_of
from terrarium.capability.calendar.rule import begun_before, comes_often, day_of, rule_parts
from terrarium.core.values import from_micros

_DAY = 86_400_000_000
_EARLIEST = micros(datetime(1600, 1, 1, tzinfo=UTC))
_APART = 60  # days between the beginnings that are taken: fewer of them to remember


def counted_from(text: str, begin: int) -> Any:
    """The library's query of an object that finds all from `begin` (microseconds) on; earlier ones may be missing."""
    return _query(text, _start_before(parse(text), begin))


@functools.lru_cache(maxsize=256)
def _query(text: str, start: date | None) -> Any:
    from recurring_ical_events import of  # type: ignore[import-untyped]

    parsed = parse(text)
    calendar = parsed.calendar if start is None else _begun(parsed, start)
    return of(calendar, components=[parsed.main.name])


def _start_before(parsed: Parsed, begin: int) -> date | None:
    """A day on which the series could have begun instead, None for its own."""
    main, start = parsed.main, start_of(parsed.main)
    rules = rules_of(main)
    if len(rules) != 1 or start is None:
        return None
    rule = rule_parts(rules[0])
    if "COUNT" in rule or comes_often(rule):
        return None
    reach = max(reach_of(part) for part in parsed.parts) + 3 * _DAY
    first, latest = day_of(start), from_micros(max(begin - reach, _EARLIEST)).date()
    found = begun_before(rule, first, latest, _APART)
    return None if found == first else found


def _begun(parsed: Parsed, day: date) -> Component:
    """The object as if its series had begun on that day."""
    main = parsed.main
    start, end = start_of(main), end_of(main)
    assert start is not None
    later = day - day_of(start)
    moved = main.copy()
    moved.subcomponents = main.subcomponents
    moved["DTSTART"] = _at(main["DTSTART"], start + later)
    for name in ("DTEND", "DUE"):
        if name in main:
            assert end is not None
            plain = is_day(start) != is_day(end)
            moved[name] = _at(main[name], end + later if plain else start + later + (end - start))
    calendar = parsed.calendar.copy()
    calendar.subcomponents = [moved if part is main else part for part in parsed.calendar.subcomponents]
    return calendar


def _at(value: Any, moment: date | datetime) -> Any:
    changed = copy.copy(value)
    changed.dt = moment
    return changed
