"""Recurrence rules that can be counted: refuses those that would take for ever, or more than a calendar needs."""

from __future__ import annotations

import functools
import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from terrarium.capability.calendar.moment import Moment, read
from terrarium.core.errors import Refused

ALARMS = 20
"""How many reminders one event may have: each is looked at with each occurrence."""
INSTANCES = 10_000
"""How many occurrences one answer may hold."""
SERIES = 2_000
"""How many occurrences of one event are counted out at once, and how many times one may say that it comes.

What comes more often than daily has at most so many steps, whether they match or not.
"""
_SLOW = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAYS = {"DAILY": 1, "WEEKLY": 7}
_MONTHS = {"MONTHLY": 1, "YEARLY": 12}
_SECONDS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}
_BY_DAY = ("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY")
_SAMPLE = datetime(9970, 1, 1)  # from where the last years that datetimes have hold every kind of year
_SAMPLE_YEARS, _YEARS = 30, 100
_LATE = datetime(9590, 1, 1)  # from where every kind of day in 400 years is left, after which they are the same again
_PART = re.compile(r"([A-Za-z-]+)=([A-Za-z0-9,+:-]+)")


class TooMany(Refused):
    """There would be more occurrences than one event, or one answer, may have."""


def rule_parts(rule: str) -> dict[str, str]:
    """The parts of a rule, names and values in capitals (RFC 5545, section 3.3.10).

    Raises:
        Refused: It is not a rule.
    """
    found: dict[str, str] = {}
    for part in rule.strip().rstrip(";").removeprefix("RRULE:").split(";"):
        match = _PART.fullmatch(part.strip())
        if match is None or match[1].upper() in found:
            raise Refused(f"{rule[:80]!r} is not a recurrence rule; write for example 'FREQ=WEEKLY;BYDAY=MO;COUNT=10'")
        found[match[1].upper()] = match[2].upper()
    if found.get("FREQ") not in {*_SLOW, *_SECONDS}:
        raise Refused(f"a recurrence rule needs FREQ, one of {', '.join([*_SLOW, *_SECONDS])}: {rule[:80]!r}")
    if "COUNT" in found and "UNTIL" in found:
        raise Refused("a recurrence rule has COUNT or UNTIL, not both")
    for name in ("COUNT", "INTERVAL"):
        if name in found and not (found[name].isdigit() and 0 < int(found[name]) < 10**9):
            raise Refused(f"{name} of a recurrence rule must be a whole number above zero: {rule[:80]!r}")
    return found


def joined(parts: Mapping[str, str]) -> str:
    """Parts as a rule."""
    return ";".join(f"{name}={value}" for name, value in parts.items())


def comes_often(parts: Mapping[str, str]) -> bool:
    """Whether a rule comes more often than daily."""
    return parts["FREQ"] in _SECONDS


def until_of(parts: Mapping[str, str]) -> Moment | None:
    """The end that a rule names, or None.

    Raises:
        Refused: It is not a date or time.
    """
    if "UNTIL" not in parts:
        return None
    try:
        return read(parts["UNTIL"])
    except ValueError as error:
        raise Refused(f"UNTIL of a recurrence rule: {error}") from None


def check_rule(rule: str, start: Moment) -> dict[str, str]:
    """The parts of a rule that can be counted from `start`.

    Raises:
        TooMany: It says that it comes over 2,000 times, or comes more often than daily and has no end within 2,000
            steps, or comes many times on each day.
        Refused: It is not a rule, or never comes.
    """
    parts = rule_parts(rule)
    count, until, often = int(parts.get("COUNT", 0)), until_of(parts), parts["FREQ"]
    if count > SERIES:
        raise TooMany(f"an event has at most {SERIES} occurrences, not {count}")
    times = 1
    for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        times *= parts[name].count(",") + 1 if name in parts else 1
    if times > 100:
        raise TooMany("an event comes at most 100 times in one period of its rule")
    if often in _SECONDS:
        step = _SECONDS[often] * int(parts.get("INTERVAL", 1))
        if until is None and not count:
            raise TooMany(f"a rule that is {often} needs COUNT or UNTIL")
        if until is not None and (_clock(until) - _clock(start)).total_seconds() / step > SERIES:
            raise TooMany(f"an event that is {often} has at most {SERIES} occurrences; choose an earlier UNTIL")
    if "BYSETPOS" in parts and (often in _SECONDS or (often == "DAILY" and times == 1)):
        raise Refused(f"BYSETPOS means nothing in a rule that is {often}")
    _check_it_comes(parts, _clock(start), count, times)
    if count and often in _SECONDS:
        last_of(joined(parts), start)
    return parts


def last_of(rule: str, start: Moment) -> datetime | None:
    """When a rule that says how many times it comes does so for the last time, by its own clock; else None.

    Raises:
        TooMany: It comes more often than daily, and not so many times in 2,000 steps.
    """
    return _last_of(rule, _clock(start))


@functools.lru_cache(maxsize=1024)
def _last_of(rule: str, start: datetime) -> datetime | None:
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

    parts = rule_parts(rule)
    count, step = int(parts.pop("COUNT", 0)), _SECONDS.get(parts["FREQ"], 0) * int(parts.get("INTERVAL", 1))
    last = None
    for last in islice(rrulestr(joined(parts), dtstart=start), count):
        if step and (last - start).total_seconds() / step > SERIES:
            raise TooMany(f"a rule that is {parts['FREQ']} reaches its COUNT within {SERIES} steps; use FREQ=DAILY")
    return last


def _check_it_comes(parts: Mapping[str, str], start: datetime, count: int, times: int) -> None:
    """Refuse a rule for which the library would search until the end of all years."""
    from dateutil.rrule import rrulestr

    told = joined(parts)[:80]
    days = {name: parts[name] for name in _BY_DAY if name in parts}
    if "BYDAY" in days and parts["FREQ"] not in ("MONTHLY", "YEARLY"):
        days["BYDAY"] = re.sub("[0-9+-]", "", days["BYDAY"])
    if "BYDAY" in days and parts["FREQ"] == "MONTHLY" and "BYMONTH" not in days:
        days["BYMONTH"] = ",".join(map(str, range(1, 13)))  # so that ordinals are counted in months
    try:
        if days:
            found = sum(1 for _ in rrulestr(joined({"FREQ": "YEARLY", **days}), dtstart=_SAMPLE))
            if not found:
                raise Refused(f"the recurrence rule {told!r} never comes")
            if count > max(1, found * times * _YEARS // _SAMPLE_YEARS):
                raise TooMany(f"the recurrence rule {told!r} does not reach its COUNT in {_YEARS} years")
        bounded = {name: value for name, value in parts.items() if name not in ("COUNT", "UNTIL")}
        if next(iter(rrulestr(joined(bounded), dtstart=_late(parts, start))), None) is None:
            raise Refused(f"the recurrence rule {told!r} never comes")
    except Refused:  # which is a ValueError, too
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(f"a recurrence rule that cannot be counted: {error}") from None


def begun_before(parts: Mapping[str, str], first: date, latest: date, apart: int = 0) -> date:
    """The last day, up to `latest`, on which a rule that began on `first` could have begun to come as it does.

    Args:
        parts: Of a rule that does not say how many times it comes, and comes daily or more rarely.
        first: Where it begins.
        latest: Where it may begin at the latest.
        apart: Such days lie at least so many days apart, so that there are few of them; `first` is one.
    """
    freq, interval = parts["FREQ"], int(parts.get("INTERVAL", 1))
    if latest <= first:
        return first
    if freq in _DAYS:
        step = interval * _DAYS[freq]
        step *= max(1, -(-apart // step))
        return first + timedelta(days=(latest - first).days // step * step)
    step = interval * _MONTHS[freq]
    step *= max(1, -(-apart // (28 * step)))
    months = (latest.year - first.year) * 12 + latest.month - first.month - (latest.day < first.day)
    for number in range(months // step, 0, -1):
        year, month = divmod(first.year * 12 + first.month - 1 + number * step, 12)
        if first.day <= monthrange(year, month + 1)[1]:
            return date(year, month + 1, first.day)
    return first


def _late(parts: Mapping[str, str], start: datetime) -> datetime:
    """A start that gives the same rule, from which all years there are have soon been searched."""
    step = _SECONDS.get(parts["FREQ"], 0) * int(parts.get("INTERVAL", 1))
    if step:
        return start + timedelta(seconds=max(0, int((_LATE - start).total_seconds())) // step * step)
    return datetime.combine(begun_before(parts, start.date(), _LATE.date()), start.timetz())


def _clock(moment: Moment) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is UTC else moment.replace(tzinfo=None)


def day_of(moment: Moment) -> date:
    """The day a moment is on, as its clock says."""
    return moment.date() if isinstance(moment, datetime) else moment
