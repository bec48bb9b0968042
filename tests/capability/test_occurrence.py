"""When things happen: series across changes of clocks, their exceptions, and alarms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from caldav_server import FEB, JAN, Ours, starts

from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.errors import Refused


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", datetime(2030, 3, 28, 9), [8, 8, 8, 7, 7, 7]),
        ("Europe/Berlin", datetime(2030, 10, 25, 9), [7, 7, 8, 8, 8, 8]),
        ("America/New_York", datetime(2030, 3, 8, 9), [14, 14, 13, 13, 13, 13]),
        ("America/New_York", datetime(2030, 11, 1, 9), [13, 13, 14, 14, 14, 14]),
    ],
)
def test_a_series_keeps_its_clock_time_when_clocks_change(
    calendar: Calendar, zone: str, first: datetime, hours: list[int]
) -> None:
    calendar.add_event("work", "daily", first, timezone=zone, rrule="FREQ=DAILY;COUNT=6", alarms=["30m"])
    found = calendar.list_events("work", JAN, date(2031, 1, 1))
    assert [entry["dtstart"].hour for entry in found] == [9] * 6
    assert [entry["dtstart"].astimezone(UTC).hour for entry in found] == hours
    assert [entry["dtend"] - entry["dtstart"] for entry in found] == [timedelta(hours=1)] * 6
    rings = [ring["time"].hour for ring in calendar.alarms(JAN, date(2031, 1, 1))]
    assert rings == [hour - 1 for hour in hours]


def test_an_hour_that_does_not_exist(calendar: Calendar) -> None:
    """02:30 on the night in which 02:00 becomes 03:00: RFC 5545 has it by the offset before the gap."""
    calendar.add_event(
        "work",
        "night",
        datetime(2030, 3, 30, 2, 30),
        datetime(2030, 3, 30, 2, 45),
        timezone="Europe/Berlin",
        rrule="FREQ=DAILY;COUNT=3",
    )
    found = [
        entry["dtstart"].astimezone(UTC).strftime("%d %H:%M")
        for entry in calendar.list_events("work", JAN, date(2031, 1, 1))
    ]
    assert found == ["30 01:30", "31 01:30", "01 00:30"]


def daily(calendar: Calendar, **more: Any) -> str:
    return calendar.add_event(
        "work", "daily", datetime(2030, 3, 28, 9), timezone="Europe/Berlin", rrule="FREQ=DAILY;COUNT=6", **more
    )


def test_one_occurrence_is_changed_and_another_removed(calendar: Calendar) -> None:
    uid = daily(calendar)
    calendar.update_event(
        "work", uid, dtstart=datetime(2030, 4, 1, 15), summary="late", occurrence=datetime(2030, 4, 1, 9), scope="one"
    )
    calendar.delete_event("work", uid, occurrence=datetime(2030, 3, 30, 9), scope="one")
    found = [
        (entry["dtstart"].strftime("%d %H"), entry["summary"])
        for entry in calendar.list_events("work", JAN, date(2031, 1, 1))
    ]
    assert found == [("28 09", "daily"), ("29 09", "daily"), ("31 09", "daily"), ("01 15", "late"), ("02 09", "daily")]
    moved = calendar.list_events("work", JAN, date(2031, 1, 1))[3]
    assert moved["recurrence_id"].astimezone(UTC) == datetime(2030, 4, 1, 7, tzinfo=UTC)
    assert calendar.update_event("work", uid, location="B", occurrence=moved["recurrence_id"], scope="one") == uid
    assert calendar.list_events("work", JAN, date(2031, 1, 1))[3]["location"] == "B"


def test_this_and_all_that_follow(calendar: Calendar) -> None:
    uid = daily(calendar, exdates=[datetime(2030, 3, 29, 9), datetime(2030, 4, 2, 9)])
    new = calendar.update_event(
        "work", uid, dtstart=datetime(2030, 3, 31, 11), occurrence=datetime(2030, 3, 31, 9), scope="future"
    )
    assert new != uid
    found = [
        (entry["dtstart"].strftime("%d %H"), entry["uid"] == new)
        for entry in calendar.list_events("work", JAN, date(2031, 1, 1))
    ]
    assert found == [("28 09", False), ("30 09", False), ("31 11", True), ("01 11", True)]
    calendar.delete_event("work", new, occurrence=datetime(2030, 4, 1, 11), scope="future")
    assert [start[8:13] for start in starts(calendar)] == ["28T09", "30T09", "31T11"]
    assert calendar.get_event("work", uid)["rrule"] == "FREQ=DAILY;COUNT=3"


def test_an_endless_series_is_cut_by_its_end(calendar: Calendar) -> None:
    uid = calendar.add_event("work", "weekly", date(2030, 1, 7), rrule="FREQ=WEEKLY")
    calendar.delete_event("work", uid, occurrence=date(2030, 1, 28), scope="future")
    assert starts(calendar) == ["2030-01-07", "2030-01-14", "2030-01-21"]


def test_the_whole_series_moves_with_its_exceptions(calendar: Calendar) -> None:
    uid = daily(calendar, exdates=[datetime(2030, 3, 29, 9)])
    calendar.update_event("work", uid, summary="b", occurrence=datetime(2030, 3, 30, 9), scope="one")
    calendar.update_event("work", uid, dtstart=datetime(2030, 3, 28, 10))
    found = [
        (entry["dtstart"].strftime("%d %H"), entry["summary"])
        for entry in calendar.list_events("work", JAN, date(2031, 1, 1))
    ]
    assert [day for day, _ in found] == ["28 10", "30 09", "31 10", "01 10", "02 10"]
    assert found[1] == ("30 09", "b"), "what was set for one occurrence stays"


def test_a_storm_of_alarms(calendar: Calendar) -> None:
    for number in range(10_000):
        calendar.add_event("work", f"e{number}", datetime(2030, 1, 7, 10), alarms=["1h"], uid=str(number))
    assert calendar.next_alarm(datetime(2030, 1, 7, 8)) == datetime(2030, 1, 7, 9, tzinfo=UTC)
    found = calendar.alarms(datetime(2030, 1, 7, 9), datetime(2030, 1, 7, 9, 0, 1))
    assert len({ring["uid"] for ring in found}) == 10_000


def test_a_storm_of_reminders_in_few_events(here: Ours) -> None:
    many = [f"{number}m" for number in range(21)]
    made = here.use("create", summary="a", start="2030-01-08T09:00", rrule="FREQ=DAILY", reminders=many[1:])
    for call in (
        lambda: here.use("create", summary="b", start="2030-01-08T09:00", reminders=many),
        lambda: here.use("update", **made, reminders=many),
        lambda: here.use("reminders", start="2030-01-01", end="2032-01-01"),
    ):
        with pytest.raises(Refused, match="reminders"):
            call()
    assert len(here.use("reminders", start="2030-01-08", end="2030-01-12")) == 80


def test_alarms_of_every_kind(calendar: Calendar) -> None:
    calendar.add_event(
        "work",
        "a",
        datetime(2030, 1, 8, 10, tzinfo=UTC),
        datetime(2030, 1, 8, 12, tzinfo=UTC),
        alarms=[
            "15m",
            {"after": "5m", "related": "end", "description": "over"},
            datetime(2030, 1, 8, 6),
            {"before": "1d"},
        ],
    )
    calendar.add_event("work", "off", datetime(2030, 1, 8, 10), alarms=["15m"], status="CANCELLED")
    found = [(ring["time"].strftime("%d %H:%M"), ring["description"]) for ring in calendar.alarms(JAN, FEB)]
    assert found == [("07 10:00", "a"), ("08 06:00", "a"), ("08 09:45", "a"), ("08 12:05", "over")]
    assert calendar.next_alarm() == datetime(2030, 1, 7, 10, tzinfo=UTC)
    assert calendar.next_alarm(datetime(2030, 1, 8, 12, 5)) is None
