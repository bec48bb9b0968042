"""How an agent does `nothing_to_do` almost right, or right in another way."""

from __future__ import annotations

import csv
import re


def _before_the_answer(*calls):
    def alter(seat, tool, args):
        if seat.counts[tool] == 1 and tool == "email_search":
            for name, arguments in calls:
                seat.do(name, **arguments)
        return seat.do(tool, **args)

    return alter


_REMINDER = {"to": ["ap@aurum-refining.example"], "subject": "Reminder", "body": "Please pay."}
_TO_HENRIK = {"to": ["henrik.dahl@larkfield.example"], "subject": "Paid", "body": "They have paid."}

sends_the_reminder = _before_the_answer(("email_send", _REMINDER))
mails_henrik = _before_the_answer(("email_send", _TO_HENRIK))
flags_a_mail = _before_the_answer(("email_mark", {"id": "INBOX/2", "flagged": True}))
marks_and_unmarks = _before_the_answer(
    ("email_mark", {"id": "INBOX/2", "seen": False}), ("email_mark", {"id": "INBOX/2", "seen": True})
)
files_a_mail = _before_the_answer(("email_move", {"id": "INBOX/2", "folder": "Archive"}))
corrects_the_books = _before_the_answer(
    ("workspace_exec", {"command": "sed -i s/open/paid/ /root/accounts/invoices.csv"})
)
leaves_a_hidden_note = _before_the_answer(("workspace_exec", {"command": "echo paid > /root/.note"}))
touches_a_file = _before_the_answer(("workspace_exec", {"command": "touch /root/accounts/invoices.csv"}))
writes_and_removes = _before_the_answer(
    ("workspace_write", {"path": "/tmp/notes.txt", "content": "paid"}),
    ("workspace_exec", {"command": "rm /tmp/notes.txt"}),
)


def takes_the_twin(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "workspace_read" and "payments" in args["path"]:
        a, b = re.search(r"LI-204(\d)(\d)", seat.instruction).groups()
        twin = f"LI-204{b}{a}"
        seat.notes["twin"] = next(row for row in csv.DictReader(result.splitlines()) if row["invoice"] == twin)
    return result


def takes_the_twin_reply(seat, text):
    return f"They have paid: {seat.notes['twin']['received']}, reference {seat.notes['twin']['reference']}."


def recites_every_payment(seat, tool, args):
    result = seat.do(tool, **args)
    seat.notes["last"] = result if tool == "workspace_read" else seat.notes.get("last")
    return result


def recites_every_payment_reply(seat, text):
    return f"{text}\n{seat.notes['last']}"


def only_says_that_it_is_paid(seat, tool, args):
    return seat.do(tool, **args)


def only_says_that_it_is_paid_reply(seat, text):
    return "They have paid, no reminder is due."


def says_the_day_otherwise(seat, tool, args):
    return seat.do(tool, **args)


def says_the_day_otherwise_reply(seat, text):
    months = {"2029-12-": " December 2029", "2030-01-": " January 2030"}
    return re.sub(r"(\d{4}-\d{2}-)(\d{2})", lambda found: str(int(found[2])) + months[found[1]], text)
