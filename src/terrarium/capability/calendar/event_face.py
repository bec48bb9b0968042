"""The part of the task program's face that is about events and their alarms."""

from __future__ import annotations

from terrarium.capability.calendar.alarm import rings
from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.content import clean
from terrarium.capability.calendar.diary import Diary
from terrarium.capability.calendar.event import event_fields, moment_range, view
from terrarium.capability.calendar.moment import micros, moment_of
from terrarium.capability.calendar.occurrence import LATEST, Occurrence
from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.shelf import Shelf, Shelved
from terrarium.core.capability import Site, reads, writes
from terrarium.core.errors import NotFound, Refused
from terrarium.core.values import Value, from_micros

When = Value
"""A datetime, a date, or ISO text of one.

Without an offset it is in the `timezone` given, else in the world's zone, where the task has chosen one and the
calendar has none of its own; else it is floating.
"""


class EventFace:
    """What `Calendar` offers for events."""

    _site: Site
    _people: People
    _shelf: Shelf
    _diary: Diary

    # -- events ---------------------------------------------------------------------------------------------------

    @writes(notifies="calendar_id")
    def add_event(
        self,
        calendar_id: str,
        summary: str,
        dtstart: When,
        dtend: When = None,
        description: str | None = None,
        location: str | None = None,
        timezone: str | None = None,
        rrule: str | None = None,
        exdates: list[When] | None = None,
        attendees: list[Value] | None = None,
        organizer: str | None = None,
        alarms: list[Value] | None = None,
        status: str | None = None,
        transparent: bool = False,
        uid: str | None = None,
    ) -> str:
        """Put an event into a calendar and return its UID. Attendees are invited.

        Args:
            calendar_id: Where.
            summary: The title.
            dtstart: When it begins; a date for whole days.
            dtend: When it ends, not included; default: an hour, or the day.
            description: A longer text.
            location: Where it is.
            timezone: The zone whose clock `dtstart` and `dtend` show, such as `Europe/Berlin`. A series keeps its
                clock time there when clocks change.
            rrule: How it recurs, such as `FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10`.
            exdates: Occurrences that are left out.
            attendees: People (ids), addresses, or tables of `address`, `name`, `role`, `status`, `rsvp`.
            organizer: Who invites; default: the calendar's owner, where there are attendees.
            alarms: Spans before the start (`15m`), moments, or tables of `before`, `after` or `at`, and `related`,
                `action`, `description`.
            status: `TENTATIVE`, `CONFIRMED` or `CANCELLED`.
            transparent: It does not make anybody busy.
            uid: Default: a random one.

        Raises:
            NotFound: There is no such calendar.
            Refused: An argument cannot be, or there is an event of that UID.
        """
        key = self._key(calendar_id)
        if uid is not None and not clean("the UID", uid, 1000).strip():
            raise Refused("a UID cannot be empty")
        fields = event_fields(
            self._people,
            self._diary.fresh_uid() if uid is None else uid,
            summary,
            dtstart,
            dtend,
            description=description,
            location=location,
            timezone=timezone,
            rrule=rrule,
            exdates=exdates,
            attendees=attendees,
            organizer=organizer,
            alarms=alarms,
            status=status,
            transparent=transparent,
            world=None if self._shelf.calendar(key)["timezone"] else self._site.clock.chosen_zone,
        )
        return str(self._diary.add(key, fields).fields["uid"])

    @reads
    def list_events(self, calendar_id: str, start: When = None, end: When = None) -> list[dict[str, Value]]:
        """What happens in a calendar in a range, each an `event`, recurrences counted out, in order.

        Of a series the first 2,000 occurrences in the range; once 50,000 were found, of each further one the first.

        Args:
            calendar_id: Where.
            start: Default: now.
            end: Not included; default: four weeks after the start.

        Raises:
            NotFound: There is no such calendar.
            Refused: A moment cannot be.
        """
        begin, stop = moment_range(start, end, self._site.clock)
        found = self._diary.happening([self._key(calendar_id)], begin, stop, Allowance(cuts=True))
        return [self._view(*entry) for entry in found]

    @reads
    def get_event(self, calendar_id: str, uid: str) -> dict[str, Value]:
        """An event; of a series, its first occurrence and its rule.

        Raises:
            NotFound: There is no such calendar or event.
        """
        return self._view(self._item(calendar_id, uid))

    @reads
    def search_events(self, query: str, calendar_id: str | None = None) -> list[dict[str, Value]]:
        """Events in whose title, texts, place or people all words occur, in one calendar or in all.

        Raises:
            NotFound: There is no such calendar.
        """
        keys = [key for key, _ in self._shelf.calendars()] if calendar_id is None else [self._key(calendar_id)]
        return [self._view(item) for item in self._diary.matching(keys, clean("the query", query), 10_000)]

    @writes(notifies="calendar_id")
    def update_event(
        self,
        calendar_id: str,
        uid: str,
        summary: str | None = None,
        dtstart: When = None,
        dtend: When = None,
        description: str | None = None,
        location: str | None = None,
        timezone: str | None = None,
        rrule: str | None = None,
        exdates: list[When] | None = None,
        attendees: list[Value] | None = None,
        organizer: str | None = None,
        alarms: list[Value] | None = None,
        status: str | None = None,
        transparent: bool | None = None,
        occurrence: When = None,
        scope: str = "all",
    ) -> str:
        """Change an event; what is not given stays, an empty text or list removes. Attendees are told.

        Args:
            calendar_id: Where.
            uid: Which.
            summary: As for `add_event`, and so on.
            dtstart: Without a zone: by the clock of the zone that the event is in. Its length stays.
            dtend: The same.
            description: As there.
            location: As there.
            timezone: As there.
            rrule: As there.
            exdates: As there.
            attendees: All of them; those who were invited before keep their answer.
            organizer: As there.
            alarms: All of them.
            status: As there.
            transparent: As there.
            occurrence: Which occurrence of a series, by the moment the series gives it.
            scope: `one` occurrence, it and the `future`, or `all`.

        Returns:
            The UID; with `future`, that of the new series.

        Raises:
            NotFound: There is no such calendar, event or occurrence.
            Refused: An argument cannot be.
        """
        item = self._item(calendar_id, uid)
        changes = {
            "summary": summary,
            "dtstart": dtstart,
            "dtend": dtend,
            "description": description,
            "location": location,
            "timezone": timezone,
            "rrule": rrule,
            "exdates": exdates,
            "attendees": attendees,
            "organizer": organizer,
            "alarms": alarms,
            "status": status,
            "transparent": transparent,
        }
        return str(self._diary.update(item, changes, occurrence, scope).fields["uid"])

    @writes(notifies="calendar_id")
    def delete_event(self, calendar_id: str, uid: str, occurrence: When = None, scope: str = "all") -> None:
        """Remove an event, `one` of its occurrences, or one and all in its `future`. Attendees are told.

        Raises:
            NotFound: There is no such calendar, event or occurrence.
        """
        self._diary.delete(self._item(calendar_id, uid), occurrence, scope)

    @writes(notifies="calendar_id")
    def import_ics(self, calendar_id: str, text: str) -> str:
        """Store an iCalendar object as it is, in place of one of its UID; gives the UID. Attendees are invited.

        Raises:
            NotFound: There is no such calendar.
            Refused: It is not iCalendar, or not one event.
        """
        from terrarium.capability.calendar.parsing import fields_of, parse

        key, uid = self._key(calendar_id), fields_of(parse(text))["uid"]
        held = self._shelf.with_uid(key, uid)
        name = held.name if held is not None else f"{self._site.rng.token(f'{self._site.name}/name', 16)}.ics"
        return str(self._diary.write(key, name, text).fields["uid"])

    @reads
    def export_ics(self, calendar_id: str, uid: str) -> str:
        """An event as iCalendar.

        Raises:
            NotFound: There is no such calendar or event.
        """
        return str(self._item(calendar_id, uid).fields["text"])

    # -- reminders ------------------------------------------------------------------------------------------------

    @reads
    def alarms(self, start: When = None, end: When = None, person: str | None = None) -> list[dict[str, Value]]:
        """The alarms that ring in a range, in order.

        Of a series, those of the occurrences that `list_events` would give.

        Args:
            start: Default: now.
            end: Not included; default: four weeks after the start.
            person: Only those of this person's calendars.

        Returns:
            Of each `time`, `calendar_id`, `uid`, `summary`, `action`, `description`, and `dtstart` and `recurrence_id`
            of the occurrence.

        Raises:
            Refused: A moment cannot be.
        """
        begin, stop = moment_range(start, end, self._site.clock)
        found = rings(self._shelf, [key for key, _ in self._shelf.calendars(person)], begin, stop, Allowance(cuts=True))
        return [ring.view(self._id(ring.item.calendar)) for ring in found]

    @reads
    def next_alarm(self, after: When = None, person: str | None = None) -> Value:
        """The moment of the first alarm after a moment (default: now), or None: `env.at(env.calendar.next_alarm(), …)`.

        Series are followed for ten years.
        """
        clock = self._site.clock
        begin = clock.micros if after is None else micros(moment_of("after", after), clock.zone)
        keys = [key for key, _ in self._shelf.calendars(person)]
        day = 86_400_000_000
        for reach in (day, 31 * day, 400 * day, 3653 * day):
            found = rings(self._shelf, keys, begin + 1, min(begin + reach, LATEST), Allowance(cuts=True))
            if found:
                return from_micros(found[0].time)
        return None

    # -- inside ---------------------------------------------------------------------------------------------------

    def _id(self, key: str) -> str:
        """What the task program calls a calendar: its slug where it is that of `username`, else its key."""
        return key.removeprefix(f"{self._people.username}/")

    def _key(self, id: object) -> str:
        if not isinstance(id, str):
            raise Refused(f"the id of a calendar is text, not {id!r}")
        own = f"{self._people.username}/{id}"
        known = [key for key, _ in self._shelf.calendars()]
        found = [own] if own in known else [id] if id in known else [k for k in known if k.partition("/")[2] == id]
        if len(found) > 1:
            raise Refused(f"there are several calendars {id[:80]!r}; name one: {', '.join(found)}")
        if not found:
            there = ", ".join(map(self._id, known)) or "none"
            raise NotFound(f"there is no calendar {id[:80]!r}; there are: {there[:500]}")
        return found[0]

    def _item(self, calendar_id: str, uid: str) -> Shelved:
        found = self._shelf.with_uid(self._key(calendar_id), str(uid))
        if found is None:
            raise NotFound(f"the calendar {calendar_id!r} has no event {str(uid)[:80]!r}")
        return found

    def _view(self, item: Shelved, occurrence: Occurrence | None = None) -> dict[str, Value]:
        return view(item.fields, occurrence) | {"calendar_id": self._id(item.calendar), "by": item.fields["by"]}
