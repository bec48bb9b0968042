"""How an agent does `address_book` almost right, or right in another way."""

from __future__ import annotations

import re


def goes_by_names(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "contacts_list":
        own = {card["name"]: card["emails"] for card in result["contacts"] if card["book"] == "contacts"}
        for card in result["contacts"]:
            card["emails"] = own.get(card["name"], card["emails"])
    return result


def overlooks_numbers(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "contacts_list":
        for card in result["contacts"]:
            card["phones"] = card["phones"] if card["book"] == "contacts" else []
    return result


def keeps_the_doubles(seat, tool, args):
    return None if tool == "contacts_delete" else seat.do(tool, **args)


def takes_over_nothing(seat, tool, args):
    return None if tool == "contacts_update" else seat.do(tool, **args)


def replaces_the_numbers(seat, tool, args):
    if "phones" in args:
        args["phones"] = args["phones"][1:]
    return seat.do(tool, **args)


def believes_everybody(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "email_search":
        for mail in result["mails"]:
            name = re.match(r"[^<]+", mail["from"])[0].strip()
            [card] = [one for one in seat.do("contacts_search", query=name) if one["book"] == "contacts"]
            mail["from"] = card["emails"][0]
    return result


def throws_the_old_book_away(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "email_search":
        for card in seat.do("contacts_list", limit=200)["contacts"]:
            if card["book"] == "phone":
                seat.do("contacts_delete", uid=card["uid"])
    return result


def writes_numbers_in_one_piece(seat, tool, args):
    if "phones" in args:
        args["phones"] = [phone.replace(" ", "").replace("-", "") for phone in args["phones"]]
    return seat.do(tool, **args)
