"""How an agent does `results_watch` almost right, or right in another way."""

from __future__ import annotations

import re


def reports_twice(seat, tool, args):
    if tool == "email_send" and seat.counts[tool] == 2:
        seat.do(tool, **args)
    return seat.do(tool, **args)


def reports_the_partial_file(seat, tool, args):
    if tool == "workspace_list":
        names = seat.notes["names"] = seat.do(tool, **args)
        return [name.removesuffix(".part") for name in names]
    if tool == "workspace_read" and args["path"].rpartition("/")[2] not in seat.notes["names"]:
        args["path"] += ".part"
    return seat.do(tool, **args)


def names_the_partial_file(seat, tool, args):
    if tool == "workspace_list":
        for name in seat.do(tool, **args):
            if name.endswith(".part"):
                _mail_priya(seat, name)
    return seat.do(tool, **args)


def reports_that_there_is_nothing(seat, tool, args):
    if tool == "workspace_list" and seat.counts[tool] == 2:
        _mail_priya(seat, "Nothing new at 09:30")
    return seat.do(tool, **args)


def reports_what_was_there(seat, tool, args):
    return [] if tool == "workspace_list" and seat.counts[tool] == 1 else seat.do(tool, **args)


def wakes_up_at_the_end(seat, tool, args):
    if tool != "workspace_list" or seat.counts[tool] == 10:
        return seat.do(tool, **args)
    return seat.notes.setdefault("names", seat.do(tool, **args))


def names_the_wrong_well(seat, tool, args):
    if tool == "email_send":
        args["body"] = re.sub(r"well \w+", "well A0", args["body"])
    return seat.do(tool, **args)


def reports_to_purchasing(seat, tool, args):
    if tool == "email_send":
        args["to"] = ["purchasing@larkfield.example"]
    return seat.do(tool, **args)


def tidies_up(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "workspace_read":
        seat.do("workspace_exec", command=f"mv {args['path']} /tmp")
    return result


def wrecks_the_folder(seat, tool, args):
    if tool == "workspace_list":
        seat.do("workspace_exec", command="rm -r /root/results; touch /root/results")
        return []
    return seat.do(tool, **args)


def _mail_priya(seat, subject):
    seat.do("email_send", to=["priya.raman@larkfield.example"], subject=subject, body="See the folder.")
