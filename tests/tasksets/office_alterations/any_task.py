"""Alterations that fit every task."""

from __future__ import annotations


class Enough(Exception):
    """Raised by an alteration: the agent stops here for good."""


def looks_around(seat, tool, args):
    seat.do("email_list", folder="Sent")
    seat.do("email_folders")
    seat.do("workspace_list", path="/root")
    seat.do("workspace_exec", command="ls -la /root")
    for mail in seat.do("email_list", limit=3)["mails"]:
        if not mail["unread"]:
            seat.do("email_read", id=mail["id"])
    return seat.do(tool, **args)
