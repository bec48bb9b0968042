"""What one agent can do with calendars: tools over its own person's, and those that others share with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial

from terrarium.capability.calendar.alarm import rings
from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.busy import busy_periods
from terrarium.capability.calendar.desk import Desk
from terrarium.capability.calendar.diary import Diary
from terrarium.capability.calendar.event import answer_of, event_fields, moment_range, view
from terrarium.capability.calendar.occurrence import Occurrence, Range
from terrarium.capability.calendar.person import person_id
from terrarium.capability.calendar.shelf import DEFAULT, Shelved
from terrarium.core.aside import aside
from terrarium.core.capability import instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.tool import Tool
from terrarium.core.values import Value, from_micros

PAGE = 200  # events in one list


class CalendarTools:
    """The tools of one agent.

    Args:
        diary: What can be done with events.
        desk: What the agent's person may see and change.
    """

    def __init__(self, diary: Diary, desk: Desk) -> None:
        self._diary = diary
        self._desk = desk
        self._person = desk.person

    def tools(self, site_name: str, patient: bool = False) -> list[Tool]:
        """The tools, named after the site; `patient`: each may wait for a server, and does it beside the loop."""
        looking: dict[str, Callable[..., Value]] = {
            "calendars": self.calendars,
            "events": self.events,
            "free_busy": self.free_busy,
            "get": self.get,
            "reminders": self.reminders,
            "search": self.search,
        }
        acting: dict[str, Callable[..., Value]] = {
            "create": self.create,
            "create_calendar": self.create_calendar,
            "delete": self.delete,
            "respond": self.respond,
            "update": self.update,
        }
        made = [
            _beside(Tool.of(method, instance_tool(site_name, verb), writes=False)) for verb, method in looking.items()
        ]
        others = [Tool.of(method, instance_tool(site_name, verb)) for verb, method in acting.items()]
        made += map(_beside, others) if patient else others
        return sorted((tool.in_zone(self._diary.site.clock.chosen_zone) for tool in made), key=lambda tool: tool.name)

    # -- looking --------------------------------------------------------------------------------------------------

    def calendars(self) -> dict[str, Value]:
        """List your calendars and those shared with you, and say who you are.

        Returns:
            `you` (`id`, `address`) and `calendars`, each `id`, `name`, `owner`, `access` (`read` or `write`).
        """
        found = [
            {"id": self._desk.id(key), "name": fields["name"], "owner": key.partition("/")[0], "access": access}
            for key, fields, access in self._desk.calendars()
        ]
        return {"you": {"id": self._person.id, "address": self._person.address}, "calendars": found}

    def events(
        self, start: str | None = None, end: str | None = None, calendar: str | None = None, limit: int = 50
    ) -> dict[str, Value]:
        """List what happens in a range of time, repeating events counted out, in order.

        Args:
            start: From when, for example 2030-01-07 or 2030-01-07T09:30 (UTC); default is now.
            end: Until when, not included; default is four weeks after the start.
            calendar: Only this calendar; default is all you can see.
            limit: How many to list, 1 to 200.

        Returns:
            `total` and `events`, each `calendar`, `uid`, `summary`, `dtstart`, `dtend`, `status`, and where there are
            any `location`, `timezone`, `rrule`, `recurrence_id`, `your_answer`.
        """
        begin, stop = moment_range(start, end, self._diary.site.clock)
        found = self._diary.happening(self._keys(calendar), begin, stop, Allowance())
        return {"total": len(found), "events": [self._view(*entry) for entry in found[: _checked(limit)]]}

    def search(self, query: str, calendar: str | None = None, limit: int = 50) -> dict[str, Value]:
        """Search events; all words must occur in title, text, place or people.

        Args:
            query: The words.
            calendar: Only this calendar; default is all you can see.
            limit: How many to list, 1 to 200.

        Returns:
            `events`, as a list gives them.
        """
        found = self._diary.matching(self._keys(calendar), query, _checked(limit))
        return {"events": [self._view(item) for item in found]}

    def get(self, calendar: str, uid: str) -> dict[str, Value]:
        """Get everything about an event.

        Args:
            calendar: The id of its calendar.
            uid: Its uid, as lists give it.

        Returns:
            `calendar` and all of the event, moments as ISO text.
        """
        item = self._desk.item(calendar, uid)
        shown: dict[str, Value] = _shown(view(item.fields))
        return {"calendar": self._desk.id(item.calendar)} | shown

    def free_busy(self, people: list[str], start: str, end: str) -> dict[str, Value]:
        """See when people are busy, and when all of them are free.

        Args:
            people: Their ids, or addresses.
            start: From when, for example 2030-01-07T08:00 (UTC).
            end: Until when.

        Returns:
            `busy`: of each person, periods of `start`, `end`, `kind`; and `free`: gaps of `start`, `end`.
        """
        begin, stop = moment_range(start, end, self._diary.site.clock)
        found: dict[str, Value] = {}
        taken: list[tuple[int, int]] = []
        allowance = Allowance()
        for id in dict.fromkeys(people[:100]):
            person = self._desk.people.at(id) if "@" in id else self._desk.people.person(person_id(id))
            if person is None:
                raise NotFound(f"nobody here has the address {id[:80]!r}")
            periods = busy_periods(self._diary.shelf, person, Range(begin, stop), allowance)
            taken += [(period.start, period.end) for period in periods]
            found[id] = [
                {"start": _iso(from_micros(p.start)), "end": _iso(from_micros(p.end)), "kind": p.kind} for p in periods
            ]
        free, at = [], begin
        for low, high in [*sorted(taken), (stop, stop)]:
            if low > at:
                free.append({"start": _iso(from_micros(at)), "end": _iso(from_micros(low))})
            at = max(at, high)
        return {"busy": found, "free": free}

    def reminders(self, start: str | None = None, end: str | None = None) -> list[dict[str, Value]]:
        """List the reminders of your events in a range of time.

        Args:
            start: From when; default is now.
            end: Until when; default is four weeks later.

        Returns:
            Of each `time`, `calendar_id`, `uid`, `summary`, `action`, `description`, `dtstart`, `recurrence_id`.
        """
        begin, stop = moment_range(start, end, self._diary.site.clock)
        found = rings(self._diary.shelf, self._keys(None), begin, stop, Allowance())
        return [_shown(ring.view(self._desk.id(ring.item.calendar))) for ring in found[:PAGE]]

    # -- writing --------------------------------------------------------------------------------------------------

    def create_calendar(self, name: str, timezone: str | None = None) -> dict[str, Value]:
        """Make a calendar of your own.

        Args:
            name: Its name.
            timezone: Where its whole days are meant, for example Europe/Berlin; default UTC.

        Returns:
            `id`.
        """
        return {"id": self._desk.id(self._diary.shelf.create(self._person.id, None, name, timezone=timezone))}

    def create(
        self,
        summary: str,
        start: str,
        end: str | None = None,
        calendar: str | None = None,
        description: str | None = None,
        location: str | None = None,
        timezone: str | None = None,
        rrule: str | None = None,
        attendees: list[str] | None = None,
        reminders: list[str] | None = None,
    ) -> dict[str, Value]:
        """Create an event; attendees are invited.

        Args:
            summary: The title.
            start: When it begins, for example 2030-01-07T09:30, or 2030-01-07 for a whole day.
            end: When it ends, not included; default is an hour, or the day.
            calendar: The id of the calendar; default is your own, which is made where you have none.
            description: A longer text.
            location: Where it is.
            timezone: The zone whose clock the times show, for example Europe/Berlin; default is UTC.
            rrule: How it repeats, as an RFC 5545 rule, for example FREQ=WEEKLY;BYDAY=MO;COUNT=10.
            attendees: Ids or addresses of people to invite.
            reminders: How long before the start to remind, for example 15m or 1d.

        Returns:
            `calendar` and `uid`.
        """
        fields = event_fields(
            self._desk.people,
            self._diary.fresh_uid(),
            summary,
            start,
            end,
            description=description,
            location=location,
            timezone=timezone,
            rrule=rrule,
            attendees=attendees,
            alarms=reminders,
            world=self._diary.site.clock.zone,  # what an agent writes is a moment, never floating
        )
        key = self._desk.calendar(calendar, write=True) if calendar is not None else self._own()
        item = self._diary.add(key, fields)
        return {"calendar": self._desk.id(key), "uid": item.fields["uid"]}

    def update(
        self,
        calendar: str,
        uid: str,
        summary: str | None = None,
        start: str | None = None,
        end: str | None = None,
        description: str | None = None,
        location: str | None = None,
        timezone: str | None = None,
        rrule: str | None = None,
        attendees: list[str] | None = None,
        reminders: list[str] | None = None,
        status: str | None = None,
        occurrence: str | None = None,
        scope: str = "all",
    ) -> dict[str, Value]:
        """Change an event; what you do not give stays, an empty text or list removes. Attendees are told.

        Args:
            calendar: The id of its calendar.
            uid: Its uid.
            summary: The title.
            start: When it begins, by the clock of the zone the event is in; its length stays.
            end: When it ends.
            description: A longer text.
            location: Where it is.
            timezone: The zone whose clock the times show.
            rrule: How it repeats.
            attendees: All who are invited.
            reminders: How long before the start to remind.
            status: TENTATIVE, CONFIRMED or CANCELLED.
            occurrence: Which occurrence of a repeating event: its recurrence_id, as lists give it.
            scope: "one" occurrence, it and its "future", or "all".

        Returns:
            `calendar` and `uid`; with "future", the uid of the new series.
        """
        changes: Mapping[str, Value] = {
            "summary": summary,
            "dtstart": start,
            "dtend": end,
            "description": description,
            "location": location,
            "timezone": timezone,
            "rrule": rrule,
            "attendees": attendees,
            "alarms": reminders,
            "status": status,
        }
        item = self._diary.update(self._desk.item(calendar, uid, write=True), changes, occurrence, scope)
        return {"calendar": calendar, "uid": item.fields["uid"]}

    def delete(self, calendar: str, uid: str, occurrence: str | None = None, scope: str = "all") -> dict[str, Value]:
        """Delete an event. Attendees are told; deleting an invitation declines it.

        Args:
            calendar: The id of its calendar.
            uid: Its uid.
            occurrence: Which occurrence of a repeating event: its recurrence_id, as lists give it.
            scope: "one" occurrence, it and its "future", or "all".

        Returns:
            `deleted`: the uid.
        """
        self._diary.delete(self._desk.item(calendar, uid, write=True), occurrence, scope)
        return {"deleted": uid}

    def respond(self, calendar: str, uid: str, answer: str, occurrence: str | None = None) -> dict[str, Value]:
        """Answer an invitation; the organizer is told.

        Args:
            calendar: The id of the calendar that holds it.
            uid: Its uid.
            answer: ACCEPTED, DECLINED or TENTATIVE.
            occurrence: Only for this occurrence of a repeating event.

        Returns:
            `uid` and `answer`.
        """
        item = self._desk.item(calendar, uid, write=True)
        self._diary.answer(item, self._diary.owner(item.calendar), answer_of(answer), occurrence)
        return {"uid": uid, "answer": answer_of(answer)}

    # -- inside ---------------------------------------------------------------------------------------------------

    def _keys(self, calendar: str | None) -> list[str]:
        if calendar is not None:
            return [self._desk.calendar(calendar)]
        return [key for key, _, _ in self._desk.calendars()]

    def _own(self) -> str:
        """Where events go that name no calendar: one's own, else the first one may write to."""
        shelf, id = self._diary.shelf, self._person.id
        writable = [key for key, _, access in self._desk.calendars() if access == "write"]
        if f"{id}/{DEFAULT}" in writable or not writable:
            return shelf.default(id)
        return writable[0]

    def _view(self, item: Shelved, occurrence: Occurrence | None = None) -> dict[str, Value]:
        shown = _shown(view(item.fields, occurrence))
        kept = ("uid", "summary", "dtstart", "dtend", "location", "status", "timezone", "rrule", "recurrence_id")
        told = {key: shown[key] for key in kept if shown[key] is not None}
        own = self._person.address.lower()
        answer = next((entry["status"] for entry in shown["attendees"] if entry["address"] == own), None)
        return {"calendar": self._desk.id(item.calendar)} | told | ({"your_answer": answer} if answer else {})


def _beside(tool: Tool) -> Tool:
    """A tool that looks, and may take long where there is much to see: the engine's loop goes on meanwhile."""
    look = tool.function

    async def beside(**arguments: Value) -> Value:
        return await aside(partial(look, **arguments))

    return replace(tool, function=beside, signature=look)


def _shown(value: Value) -> Value:
    """Moments as the texts that the tools take."""
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return _iso(value) if isinstance(value, date) else value


def _iso(moment: date) -> str:
    if isinstance(moment, datetime):
        return moment.isoformat(timespec="minutes" if not moment.second else "seconds")
    return moment.isoformat()


def _checked(limit: int) -> int:
    if not 1 <= limit <= PAGE:
        raise Refused(f"limit must be 1 to {PAGE}")
    return limit
