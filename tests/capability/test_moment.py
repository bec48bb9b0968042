"""Moments in the zone of a world: what agents and task programs mean by a clock time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from caldav_server import Ours

from terrarium.capability.calendar.calendar import Calendar
from terrarium.capability.calendar.moment import in_zone
from terrarium.core.clock import Clock

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def berlin() -> Iterator[Ours]:
    stand = Ours()
    stand.clock.zone = BERLIN
    stand.calendar.create_calendar("Work", "work")
    yield stand
    stand.close()


def start(calendar: Calendar, uid: str, id: str = "work") -> str:
    return str(calendar.get_event(id, uid)["dtstart"].astimezone(UTC).isoformat(timespec="minutes"))


def test_a_world_without_a_zone() -> None:
    assert [Clock(zone=zone).chosen_zone for zone in (UTC, ZoneInfo("UTC"), ZoneInfo("Etc/UTC"), BERLIN)] == [
        None,
        None,
        None,
        BERLIN,
    ]


@pytest.mark.parametrize(
    ("clock", "moment"),
    [
        ("2030-01-08T09:00", "2030-01-08T08:00+00:00"),
        ("2030-07-08 09:00", "2030-07-08T07:00+00:00"),
        ("2030-03-31T02:30", "2030-03-31T01:30+00:00"),  # skipped: what the clock shows is 03:30
        ("2030-10-27T02:30", "2030-10-27T00:30+00:00"),  # twice: the first
        ("2030-10-27T02:30+01:00", "2030-10-27T01:30+00:00"),  # the second, by its offset
        ("2030-01-08T09:00Z", "2030-01-08T09:00+00:00"),
        ("2030-01-08T09:00-05:00", "2030-01-08T14:00+00:00"),
    ],
)
def test_what_agents_and_programs_mean(berlin: Ours, clock: str, moment: str) -> None:
    made = berlin.use("create", summary="by tool", start=clock)
    assert start(berlin.calendar, made["uid"], made["calendar"]) == moment
    assert start(berlin.calendar, berlin.calendar.add_event("work", "by program", clock)) == moment
    told = datetime.fromisoformat(clock).replace(fold=1)
    assert start(berlin.calendar, berlin.calendar.add_event("work", "by datetime", told)) == moment
    zoned = berlin.calendar.add_event("work", "by zone", clock, timezone="Europe/Berlin")
    assert start(berlin.calendar, zoned) == moment


def test_ranges_days_and_reminders(berlin: Ours) -> None:
    calendar = berlin.calendar
    calendar.add_event("work", "late", "2030-01-08T00:30", alarms=["15m", datetime(2030, 1, 8, 0, 20)])
    calendar.add_event("work", "day", date(2030, 1, 8), alarms=["1h"])
    assert [e["summary"] for e in calendar.list_events("work", "2030-01-08", "2030-01-09")] == ["day", "late"]
    assert calendar.list_events("work", "2030-01-08T01:30", "2030-01-08T02:00")[0]["summary"] == "day"
    assert calendar.list_events("work", "2030-01-09", "2030-01-10") == []
    assert [f"{ring['time']:%d %H:%M}" for ring in calendar.alarms("2030-01-07", "2030-01-09")] == [
        "07 22:00",
        "07 23:15",
        "07 23:20",
    ]
    busy = berlin.use("free_busy", people=["admin"], start="2030-01-08", end="2030-01-09")["busy"]["admin"]
    assert (busy[0]["start"], busy[-1]["end"]) == ("2030-01-07T23:00+00:00", "2030-01-08T23:00+00:00")


def test_a_series_follows_the_clocks_of_the_world(berlin: Ours) -> None:
    made = berlin.use("create", summary="Standup", start="2030-03-25T09:00", rrule="FREQ=WEEKLY;COUNT=2")
    found = berlin.use("events", start="2030-03-20", end="2030-04-10")["events"]
    assert [entry["dtstart"] for entry in found] == ["2030-03-25T09:00+01:00", "2030-04-01T09:00+02:00"]
    berlin.use("update", **made, start="2030-03-25T10:00")
    assert berlin.use("get", **made)["dtstart"] == "2030-03-25T10:00+01:00"


def test_a_day_becomes_a_time(berlin: Ours) -> None:
    made = berlin.use("create", summary="Trip", start="2030-01-08")
    berlin.use("update", **made, start="2030-01-08T09:00", end="2030-01-08T10:00")
    assert berlin.use("get", **made)["dtstart"] == "2030-01-08T09:00+01:00"


def test_a_calendar_in_another_zone_keeps_its_own(berlin: Ours) -> None:
    calendar = berlin.calendar
    calendar.create_calendar("Tokyo", "tokyo", timezone="Asia/Tokyo")
    calendar.add_event("tokyo", "there", "2030-01-08T09:00", alarms=["0m"])
    [found] = calendar.list_events("tokyo", "2030-01-08T01:00", "2030-01-08T01:30")
    assert found["dtstart"] == datetime(2030, 1, 8, 9)
    assert calendar.next_alarm() == datetime(2030, 1, 8, 0, tzinfo=UTC)


def test_tools_name_the_zone(berlin: Ours, here: Ours) -> None:
    def texts(stand: Ours) -> str:
        return "".join(str(tool.parameters) for tool in stand.calendar.tools("agent"))

    assert "default is Europe/Berlin" in texts(berlin)
    assert "UTC" not in texts(berlin)
    assert texts(berlin).replace("Europe/Berlin", "UTC") == texts(here).replace("Europe/Berlin", "UTC")


def test_the_second_of_two_equal_hours_can_be_written() -> None:
    second = datetime(2030, 10, 27, 1, 30, tzinfo=UTC)
    assert in_zone(second, "Europe/Berlin").tzinfo is UTC  # type: ignore[union-attr]
    assert in_zone(second - timedelta(hours=1), "Europe/Berlin").tzinfo is not UTC  # type: ignore[union-attr]
