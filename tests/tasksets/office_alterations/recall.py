"""How an agent does `recall` almost right, or right in another way."""

from __future__ import annotations

import re


def forgets_what_is_back(seat, tool, args):
    if tool == "postgres_query":
        args["sql"] = args["sql"].replace("AND returned IS NULL", "")
    return seat.do(tool, **args)


def takes_the_lot_of_any_part(seat, tool, args):
    if tool == "postgres_query":
        args["sql"] = re.sub(r"AND part = '.+?'", "", args["sql"])
    return seat.do(tool, **args)


def tells_everybody_everything(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "postgres_query":
        seat.notes["serials"] = ", ".join(row["serial"] for row in result["rows"])
    if tool == "email_send":
        seat.do(tool, **args | {"body": f"All units: {seat.notes['serials']}"})
    return result


def plans_a_second_event(seat, tool, args):
    if tool == "calendar_create":
        seat.notes["made"] = dict(args)
    if tool == "calendar_update":
        end = f"{args['start'][:11]}{int(args['start'][11:13]) + 1:02}{args['start'][13:]}"
        return seat.do("calendar_create", **seat.notes["made"] | {"start": args["start"], "end": end})
    return seat.do(tool, **args)


def leaves_the_board_as_it_was(seat, tool, args):
    return None if tool == "notion_update_page" else seat.do(tool, **args)


def makes_a_second_entry(seat, tool, args):
    if tool == "notion_create_page":
        seat.notes["made"] = dict(args)
    if tool == "notion_update_page":
        return seat.do("notion_create_page", **seat.notes["made"] | {"properties": args["properties"]})
    return seat.do(tool, **args)


def overlooks_the_technician(seat, tool, args):
    if tool == "calendar_free_busy":
        args["people"] = args["people"][:1]
    return seat.do(tool, **args)


def writes_to_those_who_have_none_left(seat, tool, args):
    if tool == "email_send":
        seat.notes.setdefault("all", set()).add(args["to"][0])
        if "calendar_update" in seat.counts and "told" not in seat.notes:
            seat.notes["told"] = True
            for address in sorted(seat.notes["all"]):
                seat.do(tool, **args | {"to": [address], "body": "It takes place at another time."})
    return seat.do(tool, **args)


def corrects_the_units(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "postgres_execute":
        seat.do(tool, sql="UPDATE units SET returned = '2030-01-07' WHERE product = 'FX-3'")
    return result


def is_polite(seat, tool, args):
    if tool == "email_send":
        args["body"] = (
            f"Dear customer,\n\n{args['body']}\nWe are sorry for the trouble, and thank you for your patience."
        )
    return seat.do(tool, **args)
