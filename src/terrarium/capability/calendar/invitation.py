"""Invitations: what saving, changing and deleting an event with attendees means for the others (RFC 5546, RFC 6638).

People of this world get a copy in their own calendar and the message in their inbox; everybody gets a letter, where the
world has mail (RFC 6047).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Literal

from terrarium.capability.calendar.edit import (
    address_of,
    altered_once,
    attendees,
    copied,
    new_object,
    put,
    text_of,
    with_answer,
)
from terrarium.capability.calendar.letter import letter_of
from terrarium.capability.calendar.moment import Moment, micros
from terrarium.capability.calendar.occurrence import same_moment
from terrarium.capability.calendar.parsing import Component, addresses, end_of, fields_of, parse, start_of
from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.shelf import Shelf, Shelved
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.person import Person
from terrarium.core.rows import Fields

Method = Literal["REQUEST", "CANCEL", "REPLY"]
Answer = tuple[str, Moment | None]
"""A status, and the occurrence it is about; None for the whole."""
GUESTS = 100
"""How many people one event may invite: each gets a copy that names all, and a change of it must not take seconds."""


class Invitations:
    """The scheduling of one world.

    Args:
        site: Where it stands; its `post` hands letters on.
        shelf: All calendars.
        people: Everybody.
    """

    def __init__(self, site: Site, shelf: Shelf, people: People) -> None:
        self._site = site
        self._shelf = shelf
        self._people = people

    def check(self, fields: Fields) -> None:
        """Refuse what cannot be sent.

        Raises:
            Refused: Too many people are invited.
        """
        if len(fields["attendees"]) > GUESTS:
            raise Refused(f"an event invites at most {GUESTS} people, not {len(fields['attendees'])}")

    def saved(self, owner: Person, before: Fields | None, after: Shelved) -> None:
        """Tell the others that `owner` stored an object in place of `before`."""
        fields = after.fields
        if fields["component"] == "VJOURNAL" or not fields["organizer"]:
            if before is not None and before["organizer"] and self.owns(owner, before):
                self._cancel(owner, before, invited(before))
            return
        if self.owns(owner, fields):
            known = invited(before) if before is not None and self.owns(owner, before) else frozenset()
            gone = known - invited(fields)
            if before is not None and gone:
                self._cancel(owner, before, gone)
            if before is None or _plan(before["text"]) != _plan(fields["text"]):
                self._request(owner, self._asked_again(owner, before, after), update=before is not None)
        elif owner.address.lower() in invited(fields):
            self._reply(owner, before, fields)

    def removed(self, owner: Person, before: Fields) -> None:
        """Tell the others that `owner` deleted an object: the organizer cancels, an attendee declines."""
        if before["component"] == "VJOURNAL" or not before["organizer"]:
            return
        if self.owns(owner, before):
            self._cancel(owner, before, invited(before))
        elif before["status"] != "CANCELLED":
            for entry in before["attendees"]:
                if entry["address"] == owner.address.lower() and entry["status"] != "DECLINED":
                    declined = with_answer(before["text"], entry["address"], "DECLINED", None, self._site.clock.now)
                    if declined is not None:
                        self._send_reply(owner, declined, before, "DECLINED", None)

    # -- the organizer --------------------------------------------------------------------------------------------

    def _request(self, owner: Person, fields: Fields, *, update: bool) -> None:
        text = _message(fields["text"], "REQUEST")
        for address in self._guests(owner, fields):
            guest = self._people.at(address)
            if guest is not None and guest.id != owner.id:
                self.deliver(guest, text)
            self._post(letter_of("REQUEST", text, fields, owner, address, update=update))

    def _asked_again(self, owner: Person, before: Fields | None, after: Shelved) -> Fields:
        """The organizer's fields where a new time makes the answers to the old one void (RFC 6638, section 3.2.8)."""
        if before is None:
            return after.fields
        times = {_key(part): _time(part) for part in parse(before["text"]).parts}
        calendar, changed = copied(after.fields["text"]), False
        for part in calendar.subcomponents:
            if part.name not in ("VEVENT", "VTODO") or times.get(_key(part), times.get(None)) == _time(part):
                continue
            for attendee in attendees(part):
                if address_of(attendee) != owner.address.lower() and "PARTSTAT" in attendee.params:
                    changed = changed or str(attendee.params["PARTSTAT"]) != "NEEDS-ACTION"
                    attendee.params["PARTSTAT"] = "NEEDS-ACTION"
        if not changed:
            return after.fields
        text = text_of(calendar)
        return self._shelf.put(after.calendar, after.name, text, fields_of(parse(text))).fields

    def _cancel(self, owner: Person, fields: Fields, addresses: frozenset[str]) -> None:
        text = _message(fields["text"], "CANCEL")
        for address in self._guests(owner, fields):
            if address not in addresses:
                continue
            guest = self._people.at(address)
            if guest is not None and guest.id != owner.id:
                self.withdraw(guest, text, fields["uid"])
            self._post(letter_of("CANCEL", text, fields, owner, address))

    def _guests(self, owner: Person, fields: Fields) -> list[str]:
        """Whom the server tells, in order: not the organizer, and not those whom the client tells by itself."""
        found: dict[str, bool] = {}
        parts = parse(fields["text"]).parts
        for entry in (entry for part in parts for entry in addresses(part, "ATTENDEE")):
            found[entry["address"].lower()] = entry["agent"] == "SERVER"
        return [address for address, told in found.items() if told and address != owner.address.lower()]

    # -- the attendee ---------------------------------------------------------------------------------------------

    def _reply(self, owner: Person, before: Fields | None, after: Fields) -> None:
        address = owner.address.lower()
        then = _answers(before["text"], address) if before is not None else {}
        now = _answers(after["text"], address)
        for key in sorted(now, key=lambda key: (key is not None, key or 0)):
            status, recurrence = now[key]
            known = then.get(key) or then.get(None)
            if key is not None and None in now and now[None][0] == status:
                continue  # the answer to the whole says it
            if status != "NEEDS-ACTION" and (known is None or known[0] != status):
                self._send_reply(owner, after["text"], after, status, recurrence)

    def _send_reply(self, owner: Person, text: str, fields: Fields, status: str, recurrence: Moment | None) -> None:
        organizer = fields["organizer"]["address"]
        message = _message(text, "REPLY", only=owner.address.lower(), recurrence=recurrence)
        host = self._people.at(organizer)
        if host is not None:
            held = self.held(host, fields["uid"])
            if held is not None:
                self.count_in(held, owner.address.lower(), [(status, recurrence)])
            self.into_inbox(host, message)
        self._post(letter_of("REPLY", message, fields, owner, organizer, status=status))

    # -- the other side -------------------------------------------------------------------------------------------

    def deliver(self, guest: Person, message: str) -> None:
        """Put an invitation, or a new version of one, into a guest's calendar and inbox."""
        held = self.held(guest, fields_in(message)["uid"])
        text = _as_object(message) if held is None else _merged(message, held, guest)
        fields = fields_in(text)
        key = self._shelf.default(guest.id) if held is None else held.calendar
        self._shelf.put(key, f"{_file_name(fields['uid'])}.ics" if held is None else held.name, text, fields)
        self.into_inbox(guest, message)

    def withdraw(self, guest: Person, message: str, uid: str) -> None:
        """Mark a guest's copy as cancelled; it stays until they delete it."""
        held = self.held(guest, uid)
        if held is not None and _of_a_series(message, held):
            for part in parse(message).parts:
                at, now = part["RECURRENCE-ID"].dt, self._site.clock.now
                text = altered_once(held.fields, at, {"status": "CANCELLED"}, now)
                held = self._shelf.put(held.calendar, held.name, text, fields_of(parse(text)))
        elif held is not None:
            calendar, gone = copied(held.fields["text"]), parse(message)
            for part in calendar.subcomponents:
                if part.name in ("VEVENT", "VTODO"):
                    put(part, "STATUS", "CANCELLED")
                    put(part, "SEQUENCE", max(held.fields["sequence"], fields_of(gone)["sequence"]))
            text = text_of(calendar)
            self._shelf.put(held.calendar, held.name, text, fields_of(parse(text)))
        self.into_inbox(guest, message)

    def count_in(self, held: Shelved, address: str, answers: Iterable[Answer]) -> None:
        """Write somebody's answers into a copy; its schedule tag stays, as the plan is the same, and nobody is told."""
        text = held.fields["text"]
        for status, recurrence in answers:
            text = with_answer(text, address, status, recurrence, self._site.clock.now) or text
        if text != held.fields["text"]:
            self._shelf.put(held.calendar, held.name, text, fields_of(parse(text)), tag=held.fields["tag"])

    def into_inbox(self, person: Person, message: str) -> None:
        """Keep a message for somebody, and tell the agents who are that person."""
        name = f"{self._site.rng.token(f'{self._site.name}/inbox', 16)}.ics"
        parsed, fields = parse(message), fields_in(message)
        self._shelf.put(self._shelf.inbox(person.id), name, message, fields)
        for agent, who in self._people.agents.items():
            if who.id == person.id:
                self._site.notify(agent, f"{(parsed.method or '').lower()}: {fields['summary'][:200]}")

    def held(self, person: Person, uid: str) -> Shelved | None:
        """The copy of an event that somebody has in a calendar of their own."""
        for key, _ in self._shelf.calendars(person.id):
            found = self._shelf.with_uid(key, uid)
            if found is not None:
                return found
        return None

    def owns(self, owner: Person, fields: Fields) -> bool:
        """Whether somebody is the organizer of an event."""
        organizer = fields["organizer"]
        return organizer is not None and organizer["address"].lower() in (owner.address.lower(), owner.id.lower())

    def _post(self, letter: dict[str, Any]) -> None:
        try:
            self._site.post("mail", letter)
        except CapabilityFault:
            pass  # an address that mail cannot be sent to: the calendar itself is none the worse


def invited(fields: Fields) -> frozenset[str]:
    """The addresses of all who are invited to an event, or to an occurrence of it."""
    return guests_of(fields["text"]) if fields["attendees"] or fields["recurs"] else frozenset()


@functools.lru_cache(maxsize=256)
def guests_of(text: str) -> frozenset[str]:
    """The addresses of all who are invited to an object, or to an occurrence of it."""
    return frozenset(address_of(attendee) for part in parse(text).parts for attendee in attendees(part))


def _message(text: str, method: Method, only: str | None = None, recurrence: Moment | None = None) -> str:
    """An object as the message that is sent of it: no alarms, no notes between client and server.

    Args:
        text: The object.
        method: What is asked.
        only: In a reply, whose answer it is.
        recurrence: In a reply, to which occurrence.
    """
    source, calendar = copied(text), new_object(method)
    for part in source.subcomponents:
        if part.name not in ("VEVENT", "VTODO") or (
            method == "REPLY" and not same_moment(recurrence_of(part), recurrence)
        ):
            continue
        part.subcomponents = [inner for inner in part.subcomponents if inner.name != "VALARM"]
        for attendee in [*attendees(part), *([part["ORGANIZER"]] if "ORGANIZER" in part else [])]:
            for name in ("SCHEDULE-AGENT", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND"):
                attendee.params.pop(name, None)
        if only is not None:
            mine = [attendee for attendee in attendees(part) if address_of(attendee) == only]
            part.pop("ATTENDEE", None)
            for attendee in mine:
                part.add("ATTENDEE", attendee, encode=0)
        if method == "CANCEL":
            put(part, "STATUS", "CANCELLED")
        calendar.add_component(part)
    return text_of(calendar)


@functools.lru_cache(maxsize=16)
def _as_object(message: str) -> str:
    """A message as a calendar keeps it; the same for each of its guests."""
    calendar = copied(message)
    calendar.pop("METHOD", None)
    return text_of(calendar)


@functools.lru_cache(maxsize=16)
def fields_in(text: str) -> Fields:
    """What `fields_of` says of a text; a message to many is looked into once."""
    return fields_of(parse(text))


def _merged(message: str, held: Shelved, guest: Person) -> str:
    """What a guest holds once a message has changed it, or single occurrences of it."""
    calendar = copied(_as_object(message))
    if _of_a_series(message, held):
        changed, calendar = calendar.subcomponents, copied(held.fields["text"])
        new = {_key(part) for part in changed if part.name in ("VEVENT", "VTODO")}
        kept = [part for part in calendar.subcomponents if part.name == "VTIMEZONE" or _key(part) not in new]
        calendar.subcomponents = [*kept, *(part for part in changed if part.name in ("VEVENT", "VTODO"))]
    _keep_own(calendar, held.fields["text"], guest.address.lower())
    return text_of(calendar)


def _of_a_series(message: str, held: Shelved) -> bool:
    """Whether a message is about single occurrences of a series that somebody holds."""
    single = all("RECURRENCE-ID" in part for part in parse(message).parts)
    return single and "RECURRENCE-ID" not in parse(held.fields["text"]).main


def recurrence_of(part: Component) -> Moment | None:
    """Which occurrence a part is; None for the whole."""
    return part["RECURRENCE-ID"].dt if "RECURRENCE-ID" in part else None


def _answers(text: str, address: str) -> dict[int | None, tuple[str, Moment | None]]:
    """Somebody's answers in an object, by the occurrence they are about (None: the whole)."""
    found: dict[int | None, tuple[str, Moment | None]] = {}
    for part in parse(text).parts:
        for attendee in attendees(part):
            if address_of(attendee) == address:
                recurrence = recurrence_of(part)
                status = str(attendee.params.get("PARTSTAT", "NEEDS-ACTION")).upper()
                found[None if recurrence is None else micros(recurrence)] = (status, recurrence)
    return found


def _plan(text: str) -> list[tuple[str, ...]]:
    """What others need to be told of an object: everything but its stamps, alarms and answers."""
    found = []
    for part in parse(text).parts:
        told = []
        for name, value in part.property_items(recursive=False):
            if name in ("BEGIN", "END", "DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"):
                continue
            if name in ("ATTENDEE", "ORGANIZER"):
                told.append(f"{name}:{address_of(value)}")
            else:
                told.append(f"{name}:{value.to_ical().decode() if hasattr(value, 'to_ical') else value}")
        found.append(tuple(sorted(told)))
    return sorted(found)


def _keep_own(calendar: Component, held: str, address: str) -> None:
    """Keep a guest's alarms, and their answers where the time is still the one they answered to."""
    parsed = parse(held)
    old = {_key(part): part for part in parsed.parts}
    for part in calendar.subcomponents:
        mine = old.get(_key(part)) if part.name in ("VEVENT", "VTODO") else None
        if mine is None:
            continue
        part.subcomponents = [*part.subcomponents, *mine.walk("VALARM")]
        if _time(mine) != _time(part):
            continue
        answer = next((entry.params.get("PARTSTAT") for entry in attendees(mine) if address_of(entry) == address), None)
        for attendee in attendees(part):
            if address_of(attendee) == address and answer is not None:
                attendee.params["PARTSTAT"] = answer


def _key(part: Component) -> int | None:
    recurrence = recurrence_of(part)
    return None if recurrence is None else micros(recurrence)


def _time(part: Component) -> tuple[Any, ...]:
    start, end = start_of(part), end_of(part)
    rule = part.get("RRULE")
    return (start and micros(start), end and micros(end), rule and rule.to_ical())


def _file_name(uid: str) -> str:
    name = "".join(character if character.isalnum() or character in "@._-" else "-" for character in uid)[:150]
    return name.lstrip(".") or "event"
