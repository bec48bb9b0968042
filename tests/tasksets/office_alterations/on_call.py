"""How an agent does `on_call` almost right, or right in another way."""

from __future__ import annotations

import re


def wakes_somebody_for_every_alarm(seat, tool, args):
    result = seat.do(tool, **args)
    return re.sub(r"(?m)^(Store \w\d),[-\d.]+", r"\1,-99", result) if tool == "workspace_read" else result


def tells_the_same_technician_always(seat, tool, args):
    if tool == "email_send":
        args["to"] = ["bram.de.wit@larkfield.example"]
    return seat.do(tool, **args)


def keeps_a_log(seat, tool, args):
    if tool == "workspace_list":
        seat.do("workspace_write", path="log.txt", content=f"looked {seat.counts[tool]} times")
    return seat.do(tool, **args)


def looks_at_every_third_beat(seat, tool, args):
    return [] if tool == "workspace_list" and seat.counts[tool] % 3 else seat.do(tool, **args)


def tells_twice(seat, tool, args):
    if tool == "email_send":
        seat.do(tool, **args)
    return seat.do(tool, **args)


def names_no_temperature(seat, tool, args):
    if tool == "email_send":
        args["body"] = "Please look at it."
    return seat.do(tool, **args)


def raises_the_limits(seat, tool, args):
    if tool == "email_send" and seat.counts[tool] == 1:
        seat.do("workspace_exec", command="sed -i s/,-/,/ /root/stores.csv")
    return seat.do(tool, **args)


def writes_a_real_minus(seat, tool, args):
    if tool == "email_send":
        args["body"] = args["body"].replace("-", "\u2212")
    return seat.do(tool, **args)
