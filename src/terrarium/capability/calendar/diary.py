"""What can be done with events, whoever does it: the one way for task programs, agents and CalDAV clients alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from terrarium.capability.calendar import edit
from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.content import clean, event_text
from terrarium.capability.calendar.event import alarm_of, attendee_of, like, person_at, span_of, status_of
from terrarium.capability.calendar.invitation import Invitations
from terrarium.capability.calendar.moment import Moment, in_zone, is_day, is_floating, micros, moment_of
from terrarium.capability.calendar.occurrence import Occurrence, Range, occurrences, same_moment
from terrarium.capability.calendar.parsing import end_of, fields_of, parse, start_of
from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.rule import INSTANCES, TooMany, check_rule, joined
from terrarium.capability.calendar.shelf import INBOX, Shelf, Shelved
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import Person
from terrarium.core.rows import Fields
from terrarium.core.values import Value

Found = tuple[Shelved, Occurrence]


class Diary:
    """The events of one world.

    Args:
        site: Where it stands.
        shelf: Where they are kept.
        people: Whose they are.
    """

    def __init__(self, site: Site, shelf: Shelf, people: People) -> None:
        self.site = site
        self.shelf = shelf
        self.people = people
        self.invitations = Invitations(site, shelf, people)

    def owner(self, key: str) -> Person:
        """Whose calendar it is."""
        return self.people.person(key.partition("/")[0])

    def place(self, key: str, start: int, end: int) -> Range:
        """A range as floating times in a calendar mean it."""
        return Range(start, end, self.shelf.place(key))

    # -- writing --------------------------------------------------------------------------------------------------

    def fresh_uid(self) -> str:
        """A new UID."""
        return str(self.site.rng.uuid(f"{self.site.name}/uid"))

    def add(self, key: str, fields: Mapping[str, Value]) -> Shelved:
        """Put an event from its plain fields into a calendar.

        Raises:
            NotFound: There is no such calendar.
            Refused: It takes no events, or has one of that UID.
        """
        self._check_takes(key, "VEVENT")
        if self.shelf.with_uid(key, fields["uid"]) is not None:
            raise Refused(f"the calendar has an event {fields['uid'][:80]!r} already")
        told = dict(fields)
        if told["attendees"] and told["organizer"] is None:
            owner = self.owner(key)
            told["organizer"] = {"address": owner.address.lower(), "name": owner.name}
        zones = edit.zones_in(told["start"], told["end"], *told["exdates"])
        text = event_text(told, self.site.clock.now, zones)
        if told["recurs"]:
            told |= fields_of(parse(text))
        return self._store(key, f"{_name(told['uid'])}.ics", text, told, None)

    def write(self, key: str, name: str, text: str) -> Shelved:
        """Store an object as a client gave it.

        Raises:
            Refused: It is not one, the calendar does not take its kind, or has its UID under another name.
        """
        parsed = parse(text)
        if parsed.method is not None:
            raise Refused("an object of a calendar has no METHOD")
        fields = fields_of(parsed)
        self._check_takes(key, fields["component"])
        before = self.shelf.get(key, name)
        return self._store(key, name, text, fields, before.fields if before is not None else None)

    def update(
        self,
        item: Shelved,
        changes: Mapping[str, Value],
        occurrence: Value = None,
        scope: str = "all",
    ) -> Shelved:
        """Change an event, or one occurrence of it, or one and all that follow.

        Args:
            item: The event.
            changes: As the arguments of `Calendar.update_event`; None: as it is.
            occurrence: Which one, by the moment its series gives it.
            scope: `one`, `future` or `all`.

        Returns:
            What was changed; where a series was cut, the new one.

        Raises:
            NotFound: There is no such occurrence.
            Refused: A value cannot be.
        """
        at, now, fields = self._which(occurrence, scope), self.site.clock.now, item.fields
        owner = self.owner(item.calendar)
        if at is None:
            told = self._changes(changes, fields, None, owner)
            return self._rewrite(item, edit.altered(fields, told, now))
        if scope == "one":
            told = self._changes(changes, fields, at, owner)
            if "rrule" in told or "exdates" in told:
                raise Refused("one occurrence has no rule of its own")
            return self._rewrite(item, edit.altered_once(fields, at, told, now))
        first, second = edit.split(fields, at, self.fresh_uid(), now)
        assert second is not None
        cut = fields_of(parse(second)) | {"text": second}
        told = self._changes(changes, cut, None, owner)
        parse(text := edit.altered(cut, told, now))  # refused before anything is written
        if first is None:
            self.delete(item)
        else:
            self._rewrite(item, first)
        return self._store(item.calendar, f"{_name(cut['uid'])}.ics", text, fields_of(parse(text)), None)

    def delete(self, item: Shelved, occurrence: Value = None, scope: str = "all") -> None:
        """Remove an event, or one occurrence of it, or one and all that follow.

        Raises:
            NotFound: There is no such occurrence.
        """
        at, now = self._which(occurrence, scope), self.site.clock.now
        if at is None:
            self.shelf.remove(item)
            if not item.calendar.endswith(f"/{INBOX}"):
                self.invitations.removed(self.owner(item.calendar), item.fields)
            return
        if scope == "one":
            self._rewrite(item, edit.without(item.fields, at, now))
            return
        first, _ = edit.split(item.fields, at, None, now)
        if first is None:
            self.delete(item)
        else:
            self._rewrite(item, first)

    def answer(self, item: Shelved, person: Person, status: str, occurrence: Value = None) -> Shelved:
        """Answer an invitation, for the whole or for one occurrence.

        Raises:
            NotFound: The person is not invited, or there is no such occurrence.
        """
        address = person.address.lower()
        if all(entry["address"] != address for entry in item.fields["attendees"]):
            raise NotFound(f"{person.id} is not invited to {item.fields['summary'][:80]!r}")
        at = None if occurrence is None else edit.occurrence_at(item.fields, moment_of("occurrence", occurrence))
        text = edit.with_answer(item.fields["text"], address, status, at, self.site.clock.now)
        return item if text is None else self._rewrite(item, text)

    def copy(self, item: Shelved, key: str, name: str) -> Shelved:
        """Store an object once more, elsewhere; nobody is told, as it is the same event.

        Raises:
            Refused: The calendar does not take it, or has its UID.
        """
        self._check_takes(key, item.fields["component"])
        return self.shelf.put(key, name, item.fields["text"], _plain(item.fields))

    # -- looking --------------------------------------------------------------------------------------------------

    def happening(self, keys: Iterable[str], start: int, end: int, allowance: Allowance) -> list[Found]:
        """What happens in calendars in a range, in order of beginning.

        Raises:
            TooMany: There are more than 10,000 occurrences, or that is more than the allowance, and it is not to be
                cut off.
        """
        found: list[tuple[int, str, str, Found]] = []
        for key in keys:
            within = self.place(key, start, end)
            for item in self.shelf.objects(key):
                if item.fields["start"] is None:
                    continue
                for occurrence in occurrences(item.fields, within, allowance):
                    moment = micros(occurrence.start, within.place)
                    found.append((moment, key, item.name, (item, occurrence)))
                    if not allowance.cuts and len(found) > INSTANCES:
                        raise TooMany(f"there are more than {INSTANCES} occurrences; choose a shorter range")
        return [entry[-1] for entry in sorted(found, key=lambda entry: entry[:3])]

    def matching(self, keys: Iterable[str], words: str, limit: int) -> list[Shelved]:
        """Objects in whose texts and people all words occur, whatever their case."""
        wanted = words.casefold().split()
        return list(islice((item for key in keys for item in self._all(key) if _holds(item.fields, wanted)), limit))

    def _all(self, key: str) -> Iterator[Shelved]:
        return iter(sorted(self.shelf.objects(key), key=lambda item: (item.fields["first"] or 0, item.name)))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _store(self, key: str, name: str, text: str, fields: Mapping[str, Value], before: Fields | None) -> Shelved:
        self.invitations.check(fields)
        stored = self.shelf.put(key, name, text, fields)
        if not key.endswith(f"/{INBOX}"):
            self.invitations.saved(self.owner(key), before, stored)
        found = self.shelf.get(key, name)
        assert found is not None
        return found

    def _rewrite(self, item: Shelved, text: str) -> Shelved:
        return self._store(item.calendar, item.name, text, fields_of(parse(text)), item.fields)

    def _check_takes(self, key: str, component: str) -> None:
        if component not in self.shelf.calendar(key)["components"]:
            raise Refused(f"the calendar {key!r} takes no {component}")

    def _which(self, occurrence: Value, scope: str) -> Moment | None:
        if scope not in edit.SCOPES:
            raise Refused(f"the scope is one of {', '.join(edit.SCOPES)}, not {str(scope)[:40]!r}")
        if (occurrence is None) != (scope == "all"):
            raise Refused("name the occurrence for the scopes 'one' and 'future', and for no other")
        return None if occurrence is None else moment_of("occurrence", occurrence)

    def _changes(
        self, given: Mapping[str, Value], fields: Fields, at: Moment | None, owner: Person
    ) -> dict[str, Value]:
        """The changes that a caller asks for, checked, as `edit` takes them."""
        told: dict[str, Value] = {}
        for name, limit in (("summary", 5000), ("description", 100_000), ("location", 5000)):
            if given.get(name) is not None:
                told[name] = clean(f"the {name}", given[name], limit) or (None if name != "summary" else "")
        if given.get("status") is not None:
            told["status"] = status_of(given["status"])
        if given.get("transparent") is not None:
            told["transparent"] = bool(given["transparent"])
        if any(given.get(name) is not None for name in ("dtstart", "dtend", "timezone")):
            told["start"], told["end"] = self._moved(given, fields, at)
        start = told.get("start") or start_of(parse(fields["text"]).main)
        assert start is not None
        if given.get("rrule") is not None:
            told["rrule"] = joined(check_rule(given["rrule"], start)) if given["rrule"] else ""
        if given.get("exdates") is not None:
            zone = given.get("timezone")
            told["exdates"] = [like(in_zone(moment_of("exdates", moment), zone), start) for moment in given["exdates"]]
        if given.get("attendees") is not None:
            told["attendees"] = self._guests(given["attendees"], fields)
            if told["attendees"] and fields["organizer"] is None:
                told["organizer"] = {"address": owner.address.lower(), "name": owner.name}
        if given.get("organizer") is not None:
            told["organizer"] = person_at(self.people, given["organizer"])
        if given.get("alarms") is not None:
            told["alarms"] = [alarm_of(alarm, self.site.clock.zone) for alarm in given["alarms"]]
        return told

    def _guests(self, given: Iterable[Value], fields: Fields) -> list[dict[str, Value]]:
        """Attendees; those who were invited before keep their answer unless a new one is given."""
        known = {entry["address"]: entry for entry in fields["attendees"]}
        found = []
        for guest in given:
            attendee = attendee_of(self.people, guest)
            before = known.get(attendee["address"])
            if before is not None and not (isinstance(guest, Mapping) and guest.get("status")):
                attendee |= {"status": before["status"], "rsvp": before["rsvp"]}
            found.append(attendee)
        return found

    def _moved(self, given: Mapping[str, Value], fields: Fields, at: Moment | None) -> tuple[Moment, Moment]:
        main = parse(fields["text"]).main
        start, end = start_of(main), end_of(main)
        assert start is not None
        assert end is not None
        if at is not None:
            at = edit.occurrence_at(fields, at)
            near = Range(micros(at) - 400 * 86_400_000_000, micros(at) + 400 * 86_400_000_000)
            found = next(entry for entry in occurrences(fields, near, Allowance()) if same_moment(entry.id, at))
            start, end = found.start, found.end
        length, zone = end - start, given.get("timezone")
        begin, stop = given.get("dtstart"), given.get("dtend")
        if begin is None:
            begin = start.replace(tzinfo=None) if zone is not None and not is_day(start) else start  # type: ignore[call-arg]
        begin = self._as_before(moment_of("dtstart", begin), start, zone)
        if stop is not None:
            stop = self._as_before(moment_of("dtend", stop), begin, zone)
        elif is_day(begin) == is_day(start):
            stop = begin + length
        return span_of(begin, stop, None)

    def _as_before(self, moment: Moment, start: Moment, zone: str | None) -> Moment:
        """A moment in the zone asked for; a clock time without one means that of the event, else the world's."""
        if zone is None and not is_day(moment) and is_floating(moment) and not is_floating(start):
            return moment.replace(tzinfo=start.tzinfo, fold=0)  # type: ignore[call-arg, union-attr]
        return in_zone(moment, zone, self.site.clock.chosen_zone if is_day(start) else None)


def _plain(fields: Fields) -> dict[str, Value]:
    kept = ("text", "etag", "tag", "number", "written", "by")
    return {name: value for name, value in fields.items() if name not in kept}


def _holds(fields: Fields, words: list[str]) -> bool:
    people = [entry[key] for entry in fields["attendees"] for key in ("name", "address")]
    texts = [fields["summary"], fields["description"] or "", fields["location"] or "", *people]
    text = "\n".join(texts).casefold()
    return all(word in text for word in words)


def _name(uid: str) -> str:
    """The name an event of that UID is stored under."""
    name = "".join(character if character.isalnum() or character in "@._-" else "-" for character in uid)[:150]
    return name.lstrip(".") or "event"
