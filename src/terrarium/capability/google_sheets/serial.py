"""Moments as spreadsheets count them: days since 30 December 1899, times of day as parts of one."""

from __future__ import annotations

from datetime import datetime, timedelta

_ORIGIN = datetime(1899, 12, 30)
LAST = 2_958_466.0  # the first day after 9999
FIRST = -693_593.0  # 1 January of year 1


def serial_of(moment: datetime) -> float:
    """A naive moment as a number."""
    return (moment - _ORIGIN) / timedelta(days=1)


def moment_of(serial: float) -> datetime | None:
    """The moment of a number, to the millisecond; None where calendars have none."""
    if not FIRST <= serial < LAST:
        return None
    return _ORIGIN + timedelta(milliseconds=round(serial * 86_400_000))
