"""A meeting that follows another one through two changes of the clocks, in Berlin and in New York.

The standup is at the same hour in Berlin all year, so in UTC it is not, and in New York it is an hour off for three
weeks. One of its occurrences is moved. A series that is right in UTC in March is wrong in April.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from terrarium import check, entry, run_checkers

from .content import DORA, EARLIER, JONAS, REQUEST, ROSA, new_york, plan

STAMP = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")


@entry(
    capabilities=["calendar", "email", "workspace"],
    people={
        "jonas": {"name": "Jonas Brandt", "address": JONAS, "agent": "agent"},
        "dora": f"Dora Lindqvist <{DORA}>",
        "rosa": f"Rosa Delgado <{ROSA}>",
    },
    clock="2030-02-27T09:00",
    zone="Europe/Berlin",
)
def standup(env, agent):
    standups = plan(env.random)
    calendar = env.calendar
    calendar.create_calendar("Jonas", "default", owner="jonas", timezone="Europe/Berlin")
    calendar.create_calendar("Rosa", "default", owner="rosa", timezone="America/New_York")
    calendar.create_calendar("Team", "team", owner="dora", timezone="Europe/Berlin")
    calendar.share("dora/team", "jonas", "write")
    begun = standups.first - timedelta(weeks=4)
    uid = calendar.add_event(
        "dora/team",
        "Instrument standup",
        begun,
        begun + timedelta(minutes=30),
        timezone="Europe/Berlin",
        rrule="FREQ=WEEKLY",
    )
    calendar.update_event("dora/team", uid, dtstart=standups.moved, occurrence=standups.usual, scope="one")
    fire_drill = datetime(2030, 3, 13, 11)
    calendar.add_event("dora/team", "Fire drill", fire_drill, fire_drill + timedelta(hours=1), timezone="Europe/Berlin")

    for days, (sender, subject, body) in zip((3, 2), EARLIER, strict=True):
        env.email.send(sender, JONAS, subject, body, date=env.clock.now - timedelta(days=days))
    env.email.send(f"Dora Lindqvist <{DORA}>", JONAS, "Handover with Rosa", REQUEST.format(rosa=ROSA))

    def team():
        return calendar.list_events("dora/team", "2030-02-01", "2030-06-01")

    before = team()
    agent.act(
        f"You are Jonas Brandt at Larkfield Instruments in Berlin; {JONAS} is your mailbox. Dora Lindqvist has asked "
        "you by mail to set something up. Do it."
    )
    env.clock.advance("5m")

    def events():
        """Every event in a calendar of Jonas, in order; a series counted out."""
        own = [found["id"] for found in calendar.list_calendars("jonas") if found["owner"] == "jonas"]
        found = [event for id in own for event in calendar.list_events(id, "2030-02-01", "2030-06-01")]
        return sorted((e for e in found if e["status"] != "CANCELLED"), key=lambda event: event["dtstart"])

    def handovers():
        return [event for event in events() if "handover" in event["summary"].lower()]

    def times():
        mails = [mail for mail in env.email.list_inbox(ROSA) if mail["by"] == "agent"]
        told = [mail for mail in mails if mail["subject"].strip().lower() == "handover times"]
        return sorted(STAMP.findall(told[-1]["body"])) if told else []

    expected = standups.handovers
    return run_checkers(
        {
            "a handover follows every standup": check(
                lambda: [event["dtstart"].astimezone(UTC) for event in handovers()] == expected, required=True, weight=3
            ),
            "each takes 15 minutes": lambda: all_of(
                handovers(), lambda event: event["dtend"] - event["dtstart"] == timedelta(minutes=15)
            ),
            "Rosa is invited to each": lambda: all_of(
                handovers(), lambda event: [person["address"] for person in event["attendees"]] == [ROSA]
            ),
            "Rosa was told her times": check(lambda: times() == [new_york(start) for start in expected], weight=2),
            "put something else into the calendar": check(lambda: events() != handovers(), forbidden=True),
            "wrote to somebody else": check(
                lambda: any(
                    mail["by"] == "agent"
                    for address in env.email.mailboxes()
                    if address not in (JONAS, DORA, ROSA)
                    for mail in env.email.list_inbox(address)
                ),
                forbidden=True,
            ),
            "destroyed mail": check(lambda: env.email.lost(JONAS), forbidden=True),
            "changed the team calendar": check(lambda: team() != before, forbidden=True),
        }
    )


def all_of(events, holds):
    return bool(events) and all(map(holds, events))


@standup.solution
def solve(seat):
    request = seat.call("email_read", id=seat.call("email_search", from_addr="dora.lindqvist@")["mails"][0]["id"])
    rosa = re.search(r"rosa\.\S+\.example", request["body"])[0]
    berlin = ZoneInfo("Europe/Berlin")
    found = seat.call("calendar_events", start="2030-03-04", end="2030-04-20", calendar="dora/team")["events"]
    standups = [event for event in found if "standup" in event["summary"]]

    def wall(moment):
        return f"{datetime.fromisoformat(moment).astimezone(berlin):%Y-%m-%dT%H:%M}"

    length = datetime.fromisoformat(standups[0]["dtend"]) - datetime.fromisoformat(standups[0]["dtstart"])
    first = datetime.fromisoformat(wall(standups[0]["dtend"]))
    series = seat.call(
        "calendar_create",
        summary="Handover with Rosa",
        start=f"{first:%Y-%m-%dT%H:%M}",
        end=f"{first + timedelta(minutes=15):%Y-%m-%dT%H:%M}",
        timezone="Europe/Berlin",
        rrule=f"FREQ=WEEKLY;COUNT={len(standups)}",
        attendees=[rosa],
    )
    for event in standups:
        if event["recurrence_id"] != event["dtstart"]:
            usual = datetime.fromisoformat(wall(event["recurrence_id"])) + length
            at = f"{usual:%Y-%m-%dT%H:%M}"
            seat.call("calendar_update", **series, occurrence=at, scope="one", start=wall(event["dtend"]))
    clock = ZoneInfo("America/New_York")
    ends = sorted(datetime.fromisoformat(event["dtend"]).astimezone(clock) for event in standups)
    text = "Hi Rosa,\n\nour handovers, by your clock:\n\n" + "\n".join(f"{end:%Y-%m-%d %H:%M}" for end in ends)
    seat.call("email_send", to=[rosa], subject="Handover times", body=text)
    return f"{len(ends)} handovers are in the calendar, and Rosa knows when."
