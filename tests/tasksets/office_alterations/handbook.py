"""How an agent does `handbook` almost right, or right in another way."""

from __future__ import annotations

import re


def takes_the_first_remark(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "notion_get_page":
        result["content"] = "\n".join(reversed(result["content"].splitlines()))
    return result


def forgets_the_remark(seat, tool, args):
    return None if tool == "notion_update_block" else seat.do(tool, **args)


def keeps_the_old_value_too(seat, tool, args):
    if tool == "notion_update_block":
        places = {each["title"]: each["id"] for each in seat.do("notion_search")["results"]}
        return seat.do("notion_append_blocks", page=places["Handbook"], content=args["text"], after=args["block"])
    return seat.do(tool, **args)


def tidies_the_notes(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "notion_append_blocks" and seat.counts[tool] == 2:
        places = {each["title"]: each["id"] for each in seat.do("notion_search")["results"]}
        lines = seat.do("notion_get_page", page=places["Pump"], ids=True)["content"]
        seat.do("notion_update_block", block=re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", lines)[0], delete=True)
    return result


def forgets_ana(seat, tool, args):
    args.pop("attendees", None)
    return seat.do(tool, **args)


def is_an_hour_late(seat, tool, args):
    if tool in ("calendar_create", "calendar_update"):
        for key in {"start", "end"} & set(args):
            args[key] = f"{args[key][:11]}{int(args[key][11:13]) + 1:02}{args[key][13:]}"
    return seat.do(tool, **args)


def cannot_decide(seat, tool, args):
    if "Begin with" in args.get("content", ""):
        args["content"] += "\n\nBegin with: Balance\n\nBegin with: Laser"
    return seat.do(tool, **args)


def calls_everything_off(seat, tool, args):
    result = seat.do(tool, **args)
    if tool in ("calendar_create", "calendar_update"):
        [event] = seat.do("calendar_search", query="Briefing: Furnace")["events"][:1]
        seat.do("calendar_delete", calendar=event["calendar"], uid=event["uid"])
    return result


def begins_with_an_introduction(seat, tool, args):
    if tool == "notion_append_blocks" and seat.counts[tool] == 1:
        args["content"] = f"Welcome, Ana!\n\n{args['content']}"
    return seat.do(tool, **args)


def begins_with_the_laser(seat, tool, args):
    if "Begin with" in args.get("content", ""):
        args["content"] = re.sub(r"Begin with: \w+", "Begin with: Laser", args["content"])
    if tool == "calendar_search":
        args["query"] = "Briefing: Laser"
    return seat.do(tool, **args)
