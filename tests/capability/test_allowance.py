"""More than anybody can count out: agents are refused, the task program is given a part, and judges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from caldav_server import WORK, Client, Ours, put, refused
from caldav_texts import event

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.rule import TooMany
from terrarium.core.errors import Refused

TEN = ",".join(map(str, range(10)))
HUNDRED = f"FREQ=DAILY;BYHOUR={TEN};BYMINUTE={TEN}"
MONTH = (datetime(2030, 1, 7), datetime(2030, 2, 7))

TASK = f"""
from datetime import datetime

@entry(capabilities=["calendar"])
def fn(env, agent):
    env.calendar.create_calendar("Work", "work")
    kept = env.calendar.add_event("work", "Kept", datetime(2030, 1, 30, 12))
    rung, month = [], (datetime(2030, 1, 7), datetime(2030, 2, 7))
    env.when(lambda: len(env.calendar.list_events("work")) > 2, lambda: rung.append(env.calendar.next_alarm(month[0])))
    agent.act("plan")
    events, rings = env.calendar.list_events("work", *month), env.calendar.alarms(*month)
    busy = env.calendar.busy("admin", *month)
    return run_checkers({{
        "kept": lambda: [e["uid"] for e in events if e["summary"] == "Kept"] == [kept],
        "the first of each": lambda: [e["summary"] for e in events[:2]] == ["Flood", "Flood"],
        "in part": lambda: (len(events), len(rings)) == (4001, 3998),
        "busy": lambda: busy[-1]["start"].day == 30 and len(busy) == 201,
        "rang": lambda: rung == [datetime.fromisoformat("2030-01-07T00:01+00:00")],
        "no meeting": lambda: not env.calendar.search_events("Flood"),
    }})

@fn.solution
def solve(seat):
    for _ in range(2):
        seat.call("calendar_create", summary="Flood", start="2030-01-07T00:00", end="2030-01-07T00:01",
                  calendar="work", rrule="{HUNDRED}", reminders=["1m"])
"""


def test_a_task_judges_what_an_agent_has_flooded(play: Any) -> None:
    played = play(TASK, "oracle")
    assert played.error is None
    assert [check.name for check in played.result.verdict.checks if not check.passed] == ["no meeting"]


def test_what_a_client_floods_is_read_in_part(ours: Ours, client: Client) -> None:
    for number in range(2):
        text = event(f"{number}@x", "20300107T000000Z", "20300107T000100Z", f"RRULE:{HUNDRED}")
        assert put(client, f"{number}.ics", text).status == 201
    found = ours.calendar.list_events("work", *MONTH)
    assert len(found) == 2 * 2000
    assert found[-1]["dtstart"] == datetime.fromisoformat("2030-01-26T09:09+00:00")
    with pytest.raises(Refused, match="choose a shorter"):
        ours.use("events", start="2030-01-07", end="2030-02-07")
    assert ours.use("events", start="2030-01-07", end="2030-01-08")["total"] == 200


def test_a_program_reads_more_single_events_than_an_agent_may(ours: Ours) -> None:
    ours.calendar.create_calendar("Work", "work", owner="ann")
    for number in range(10_001):
        ours.calendar.add_event("ann/work", "one", datetime(2030, 1, 7, 10), uid=str(number), alarms=["1h"])
    assert len(ours.calendar.list_events("work", *MONTH)) == len(ours.calendar.alarms(*MONTH)) == 10_001
    for tool in ("events", "reminders"):
        with pytest.raises(Refused, match="choose a shorter"):
            ours.use(tool, start="2030-01-07", end="2030-02-07")


HOUR = """<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
<C:time-range start="20990101T090000Z" end="20990101T100000Z"/>
</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"""


def flood(ours: Ours, many: int, rule: str, letters: int = 0) -> None:
    ours.calendar.create_calendar("Work", "work", owner="ann")
    for number in range(many):
        told = {"uid": str(number), "description": "x" * letters}
        ours.calendar.add_event("ann/work", "x", datetime(2030, 1, 1, 9), rrule=rule, **told)


def test_more_endless_series_than_one_look_may_count(ours: Ours) -> None:
    flood(ours, 120, "FREQ=DAILY", 30_000)
    client = Client(ours.port)
    refused(client.ask("REPORT", WORK, HOUR, Depth="1"), "{DAV:}number-of-matches-within-limits")
    day = {"start": "2099-01-01T09:00", "end": "2099-01-01T10:00"}
    for tool, more in (("events", {}), ("free_busy", {"people": ["ann"]})):
        with pytest.raises(Refused, match="repeating events"):
            ours.use(tool, **day, **more)
    client.close()
    at = datetime(2099, 1, 1, 9)
    assert len(ours.calendar.list_events("work", at, at.replace(hour=10))) == 120
    assert len(ours.calendar.busy("ann", at, at.replace(hour=10))) == 1


@pytest.mark.parametrize("rule", ["FREQ=WEEKLY;COUNT=2000", "FREQ=MINUTELY;COUNT=3;BYMINUTE=1,2"])
def test_series_that_are_over_cost_nothing(ours: Ours, rule: str) -> None:
    flood(ours, 2500, rule)
    client = Client(ours.port)
    assert client.ask("REPORT", WORK, HOUR, Depth="1").responses() == {}
    assert ours.use("events", start="2099-01-01", end="2099-01-02")["total"] == 0
    client.close()


def test_steps() -> None:
    look = Allowance(100)
    look.begins(60, 100)
    assert look.left == 100 - 15 - 1 - 2
    assert [look.takes(number) for number in range(1, 83)] == [True] * 82
    with pytest.raises(TooMany):
        [look.takes(number) for number in range(83, 85)]
    part = Allowance(3, cuts=True)
    part.begins(10**6, 2000)
    assert [part.takes(number) for number in (1, 2, 3, 4, 1, 2)] == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("start", "rule", "found"),
    [
        ("20291231T233000Z", "FREQ=WEEKLY;COUNT=3", 1),
        ("20291231T233000Z", "FREQ=WEEKLY;COUNT=2", 0),
        ("20140113T233000Z", "FREQ=MONTHLY;BYDAY=2MO;COUNT=193", 1),
        ("20140113T233000Z", "FREQ=MONTHLY;BYDAY=2MO;COUNT=192", 0),
        ("20300114T233000Z", "FREQ=MINUTELY;INTERVAL=10;COUNT=3;BYMINUTE=30,50", 2),
    ],
)
def test_the_last_day_of_a_series_that_says_how_many(
    ours: Ours, client: Client, start: str, rule: str, found: int
) -> None:
    assert put(client, "a.ics", event("a@x", start, start, f"RRULE:{rule}")).status == 201
    day = datetime(2030, 1, 14)
    assert len(ours.calendar.list_events("work", day, day.replace(day=15))) == found
