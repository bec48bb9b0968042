"""Messages that come by mail: what is taken of an invitation, a cancellation or an answer, and from whom (RFC 5546).

A message is taken whole or not at all.
"""

from __future__ import annotations

from terrarium.capability.calendar.edit import address_of, attendees, occurrence_at
from terrarium.capability.calendar.event import answer_of
from terrarium.capability.calendar.invitation import (
    GUESTS,
    Answer,
    Invitations,
    fields_in,
    guests_of,
    invited,
    recurrence_of,
)
from terrarium.capability.calendar.parsing import Parsed, parse, sequence_of
from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.shelf import INBOX, Shelf
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import Person
from terrarium.core.rows import Fields


class Incoming:
    """The mail of one world's calendars.

    Args:
        shelf: All calendars.
        people: Everybody.
        invitations: What becomes of a message that is taken.
    """

    def __init__(self, shelf: Shelf, people: People, invitations: Invitations) -> None:
        self._shelf = shelf
        self._people = people
        self._invitations = invitations

    def receive(self, to: Person, text: str, sender: str) -> str:
        """Take in a message; gives its method.

        Args:
            to: Who has got it.
            text: The iCalendar object.
            sender: The address of whose word it is, in small letters.

        Raises:
            NotFound: It answers or calls off what the receiver does not have.
            Refused: It is no message, older than what is known, or not from whom it says.
        """
        parsed = parse(text)
        fields, method = fields_in(text), parsed.method
        if fields["component"] not in ("VEVENT", "VTODO") or method not in ("REQUEST", "CANCEL", "REPLY"):
            raise Refused(f"a message of the method {method} is not handled here; REQUEST, CANCEL and REPLY are")
        if len(guests_of(text)) > GUESTS:
            raise Refused(f"an event invites at most {GUESTS} people")
        if method == "REPLY":
            self._reply(to, parsed, fields, text, sender)
            return method
        organizers = {address_of(part["ORGANIZER"]) if "ORGANIZER" in part else "" for part in parsed.parts}
        if organizers != {sender} or self._invitations.owns(to, fields):
            raise Refused(f"{sender[:80]} may not send this {method}")
        self._check_is_new(to, fields, sender)
        if method == "CANCEL":
            if self._invitations.held(to, fields["uid"]) is None:
                raise NotFound(f"{to.id} has no event {fields['uid'][:80]!r}")
            self._invitations.withdraw(to, text, fields["uid"])
        else:
            if guests_of(text).isdisjoint({to.address.lower(), to.id.lower()}):
                raise Refused(f"{to.id} is not invited")
            self._invitations.deliver(to, text)
        return method

    def _check_is_new(self, to: Person, fields: Fields, sender: str) -> None:
        """Refuse what would change somebody else's event, or take back what its organizer has said since."""
        held = self._invitations.held(to, fields["uid"])
        if held is None:
            return
        organizer = held.fields["organizer"]
        if organizer is None or organizer["address"].lower() != sender:
            raise Refused(f"{sender[:80]} is not the organizer of {fields['uid'][:80]!r}")
        said = [item.fields for item in self._shelf.objects(f"{to.id}/{INBOX}")]
        known = max((entry["sequence"] for entry in said if entry["uid"] == fields["uid"]), default=0)
        if fields["sequence"] < known:
            raise Refused(f"the message is older ({fields['sequence']}) than one that has come ({known})")

    def _reply(self, host: Person, parsed: Parsed, fields: Fields, text: str, sender: str) -> None:
        held = self._invitations.held(host, fields["uid"])
        if held is None or not self._invitations.owns(host, held.fields):
            raise NotFound(f"{host.id} has not invited anybody to {fields['uid'][:80]!r}")
        answers: list[Answer] = []
        for part in parsed.parts:
            at = recurrence_of(part)
            status = next((a.params.get("PARTSTAT", "") for a in attendees(part) if address_of(a) == sender), None)
            if status is None or sender not in invited(held.fields):
                raise Refused(f"{sender[:80]} may not send this REPLY")
            if sequence_of(part) < held.fields["sequence"]:
                raise Refused(f"the answer is to an older version ({sequence_of(part)}) of the event")
            answers.append((answer_of(status), None if at is None else occurrence_at(held.fields, at)))
        self._invitations.count_in(held, sender, answers)
        guest = self._people.at(sender)
        mine = None if guest is None else self._invitations.held(guest, fields["uid"])
        if mine is not None and mine.key != held.key:
            self._invitations.count_in(mine, sender, answers)
        self._invitations.into_inbox(host, text)
