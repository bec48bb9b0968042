"""What agents can do with calendars, in whole worlds: tools, mail, conditions, CalDAV from a seat's network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from caldav_server import Ours

from terrarium.core.errors import NotFound, Refused


@pytest.fixture
def here() -> Iterator[Ours]:
    stand = Ours({"accounts": {"agent": "Ann <ann@corp.example>", "other": "bob"}})
    yield stand
    stand.close()


def test_the_tools_there_are(here: Ours) -> None:
    tools = here.calendar.tools("agent")
    looking = {tool.name for tool in tools if not tool.writes}
    acting = {tool.name for tool in tools if tool.writes}
    assert looking == {
        f"calendar_{verb}" for verb in ("calendars", "events", "free_busy", "get", "reminders", "search")
    }
    assert acting == {f"calendar_{verb}" for verb in ("create", "create_calendar", "delete", "respond", "update")}
    with pytest.raises(NotFound):
        here.calendar.tools("stranger")


def test_an_agent_plans_its_day(here: Ours) -> None:
    made = here.use("create", summary="Review", start="2030-01-08T10:00", timezone="Europe/Berlin", reminders=["15m"])
    assert made["calendar"] == "default"
    [found] = here.use("events")["events"]
    assert found == {
        "calendar": "default",
        "uid": made["uid"],
        "summary": "Review",
        "dtstart": "2030-01-08T10:00+01:00",
        "dtend": "2030-01-08T11:00+01:00",
        "timezone": "Europe/Berlin",
    }
    assert [entry["time"] for entry in here.use("reminders")] == ["2030-01-08T08:45+00:00"]
    here.use("update", calendar="default", uid=made["uid"], start="2030-01-08T14:00", location="Room 5")
    assert here.use("search", query="room review")["events"][0]["dtstart"] == "2030-01-08T14:00+01:00"
    assert here.use("get", calendar="default", uid=made["uid"])["location"] == "Room 5"
    here.use("delete", calendar="default", uid=made["uid"])
    assert here.use("events")["events"] == []


def test_a_repeating_event_by_its_occurrences(here: Ours) -> None:
    made = here.use("create", summary="Daily", start="2030-01-08T10:00", rrule="FREQ=DAILY;COUNT=4")
    second = here.use("events")["events"][1]["recurrence_id"]
    here.use(
        "update",
        calendar="default",
        uid=made["uid"],
        summary="Late",
        start="2030-01-09T15:00",
        occurrence=second,
        scope="one",
    )
    third = here.use("events")["events"][2]["recurrence_id"]
    here.use("delete", calendar="default", uid=made["uid"], occurrence=third, scope="future")
    found = [(entry["summary"], entry["dtstart"]) for entry in here.use("events")["events"]]
    assert found == [("Daily", "2030-01-08T10:00+00:00"), ("Late", "2030-01-09T15:00+00:00")]


def test_only_ones_own_and_what_is_shared(here: Ours) -> None:
    here.calendar.create_calendar("Secret", "secret", owner="eve")
    uid = here.calendar.add_event("eve/secret", "Merger", datetime(2030, 1, 8))
    for call in (
        lambda: here.use("get", calendar="eve/secret", uid=uid),
        lambda: here.use("events", calendar="secret"),
        lambda: here.use("delete", calendar="eve/secret", uid=uid),
        lambda: here.use("create", calendar="eve/secret", summary="x", start="2030-01-08"),
    ):
        with pytest.raises(NotFound, match="there is no calendar"):
            call()
    assert here.use("search", query="Merger")["events"] == []
    here.calendar.share("eve/secret", "ann@corp.example", "read")
    assert here.use("get", calendar="eve/secret", uid=uid)["summary"] == "Merger"
    for call in (
        lambda: here.use("delete", calendar="eve/secret", uid=uid),
        lambda: here.use("update", calendar="eve/secret", uid=uid, summary="x"),
        lambda: here.use("create", calendar="eve/secret", summary="x", start="2030-01-08"),
    ):
        with pytest.raises(Refused, match="reading only"):
            call()
    assert {entry["access"] for entry in here.use("calendars")["calendars"]} == {"read"}
    assert here.use("calendars", agent="other")["calendars"] == []


def test_two_agents_find_a_time_and_meet(here: Ours) -> None:
    here.use("create", agent="other", summary="private", start="2030-01-08T09:00", end="2030-01-08T12:00")
    times = here.use("free_busy", people=["bob", "ann@corp.example"], start="2030-01-08T08:00", end="2030-01-08T18:00")
    assert times["busy"]["bob"] == [
        {"start": "2030-01-08T09:00+00:00", "end": "2030-01-08T12:00+00:00", "kind": "BUSY"}
    ]
    assert times["free"][1] == {"start": "2030-01-08T12:00+00:00", "end": "2030-01-08T18:00+00:00"}
    made = here.use("create", summary="Meet", start="2030-01-08T12:00", attendees=["bob"])
    invited = here.use("search", agent="other", query="Meet")["events"][0]
    assert invited["your_answer"] == "NEEDS-ACTION"
    here.use("respond", agent="other", calendar=invited["calendar"], uid=made["uid"], answer="decline")
    [guest] = here.use("get", calendar="default", uid=made["uid"])["attendees"]
    assert guest["status"] == "DECLINED"
    assert here.calendar.busy("bob", datetime(2030, 1, 8, 12), datetime(2030, 1, 8, 13)) == []
    here.use("update", calendar="default", uid=made["uid"], start="2030-01-08T13:00")
    assert here.use("search", agent="other", query="Meet")["events"][0]["your_answer"] == "NEEDS-ACTION"
    assert [letter["subject"] for letter in here.letters] == [
        "Invitation: Meet",
        "Declined: Meet",
        "Updated invitation: Meet",
    ]


def test_a_reminder_alone_tells_nobody(here: Ours) -> None:
    made = here.use("create", summary="Meet", start="2030-01-08T12:00", attendees=["bob"])
    here.letters.clear()
    here.use("update", calendar="default", uid=made["uid"], reminders=["5m"])
    assert here.letters == []


TASK = """
from datetime import datetime, date

ACCOUNTS = {"calendar": {"accounts": {"agent": "ann"}}, "email": {"accounts": {"agent": "ann@world.example"}}}

@entry(capabilities=["calendar", "email"], capabilities_config=ACCOUNTS)
def fn(env, agent):
    fired = []
    env.calendar.create_calendar("Boss", "plans", owner="boss")
    def guests():
        plans = env.calendar.search_events("Plan", "plans")
        return [guest["status"] for event in plans for guest in event["attendees"]]
    env.when(lambda: "ACCEPTED" in guests(), lambda: fired.append("accepted"))
    uid = env.calendar.add_event("plans", "Plan", datetime(2030, 1, 7, 12), attendees=["ann"], alarms=["1h"])
    env.at(env.calendar.next_alarm(), lambda: fired.append(env.clock.now.hour))
    agent.act("answer")
    env.clock.advance("3h")
    mail = env.email.list_inbox("ann@world.example")
    reply = env.email.list_inbox("boss@world.example")
    return run_checkers({
        "invited": lambda: mail[0]["subject"] == "Invitation: Plan",
        "with a file": lambda: mail[0]["attachments"][0]["filename"] == "invite.ics",
        "by whom": lambda: reply[0]["subject"] == "Accepted: Plan" and reply[0]["by"] == "agent",
        "told at once": lambda: fired == ["accepted", 11],
        "fact": lambda: env.calendar.connection_info["username"] == "admin",
        "read back": lambda: env.calendar.list_events("plans")[0]["dtstart"] == datetime(2030, 1, 7, 12),
    })

@fn.solution
def solve(seat):
    [found] = seat.call("calendar_search", query="Plan")["events"]
    seat.call("calendar_respond", calendar=found["calendar"], uid=found["uid"], answer="accept")
"""


def test_invitations_go_as_mail_and_conditions_see_the_answer(play: Any) -> None:
    played = play(TASK, "oracle")
    assert played.error is None
    assert [check.name for check in played.result.verdict.checks if not check.passed] == []


def test_days(here: Ours) -> None:
    here.use("create", summary="Trip", start="2030-01-08", end="2030-01-10")
    [found] = here.use("events")["events"]
    assert (found["dtstart"], found["dtend"]) == ("2030-01-08", "2030-01-10")
    assert here.calendar.list_events("default", date(2030, 1, 9), date(2030, 1, 10))[0]["summary"] == "Trip"
