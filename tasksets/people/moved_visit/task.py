"""A visit that has to suit two people, one of whom thinks better of it.

Dana answers in the chat, Theo by answering invitations; both are simulated people who act in their own time. What
counts is the one event in the calendar, Theo's answer to it, and what Dana was told last.
"""

from __future__ import annotations

import re

from terrarium import check, entry, run_checkers

from .content import DAYS, HOURS, PEOPLE, TOLD, dana_script, theo


@entry(capabilities=["slack", "calendar"], people=PEOPLE, notices=["all"], clock="2030-05-13T08:00")
def moved_visit(env, agent):
    first, second, third = (
        f"{day} {hour}" for day, hour in zip(env.random.sample(DAYS, 3), env.random.sample(HOURS, 3), strict=True)
    )
    env.calendar.create_calendar("Ann", "main", owner="ann")
    dana = env.user(
        "dana",
        persona="You are friendly and brief.",
        goal=f"Visit the company. You can come on {first} or on {second}, and at no other time, until you are told so.",
        script=dana_script(first, second, third),
        delay=("5m", "15m"),
    )
    env.user("theo", script=theo({when.replace(" ", "T") for when in (second, third)}), delay=("10m", "25m"))

    def visits():
        return [one for one in env.calendar.search_events("Visit", "ann/main") if "dana" in one["summary"].lower()]

    def begins(event):
        return f"{event['dtstart']:%Y-%m-%d %H:%M}"

    def agreed(when):
        found = visits()
        return (
            len(found) == 1
            and begins(found[0]) == when
            and [a["status"] for a in found[0]["attendees"]] == ["ACCEPTED"]
        )

    def takes_back():
        dana.post(f"You take back {second}: you can no longer make it, but {third}. Write that to Ann in the chat.")

    env.when(lambda: agreed(second), lambda: env.after("20m", takes_back))
    agent.act(TOLD)
    env.clock.advance_to("2030-05-13T12:30")

    told = [one["text"] for one in env.slack.find("from:@ann in:@dana", person="ann")]
    last = next((text for text in told if re.search(r"\d{1,2}:\d\d", text)), "")
    return run_checkers(
        {
            "one visit, that suits both": check(lambda: agreed(third), required=True, weight=3),
            "Dana knows the day and the time": check(
                lambda: third.split()[1] in last and second.split()[1] not in last, weight=2
            ),
            "nobody else was invited": lambda: all(len(one["attendees"]) == 1 for one in visits()),
        }
    )


@moved_visit.solution
def solve(seat):
    seat.call("slack_dm", people=["dana"], text="Hello Dana, when would you like to come?")
    refused, event, at, told = set(), None, None, None
    while True:
        seat.call("clock_wait", minutes=40)
        messages = seat.call("slack_read", channel="@dana")["messages"]
        heard = [m["text"] for m in messages if m["user"] == "dana"]
        named = [found for text in heard for found in re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", text)]
        gone = [found for text in heard for found in re.findall(r"no longer make ([\d-]+ [\d:]+)\.", text)]
        times = [when for when in dict.fromkeys(named) if when not in gone and when not in refused]
        if event is not None:
            answer = next((one["status"] for one in seat.call("calendar_get", **event)["attendees"]), "")
            if answer == "DECLINED":
                refused.add(at)
            elif answer == "ACCEPTED" and told != at and at in times:
                day, hour = at.split()
                seat.call("slack_dm", people=["dana"], text=f"We expect you on {day} at {hour}.")
                told = at
        times = [when for when in times if when not in refused]
        if event is None and times:
            at = times[0]
            event = seat.call(
                "calendar_create", summary="Visit of Dana", start=at.replace(" ", "T"), attendees=["theo"]
            )
        elif event is not None and times and at not in times:
            at = times[0]
            seat.call("calendar_update", **event, start=at.replace(" ", "T"))
        if gone and told in times:
            return f"Dana comes on {told}."
