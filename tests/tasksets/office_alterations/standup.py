"""How an agent does `standup` almost right, or right in another way."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from office_alterations.any_task import Enough


def thinks_in_utc(seat, tool, args):
    """Looks once, in winter time, and lets the series be in UTC."""
    if tool == "calendar_create":
        args["timezone"] = "UTC"
    if tool.startswith("calendar_") and "start" in args and tool != "calendar_events":
        for key in ("start", "end", "occurrence"):
            if key in args:
                args[key] = _minutes(args[key], -60)
    return seat.do(tool, **args)


def overlooks_the_moved_one(seat, tool, args):
    return None if tool == "calendar_update" else seat.do(tool, **args)


def takes_the_moved_one_for_the_usual(seat, tool, args):
    """Begins the handover where the standup would have ended, also in the mail."""
    result = seat.do(tool, **args)
    if tool == "calendar_events":
        for event in result["events"]:
            event["dtstart"] = event.get("recurrence_id", event["dtstart"])
            event["dtend"] = _later(event["dtstart"], 30)
    return result


def thinks_that_new_york_is_always_six_hours_off(seat, tool, args):
    if tool == "email_send":
        args["body"] = re.sub(r"2030-03-(1[1-9]|2\d) \d\d:\d\d", lambda found: _minutes(found[0], -60), args["body"])
    return seat.do(tool, **args)


def tells_rosa_the_times_in_berlin(seat, tool, args):
    if tool == "email_send":
        args["body"] = re.sub(r"2030\S+ \d\d:\d\d", lambda found: _minutes(found[0], 360), args["body"])
    return seat.do(tool, **args)


def invites_nobody(seat, tool, args):
    args.pop("attendees", None)
    return seat.do(tool, **args)


def makes_the_standup_longer(seat, tool, args):
    """Puts the handover into the standup itself."""
    if tool == "calendar_create":
        event = seat.do("calendar_search", query="standup")["events"][0]
        end = _later(event["dtend"], 15)[:16]
        seat.do(
            "calendar_update", calendar=event["calendar"], uid=event["uid"], end=end, summary="Standup and Handover"
        )
        raise Enough
    return seat.do(tool, **args)


def makes_single_events(seat, tool, args):
    """No series, but an event for each."""
    if tool == "calendar_create":
        found = seat.do("calendar_events", start="2030-03-04", end="2030-04-20", calendar="dora/team")["events"]
        for event in found:
            if "standup" in event["summary"]:
                times = {"start": event["dtend"], "end": _later(event["dtend"], 15)}
                made = seat.do("calendar_create", summary="Handover", attendees=args["attendees"], **times)
        return made
    return None if tool == "calendar_update" else seat.do(tool, **args)


def _minutes(text, minutes):
    moment = datetime.fromisoformat(text) + timedelta(minutes=minutes)
    return f"{moment:%Y-%m-%d %H:%M}" if " " in text else f"{moment:%Y-%m-%dT%H:%M}"


def _later(text, minutes):
    return (datetime.fromisoformat(text) + timedelta(minutes=minutes)).isoformat(timespec="minutes")
