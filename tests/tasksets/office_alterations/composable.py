"""How an agent does `composable` almost right, or right in another way."""

from __future__ import annotations

from datetime import datetime, timedelta


def overlooks_its_own_calendar(seat, tool, args):
    if tool == "calendar_free_busy":
        args["people"] = args["people"][1:]
    return seat.do(tool, **args)


def overlooks_a_colleague(seat, tool, args):
    if tool == "calendar_free_busy":
        args["people"] = args["people"][:-1]
    return seat.do(tool, **args)


def books_a_second_event(seat, tool, args):
    """Makes a new event in place of moving the first one, and leaves that where it is."""
    if tool == "calendar_create":
        seat.notes["event"] = dict(args)
    if tool == "calendar_update":
        end = datetime.fromisoformat(args["start"]) + timedelta(minutes=90)
        return seat.do("calendar_create", **seat.notes["event"] | {"start": args["start"], "end": end.isoformat()})
    return seat.do(tool, **args)


def calls_off_and_books_anew(seat, tool, args):
    result = books_a_second_event(seat, tool, dict(args))
    if tool == "calendar_update":
        seat.do("calendar_delete", calendar=args["calendar"], uid=args["uid"])
    return result


def leaves_the_sheet_as_it_was(seat, tool, args):
    return None if tool == "workspace_write" and seat.counts[tool] == 2 else seat.do(tool, **args)


def moves_only_in_words(seat, tool, args):
    return None if tool == "calendar_update" else seat.do(tool, **args)


def names_a_unit_on_loan(seat, tool, args):
    result = seat.do(tool, **args)
    if args.get("path", "").endswith("demo_units.csv"):
        return result.replace("in the house", "-").replace("on loan", "in the house")
    return result


def invites_the_whole_team(seat, tool, args):
    if tool == "calendar_create":
        args["attendees"] = [*args["attendees"], *_others(args["attendees"])]
    return seat.do(tool, **args)


def makes_room_for_the_visit(seat, tool, args):
    """Moves a meeting of its own out of the way."""
    if tool == "calendar_create":
        meeting = seat.do("calendar_events", start="2030-01-08", end="2030-01-12")["events"][0]
        seat.do("calendar_update", calendar=meeting["calendar"], uid=meeting["uid"], start="2030-01-14T09:00")
    return seat.do(tool, **args)


def says_everything_twice(seat, tool, args):
    if tool == "email_reply":
        seat.do(tool, **args)
    return seat.do(tool, **args)


def _others(addresses):
    team = ("chidi.eze", "elif.aydin", "hugo.marchand", "keiko.tanaka", "mei.chen")
    return [f"{name}@larkfield.example" for name in team if f"{name}@larkfield.example" not in addresses]


def invites_afterwards(seat, tool, args):
    if tool != "calendar_create":
        return seat.do(tool, **args)
    guests = args.pop("attendees")
    made = seat.do(tool, **args)
    seat.do("calendar_update", **made, attendees=guests)
    return made
