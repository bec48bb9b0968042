"""How an agent does `quotes` almost right, or right in another way."""

from __future__ import annotations

import re


def orders_from_the_first_that_answers(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "email_read" and seat.counts[tool] == 1:
        number = re.search(r"PO-\d+", result["subject"])[0]
        seat.do("email_reply", id=args["id"], body="We order.")
        seat.do("email_send", to=[result["from"]], subject=f"Order {number}", body="We order.")
    return result


def forgets_when_it_is_delivered(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "email_read":
        result["body"] = re.sub(r"within \d+", "within 1", result["body"])
    return result


def reads_only_the_first_two(seat, tool, args):
    return {"mails": []} if tool == "email_list" and seat.counts[tool] > 2 else seat.do(tool, **args)


def orders_twice(seat, tool, args):
    if args.get("subject", "").startswith("Order"):
        seat.do(tool, **args)
    return seat.do(tool, **args)


def thanks_everybody(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "email_read":
        seat.do("email_reply", id=args["id"], body="Thank you!")
    return result
