"""How an agent does `moved_meeting` almost right, or right in another way."""

from __future__ import annotations

import csv

from office_alterations.any_task import Enough


def reads_mail_only_at_the_beginning(seat, tool, args):
    return {"mails": []} if tool == "email_search" and seat.counts[tool] > 1 else seat.do(tool, **args)


def notices_after_sending(seat, tool, args):
    return {"mails": []} if tool == "email_search" and seat.counts[tool] == 2 else seat.do(tool, **args)


def corrects_only_the_room(seat, tool, args):
    if tool == "email_send" and seat.counts[tool] == 4:
        return None
    return notices_after_sending(seat, tool, args)


def corrects_only_the_people(seat, tool, args):
    if tool == "email_send" and seat.counts[tool] == 3:
        return None
    return notices_after_sending(seat, tool, args)


def forgets_one_member(seat, tool, args):
    if tool == "email_send" and len(args["to"]) > 1:
        args["to"] = args["to"][1:]
    return seat.do(tool, **args)


def invites_everybody(seat, tool, args):
    if tool == "email_send" and len(args["to"]) > 1:
        args["to"] = [row["email"] for row in csv.DictReader(seat.notes["staff"].splitlines())]
    result = seat.do(tool, **args)
    if tool == "workspace_read":
        seat.notes["staff"] = result
    return result


def books_another_room(seat, tool, args):
    if args.get("subject", "").startswith("Book"):
        room = args["subject"].split()[1]
        args["subject"] = args["subject"].replace(room, "Maple" if room != "Maple" else "Birch")
    return seat.do(tool, **args)


def writes_the_slot_into_the_text_only(seat, tool, args):
    if args.get("subject", "").startswith("Design review"):
        args |= {"subject": "Design review", "body": args["subject"]}
    return seat.do(tool, **args)


def tells_dora(seat, tool, args):
    if args.get("subject", "").startswith("Design review"):
        seat.do("email_send", to=["dora.lindqvist@larkfield.example"], subject=args["subject"], body="Done.")
    return seat.do(tool, **args)


def deletes_the_request_unread(seat, tool, args):
    found = seat.do("email_list", limit=1)["mails"][0]["id"]
    seat.do("email_delete", id=seat.do("email_delete", id=found)["id"])
    raise Enough


def calls_the_old_room_off(seat, tool, args):
    result = notices_after_sending(seat, tool, args)
    if args.get("subject", "").startswith("Book"):
        before = seat.notes.setdefault("booked", args["subject"])
        if before != args["subject"]:
            seat.do("email_send", to=["rooms@larkfield.example"], subject=f"Cancel: {before}", body="Not needed.")
    return result
