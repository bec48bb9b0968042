"""More than anybody can count out: agents are refused, the task program is given a part, and judges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from caldav_server import Client, Ours, put
from caldav_texts import event

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
