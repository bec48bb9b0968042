"""Invitations as mail: what the letter that carries one says (iMIP, RFC 6047)."""

from __future__ import annotations

from datetime import datetime

from terrarium.capability.calendar.moment import Moment
from terrarium.core.person import Person
from terrarium.core.rows import Fields
from terrarium.core.values import Value

_ANSWERS = {"ACCEPTED": "Accepted", "DECLINED": "Declined", "TENTATIVE": "Tentative"}


def letter_of(
    method: str,
    text: str,
    fields: Fields,
    sender: Person,
    to: str,
    *,
    update: bool = False,
    status: str | None = None,
) -> dict[str, Value]:
    """The arguments with which a mail capability sends a message.

    Args:
        method: Of the message.
        text: The message, as iCalendar.
        fields: Of the event it is about.
        sender: Who sends it.
        to: Whom it goes to.
        update: It changes an invitation that was sent before.
        status: The answer that it gives.
    """
    verb = {"REQUEST": "Updated invitation" if update else "Invitation", "CANCEL": "Cancelled"}.get(method)
    verb = verb or _ANSWERS.get(status or "", "Answer")
    summary = " ".join(fields["summary"].split()) or "(no title)"
    lines = [_sentence(method, sender, summary, status), "", f"When: {_when(fields['start'], fields['end'])}"]
    lines += [f"Where: {fields['location']}"] if fields["location"] else []
    lines += [f"Repeats: {fields['rrule']}"] if fields["rrule"] else []
    if method != "REPLY":
        lines.append(f"Organizer: {fields['organizer']['address']}")
        lines.append("Invited: " + ", ".join(entry["address"] for entry in fields["attendees"]))
        lines += ["", fields["description"]] if fields["description"] else []
    return {
        "from_addr": f'"{sender.name}" <{sender.address}>' if sender.name.isalnum() else sender.address,
        "to": to,
        "subject": f"{verb}: {summary}"[:200],
        "body": "\n".join(lines) + "\n",
        "attachments": [("invite.ics" if method != "REPLY" else "reply.ics", text.encode())],
    }


def _sentence(method: str, sender: Person, summary: str, status: str | None) -> str:
    if method == "REPLY":
        return f"{sender.name} has answered {status}: {summary}"
    return f"{sender.name} {'has cancelled' if method == 'CANCEL' else 'invites you to'}: {summary}"


def _when(start: Moment | None, end: Moment | None) -> str:
    if start is None:
        return "not said"
    told = [moment for moment in (start, end) if moment is not None]
    return " to ".join(_moment(moment) for moment in told)


def _moment(moment: Moment) -> str:
    if not isinstance(moment, datetime):
        return f"{moment:%a %d %b %Y}"
    return f"{moment:%a %d %b %Y %H:%M}" + (f" {moment:%Z}" if moment.tzinfo else "")
