"""Moments of calendars: absolute, floating, or whole days; and the time zones they are told in.

A datetime with an offset is a moment, one without is *floating* (the same clock time wherever one is, taken as UTC
where moments are compared), and a date is a whole day. RFC 5545, sections 3.3.4 and 3.3.5.
"""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo

from terrarium.core.errors import Refused
from terrarium.core.values import Value, to_micros

Moment = datetime | date

_TEXT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")


def moment_of(what: str, value: Value) -> Moment:
    """A datetime or date from what a caller gave: one of these, or ISO text.

    Raises:
        Refused: It is neither.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else datetime.fromisoformat(text)
        except ValueError:
            pass
    if isinstance(value, (datetime, date)):
        if not 1900 <= value.year <= 9000:
            raise Refused(f"{what}: the year {value.year} is out of range (1900 to 9000)")
        return value
    raise Refused(f"{what}: {str(value)[:80]!r} is not a moment; write for example '2030-01-07T09:30' or '2030-01-07'")


@functools.lru_cache(maxsize=1024)
def known_zone(name: str) -> tzinfo | None:
    """The time zone of that name in the IANA data base, or None."""
    if name.upper() in ("UTC", "Z", "ETC/UTC", "GMT"):
        return UTC
    if not re.fullmatch(r"[A-Za-z0-9_+/-]{1,80}", name) or name.startswith(("/", "posix", "right", "local")):
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(name: object) -> tzinfo:
    """The time zone of that name.

    Raises:
        Refused: There is none; the message names the nearest.
    """
    found = known_zone(name) if isinstance(name, str) else None
    if found is None:
        near = difflib.get_close_matches(str(name)[:80], sorted(zoneinfo.available_timezones()), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else "; write for example 'Europe/Berlin' or 'UTC'"
        raise Refused(f"there is no time zone {str(name)[:80]!r}{hint}")
    return found


def zone_name(moment: Moment) -> str | None:
    """The name of the zone that a datetime stands in; None for UTC, an offset, a floating time or a date."""
    zone = moment.tzinfo if isinstance(moment, datetime) else None
    return zone.key if isinstance(zone, zoneinfo.ZoneInfo) and zone.key not in ("UTC", "Etc/UTC") else None


def in_zone(moment: Moment, zone: str | None, world: tzinfo | None = None) -> Moment:
    """A moment as somebody in `zone` would write it: clock times get the zone, others are moved there.

    Without a zone, clock times get that of the world, if it has one, and a datetime that has an offset but no zone's
    name is moved to UTC, as RFC 5545 has no offsets. Of a clock time that comes twice, when clocks are put back, the
    first is meant; a moment that is the second stays in UTC, as only there it can be written. A clock time that is
    skipped is as much later as the clocks are put forward.

    Raises:
        Refused: There is no such zone.
    """
    place = world if zone is None else zone_of(zone)
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        return moment if place is None else moment.replace(tzinfo=place, fold=0)
    if zone is not None:
        moment = moment.astimezone(place)
    return moment.astimezone(UTC) if zone_name(moment) is None or moment.fold else moment


def is_day(moment: Moment) -> bool:
    """Whether it is a whole day."""
    return not isinstance(moment, datetime)


def is_floating(moment: Moment) -> bool:
    """Whether it is a day or a clock time, which are other moments in other places."""
    return not isinstance(moment, datetime) or moment.tzinfo is None


def absolute(moment: Moment, place: tzinfo = UTC) -> datetime:
    """The moment that somebody in `place` means."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=place)
    return moment.replace(tzinfo=place) if moment.tzinfo is None else moment


def micros(moment: Moment, place: tzinfo = UTC) -> int:
    """Microseconds since 1970 of a moment, as somebody in `place` means it."""
    return to_micros(absolute(moment, place))


def written(moment: Moment) -> str:
    """A moment as the value of an iCalendar property."""
    if not isinstance(moment, datetime):
        return f"{moment:%Y%m%d}".rjust(8, "0")
    if moment.tzinfo is not None and zone_name(moment) is None:
        moment = moment.astimezone(UTC)
        return f"{moment:%Y%m%dT%H%M%S}Z"
    return f"{moment:%Y%m%dT%H%M%S}"


def read(text: str) -> Moment:
    """The inverse of `written`; a clock time stays floating.

    Raises:
        ValueError: It is not a value of that kind.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a date or time of iCalendar")
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if found[4] is None:
        return date(year, month, day)
    clock = datetime(year, month, day, int(found[4]), int(found[5]), min(int(found[6]), 59))
    return clock.replace(tzinfo=UTC) if found[7] else clock


def day_after(moment: Moment) -> Moment:
    """The same on the next day."""
    return moment + timedelta(days=1)
