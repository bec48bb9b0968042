"""Invitations: what saving, changing and deleting an event with attendees means for the others (RFC 5546, RFC 6638).

People of this world get a copy in their own calendar and the message in their inbox; everybody gets a letter, where the
world has mail (RFC 6047).
"""

from __future__ import annotations

from typing import Any, Literal

from terrarium.capability.calendar.edit import address_of, attendees, copied, new_object, put, text_of, with_answer
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
GUESTS = 1000
"""How many people one event may invite."""


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
            if before is not None and before["organizer"] and self._owns(owner, before):
                self._cancel(owner, before, _invited(before))
            return
        if self._owns(owner, fields):
            gone = _invited(before) - _invited(fields) if before is not None and self._owns(owner, before) else set()
            if before is not None and gone:
                self._cancel(owner, before, gone)
            if before is None or _plan(before["text"]) != _plan(fields["text"]):
                self._request(owner, self._asked_again(owner, before, after), update=before is not None)
        elif owner.address.lower() in _invited(fields):
            self._reply(owner, before, fields)

    def removed(self, owner: Person, before: Fields) -> None:
        """Tell the others that `owner` deleted an object: the organizer cancels, an attendee declines."""
        if before["component"] == "VJOURNAL" or not before["organizer"]:
            return
        if self._owns(owner, before):
            self._cancel(owner, before, _invited(before))
        elif before["status"] != "CANCELLED":
            for entry in before["attendees"]:
                if entry["address"] == owner.address.lower() and entry["status"] != "DECLINED":
                    declined = with_answer(before["text"], entry["address"], "DECLINED", None, self._site.clock.now)
                    if declined is not None:
                        self._send_reply(owner, declined, before, "DECLINED", None)

    def receive(self, to: Person, text: str, sender: str) -> str:
        """Take in a message that came from outside: give its method.

        Raises:
            Refused: It is not an invitation, cancellation or reply, or does not come from whom it says.
        """
        parsed = parse(text)
        fields, method = fields_of(parsed), parsed.method
        allowed = {entry["address"] for entry in fields["attendees"]}
        if method in ("REQUEST", "CANCEL"):
            allowed = {fields["organizer"]["address"]} if fields["organizer"] else set()
        elif method != "REPLY":
            raise Refused(f"a message of the method {method} is not handled here; REQUEST, CANCEL and REPLY are")
        if sender.lower() not in allowed:
            raise Refused(f"{sender[:80]} may not send this {method}")
        if method == "REQUEST":
            self._deliver(to, text)
        elif method == "CANCEL":
            self._withdraw(to, text, fields["uid"])
        else:
            [status] = [entry["status"] for entry in fields["attendees"] if entry["address"] == sender.lower()][:1]
            self._count_in(to, text, sender.lower(), fields["uid"], status, _recurrence(parsed.main))
        return method

    # -- the organizer --------------------------------------------------------------------------------------------

    def _request(self, owner: Person, fields: Fields, *, update: bool) -> None:
        text = _message(fields["text"], "REQUEST")
        for address in self._guests(owner, fields):
            guest = self._people.at(address)
            if guest is not None and guest.id != owner.id:
                self._deliver(guest, text)
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

    def _cancel(self, owner: Person, fields: Fields, addresses: set[str]) -> None:
        text = _message(fields["text"], "CANCEL")
        for address in self._guests(owner, fields):
            if address not in addresses:
                continue
            guest = self._people.at(address)
            if guest is not None and guest.id != owner.id:
                self._withdraw(guest, text, fields["uid"])
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
            self._count_in(host, message, owner.address.lower(), fields["uid"], status, recurrence)
        self._post(letter_of("REPLY", message, fields, owner, organizer, status=status))

    # -- the other side -------------------------------------------------------------------------------------------

    def _deliver(self, guest: Person, message: str) -> None:
        """Put an invitation, or a new version of one, into a guest's calendar and inbox."""
        calendar = copied(message)
        calendar.pop("METHOD", None)
        held = self._held(guest, fields_of(parse(message))["uid"])
        if held is not None:
            _keep_own(calendar, held.fields["text"], guest.address.lower())
        text = text_of(calendar)
        fields = fields_of(parse(text))
        key = self._shelf.default(guest.id) if held is None else held.calendar
        self._shelf.put(key, f"{_file_name(fields['uid'])}.ics" if held is None else held.name, text, fields)
        self._into_inbox(guest, message)

    def _withdraw(self, guest: Person, message: str, uid: str) -> None:
        """Mark a guest's copy as cancelled; it stays until they delete it."""
        held = self._held(guest, uid)
        if held is not None:
            calendar, gone = copied(held.fields["text"]), parse(message)
            for part in calendar.subcomponents:
                if part.name in ("VEVENT", "VTODO"):
                    put(part, "STATUS", "CANCELLED")
                    put(part, "SEQUENCE", max(held.fields["sequence"], fields_of(gone)["sequence"]))
            text = text_of(calendar)
            self._shelf.put(held.calendar, held.name, text, fields_of(parse(text)))
        self._into_inbox(guest, message)

    def _count_in(
        self, host: Person, message: str, address: str, uid: str, status: str, recurrence: Moment | None
    ) -> None:
        """Write an answer into the organizer's copy; its schedule tag stays, as the plan is the same."""
        held = self._held(host, uid)
        if held is not None:
            text = with_answer(held.fields["text"], address, status, recurrence, self._site.clock.now)
            if text is not None:
                self._shelf.put(held.calendar, held.name, text, fields_of(parse(text)), tag=held.fields["tag"])
        self._into_inbox(host, message)

    def _into_inbox(self, person: Person, message: str) -> None:
        name = f"{self._site.rng.token(f'{self._site.name}/inbox', 16)}.ics"
        parsed = parse(message)
        fields = fields_of(parsed)
        self._shelf.put(self._shelf.inbox(person.id), name, message, fields)
        for agent, who in self._people.agents.items():
            if who.id == person.id:
                self._site.notify(agent, f"{(parsed.method or '').lower()}: {fields['summary'][:200]}")

    def _held(self, person: Person, uid: str) -> Shelved | None:
        for key, _ in self._shelf.calendars(person.id):
            found = self._shelf.with_uid(key, uid)
            if found is not None:
                return found
        return None

    def _owns(self, owner: Person, fields: Fields) -> bool:
        organizer = fields["organizer"]
        return organizer is not None and organizer["address"].lower() in (owner.address.lower(), owner.id.lower())

    def _post(self, letter: dict[str, Any]) -> None:
        try:
            self._site.post("mail", letter)
        except CapabilityFault:
            pass  # an address that mail cannot be sent to: the calendar itself is none the worse


def _invited(fields: Fields) -> set[str]:
    parts = parse(fields["text"]).parts if fields["attendees"] or fields["recurs"] else ()
    return {address_of(attendee) for part in parts for attendee in attendees(part)}


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
            method == "REPLY" and not same_moment(_recurrence(part), recurrence)
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


def _recurrence(part: Component) -> Moment | None:
    return part["RECURRENCE-ID"].dt if "RECURRENCE-ID" in part else None


def _answers(text: str, address: str) -> dict[int | None, tuple[str, Moment | None]]:
    """Somebody's answers in an object, by the occurrence they are about (None: the whole)."""
    found: dict[int | None, tuple[str, Moment | None]] = {}
    for part in parse(text).parts:
        for attendee in attendees(part):
            if address_of(attendee) == address:
                recurrence = _recurrence(part)
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
    recurrence = _recurrence(part)
    return None if recurrence is None else micros(recurrence)


def _time(part: Component) -> tuple[Any, ...]:
    start, end = start_of(part), end_of(part)
    rule = part.get("RRULE")
    return (start and micros(start), end and micros(end), rule and rule.to_ical())


def _file_name(uid: str) -> str:
    name = "".join(character if character.isalnum() or character in "@._-" else "-" for character in uid)[:150]
    return name.lstrip(".") or "event"
