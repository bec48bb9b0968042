"""Series that began long ago, or are looked at in far years: found as if they were counted from their first day."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest
from caldav_server import Ours, starts

from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.errors import Refused

OFTEN = ",".join(map(str, range(10)))


@pytest.mark.parametrize(
    ("first", "rule", "year", "found"),
    [
        (date(2000, 1, 1), "FREQ=DAILY;INTERVAL=146097", 2400, ["2400-01-01"]),
        (date(1900, 1, 1), "FREQ=WEEKLY;INTERVAL=104;WKST=SU", 2030, []),
        (date(1900, 1, 1), "FREQ=WEEKLY;INTERVAL=104;WKST=SU", 2031, ["2031-07-21"]),
        (date(1999, 12, 31), "FREQ=MONTHLY;INTERVAL=5", 2032, ["2032-01-31"]),
        (date(1904, 2, 29), "FREQ=YEARLY", 2100, []),
        (date(1904, 2, 29), "FREQ=YEARLY", 2104, ["2104-02-29"]),
        (date(1904, 2, 29), "FREQ=YEARLY;UNTIL=20310101", 2032, []),
        (date(1999, 2, 3), "FREQ=MONTHLY;BYDAY=MO,TU;BYMONTH=5;BYSETPOS=-1", 8030, ["8030-05-28"]),
    ],
)
def test_a_series_of_long_ago(calendar: Calendar, first: date, rule: str, year: int, found: list[str]) -> None:
    calendar.add_event("work", "old", first, rrule=rule)
    assert starts(calendar, date(year, 1, 1), date(year + 1, 1, 1)) == found


def test_what_was_changed_long_ago_and_moved_to_now(calendar: Calendar) -> None:
    uid = calendar.add_event(
        "work",
        "old",
        datetime(1990, 1, 1, 9),
        timezone="Europe/Berlin",
        rrule="FREQ=DAILY",
        exdates=["2030-01-03T09:00"],
    )
    for day, moved in (
        (datetime(1990, 1, 2, 9), datetime(2030, 1, 4, 12)),
        (datetime(2030, 1, 5, 9), "2030-01-05T11:00"),
    ):
        calendar.update_event("work", uid, dtstart=moved, occurrence=day, scope="one")
    assert starts(calendar, datetime(2030, 1, 2, tzinfo=UTC), datetime(2030, 1, 6, tzinfo=UTC)) == [
        "2030-01-02T09:00:00+01:00",
        "2030-01-04T09:00:00+01:00",
        "2030-01-04T12:00:00+01:00",
        "2030-01-05T11:00:00+01:00",
    ]


def test_a_hundred_a_day_since_1600(calendar: Calendar) -> None:
    """Counted from its first day this would be fifteen million occurrences, all of them remembered."""
    rule = f"FREQ=DAILY;BYHOUR={OFTEN};BYMINUTE={OFTEN}"
    for number in range(10):
        event = f"BEGIN:VEVENT\r\nUID:{number}\r\nDTSTAMP:20300101T000000Z\r\nDTSTART:16000101T000500Z\r\nRRULE:{rule}"
        calendar.import_ics(
            "work", f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR"
        )
    assert len(starts(calendar, datetime(2030, 1, 7), datetime(2030, 1, 8))) == 1000


@pytest.mark.parametrize(
    "more",
    [
        "RRULE:FREQ=DAILY\r\nRRULE:FREQ=WEEKLY",
        "RRULE:FREQ=DAILY\r\nDURATION:P401D",
        "RRULE:FREQ=DAILY\r\nBEGIN:VALARM\r\nTRIGGER:P3000D\r\nACTION:DISPLAY\r\nEND:VALARM",
        "RRULE:FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
        "RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "RRULE:FREQ=SECONDLY;INTERVAL=604800;BYDAY=TU;COUNT=5",
    ],
)
def test_what_would_be_counted_for_ever(calendar: Calendar, more: str) -> None:
    event = f"BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20300101T000000Z\r\nDTSTART:20300107T100000Z\r\n{more}\r\nEND:VEVENT"
    with pytest.raises(Refused):
        calendar.import_ics("work", f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}\r\nEND:VCALENDAR\r\n")
    assert starts(calendar) == []


def test_the_loop_goes_on_while_an_agent_looks() -> None:
    """Who looks at much does so beside the engine's loop: what it waits for there is done meanwhile."""
    here, went_on = Ours(), threading.Event()
    here.calendar.create_calendar("Work", "work")
    find = here.calendar.list_events  # the same shelf, so that the tool below really reads
    here.calendar.add_event("work", "a", datetime(2030, 1, 8, 9), rrule="FREQ=DAILY")
    tool = {each.name: each for each in here.calendar.tools("agent")}["calendar_events"]

    async def look() -> Any:
        asyncio.get_running_loop().call_soon(went_on.set)
        made = tool.function(**tool.bind({"start": "2030-01-08", "end": "2030-01-10"}))
        assert not went_on.is_set()
        found = await made
        assert went_on.is_set()
        return found

    assert here.run(look())["total"] == len(find("work", date(2030, 1, 8), date(2030, 1, 10))) == 2
    here.close()


def test_the_next_reminder_of_an_endless_series(calendar: Calendar) -> None:
    calendar.add_event("work", "daily", datetime(1990, 1, 7, 10), rrule="FREQ=DAILY", alarms=["400d"])
    assert calendar.next_alarm(datetime(2030, 1, 7, 10, 1)) == datetime(2030, 1, 8, 10, tzinfo=UTC)
    with pytest.raises(Refused, match="400 days"):
        calendar.add_event("work", "far", datetime(2030, 1, 7, 10), rrule="FREQ=DAILY", alarms=["401d"])
