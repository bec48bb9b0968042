"""How an agent does `price_check` almost right, or right in another way."""

from __future__ import annotations

import re


def reads_the_list_once(seat, tool, args):
    if tool == "web_fetch":
        kind = "list" if "prices" in args["url"] else "home"
        return seat.notes.setdefault(kind, seat.do(tool, **args))
    return seat.do(tool, **args)


def takes_the_prices_for_everybody(seat, tool, args):
    if "prices" in args.get("url", ""):
        args["url"] = re.sub(r"resellers.*", "retail.html", args["url"])
    return seat.do(tool, **args)


def does_not_add_up(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "object_store_read" and args["bucket"] == "incoming":
        lines = re.findall(r"(\d+) x .+ at EUR (\d+)", result)
        return re.sub(r"Total EUR \d+", f"Total EUR {sum(int(n) * int(each) for n, each in lines)}", result)
    return result


def empties_what_came_in(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "object_store_copy":
        seat.do("object_store_delete", bucket=args["bucket"], key=args["key"])
    return result


def leaves_it_in_both(seat, tool, args):
    return None if tool == "object_store_delete" else seat.do(tool, **args)


def corrects_the_invoices(seat, tool, args):
    """Files what they should have been, not what came."""
    if tool == "object_store_copy" and args["to_bucket"] == "disputed":
        text = seat.do("object_store_read", bucket=args["bucket"], key=args["key"])
        return seat.do("object_store_write", bucket="disputed", key=args["to_key"], content=f"{text}WRONG\n")
    return seat.do(tool, **args)


def writes_instead_of_copying(seat, tool, args):
    if tool == "object_store_copy":
        text = seat.do("object_store_read", bucket=args["bucket"], key=args["key"])
        return seat.do("object_store_write", bucket=args["to_bucket"], key=args["to_key"], content=text)
    return seat.do(tool, **args)
