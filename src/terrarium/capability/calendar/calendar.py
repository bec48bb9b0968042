"""Calendars for a world: people plan, invite each other and answer; the task program sees all of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.busy import busy_periods
from terrarium.capability.calendar.desk import Desk
from terrarium.capability.calendar.diary import Diary
from terrarium.capability.calendar.event import answer_of, moment_range, person_at, view
from terrarium.capability.calendar.event_face import EventFace, When
from terrarium.capability.calendar.incoming import Incoming
from terrarium.capability.calendar.occurrence import Range
from terrarium.capability.calendar.person import people_of, person_id
from terrarium.capability.calendar.shelf import INBOX, Shelf
from terrarium.capability.calendar.tools import CalendarTools
from terrarium.core.aside import aside
from terrarium.core.capability import EXTERNAL, Equipment, Site, Traits, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import NotFound, Refused, Unsupported
from terrarium.core.network import Caller, Service
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value, from_micros
from terrarium.http.host import HTTPS

if TYPE_CHECKING:
    from terrarium.capability.calendar.external import ExternalShelf
    from terrarium.http.server import HttpServer

_SYNC = frozenset({"number", "etag", "tag", "written", "by"})  # fields that every write changes


class Calendar(EventFace):
    """Calendars: people plan, invite each other and answer.

    Where people are declared or one has a password, CalDAV lets people act as themselves only, with their password. A
    moment (`When`) is a datetime, a date for whole days, or ISO text of one. A datetime without an offset is floating,
    or in the `timezone` that the call names.

    Configuration:
        accounts (table, default {}): Which person each agent is: `{"agent": "ann"}`, `"Ann <ann@corp.example>"`, or a
            table of `person`, `name`, `address`, `password`. Without it an agent is the person that the task declares
            for it; where it declares nobody, a person of its own name, and what `username` owns is everybody's.
        people (table, default {}): Further people, by id, each the same.
        username (text, default "admin"): Whose calendars the task program makes where it names nobody.
        domain (text, default "world.example"): The address of a person without one is `<id>@<domain>`.
        host (text, default "calendar.world"): Where the CalDAV server is; of an instance, `<instance>.calendar.world`.
        port (port, default 5232): The same, in the clear; 443 always speaks TLS.
        backend (table): A CalDAV server that is not ours, in place of the emulated one: `url`, `user` and
            `password_env`, the name of the environment variable with the password, of `username`; for further people
            `logins`, the person's id to `user` and `password_env`.
        image (anything, ignored): Configurations written for containers have it.

    Shapes:
        event: `uid`, `summary`, `dtstart`, `dtend` (not included), `description`, `location`, `status`, `timezone`,
            `transparent`, `organizer` (an address), `attendees` (each `address`, `name`, `role`, `status`), `alarms`
            (each `action`, `description`, `offset`, `related`, `at`), `rrule`, `exdates`, `recurrence_id`, `sequence`,
            `calendar_id`, and `by`, who wrote it last. None where there is nothing.
    """

    traits: ClassVar[Traits] = Traits()
    peopled: ClassVar[bool] = True
    letters: ClassVar[dict[str, str]] = {"calendar": "deliver"}

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, an agent that is not there, or a value that cannot be one.
            Refused: A port of its host is served already.
            CapabilityFault: The state cannot be read.
        """
        self._people = people_of(site.config, site.agents, site.name, site.people)
        self._site = site
        self._server: HttpServer | None = None
        self._services: list[Service] = []
        self._external: ExternalShelf | None = None
        if "backend" in site.config:
            self._open_external(site)
            return
        self._shelf = Shelf(site, site.rows())
        self._diary = Diary(site, self._shelf, self._people)
        for port, connect in {self._people.port: self._connect, HTTPS: self._connect_securely}.items():
            self._services.append(await site.network.serve(self._people.host, port, connect))

    def _open_external(self, site: Site) -> None:
        """Calendars on somebody else's server; the libraries for it are loaded here."""
        from terrarium.capability.calendar.dav_client import logins_of
        from terrarium.capability.calendar.external import ExternalShelf, ServerInvitations

        self.traits = EXTERNAL  # type: ignore[misc]
        self._external = ExternalShelf(site, logins_of(site.config["backend"], self._people.username))
        self._shelf = self._external
        self._diary = Diary(site, self._shelf, self._people)
        self._diary.invitations = ServerInvitations(site, self._shelf, self._people)

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """Less, on a server that is not ours."""
        return EXTERNAL if "backend" in config else self.traits

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do, as the person it is.

        Raises:
            NotFound: There is no such agent.
        """
        if agent not in self._people.agents:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._people.agents)}")
        desk = Desk(self._shelf, self._people, self._people.agents[agent])
        return CalendarTools(self._diary, desk).tools(self._site.name, patient=self._external is not None)

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            calendar: `owner/id`: a calendar, its settings and whom it is shared with.
            gone: `owner/id/name`: what was deleted, for clients that synchronise.
            object: `owner/id/name`: an event, as text and as fields.
        """
        return self._shelf.store.all() if self._external is None else self._external.rows()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without the numbers, tags and traces of deletion that clients synchronise by."""
        return [c for c in changes if c.table != "gone" and not (c.kind == "changed" and _SYNC.issuperset(c.fields))]

    def equipment(self, agent: str) -> Equipment:
        """Where the agent's person logs in."""
        return Equipment(logins=() if self._external is not None else (self._people.host.lower(),))

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: It is on a server that is not ours.
        """
        if self._external is not None:
            raise Unsupported(f"{self._site.name} is on a server that is not ours: it cannot be saved")
        self._shelf.store.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; idempotent."""
        for service in self._services:
            await self._site.network.withdraw(service)
        self._services.clear()
        if self._server is not None:
            await self._server.close()
        if self._external is not None:
            await aside(self._external.close)
        self._shelf.store.close()

    async def _connect_securely(self, connection: socket.socket, caller: Caller) -> None:
        await self._connect(connection, caller, self._site.authority.server(self._people.host))

    async def _connect(self, connection: socket.socket, caller: Caller, tls: ssl.SSLContext | None = None) -> None:
        """One connection of a CalDAV client; the libraries for it are loaded with the first."""
        if self._server is None:
            from terrarium.capability.calendar.caldav.app import CalDav
            from terrarium.http.server import HttpServer

            self._server = HttpServer(CalDav(self._diary).serve, now=lambda: self._site.clock.now)
        await self._server.handle(connection, caller, tls)

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where CalDAV clients find it, and who `username` is."""
        if self._external is not None:
            login = next(iter(self._external.logins.values()))
            parts = urlsplit(login.url)
            usual = 443 if parts.scheme == "https" else 80
            told = {"caldav_host": parts.hostname, "caldav_port": parts.port or usual, "caldav_url": login.url}
            return {**told, "username": login.user}
        host, port = self._people.host, self._people.port
        return {
            "caldav_host": host,
            "caldav_port": port,
            "caldav_url": f"https://{host}/" if port == HTTPS else f"http://{host}:{port}/",
            "username": self._people.username,
        }

    # -- calendars ------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def create_calendar(
        self,
        name: str,
        cal_id: str | None = None,
        owner: str | None = None,
        description: str | None = None,
        color: str | None = None,
        timezone: str | None = None,
    ) -> str:
        """Make a calendar and return its id.

        Args:
            name: What people see.
            cal_id: The last part of its path; default: a random one.
            owner: Whose it is; default: `username`. The id of another's calendar is `<owner>/<cal_id>`.
            description: A longer text.
            color: Such as `#ff8800`.
            timezone: Where floating times and days of it are meant; default UTC.

        Raises:
            Refused: There is one of that id, or an argument cannot be.
        """
        person = person_id(self._people.username if owner is None else owner)
        settings = {"description": description, "color": color, "timezone": timezone}
        return self._id(self._shelf.create(person, cal_id, name, **settings))

    @reads
    def list_calendars(self, owner: str | None = None) -> list[dict[str, Value]]:
        """All calendars, or those of one person.

        Returns:
            Of each `id`, `name`, `url`, `owner`, `description`, `color`, `timezone`, `shared` (people and their access)
            and `events`, how many.
        """
        found: list[dict[str, Value]] = []
        for key, fields in self._shelf.calendars(owner):
            person, _, slug = key.partition("/")
            found.append(
                {
                    "id": self._id(key),
                    "name": fields["name"],
                    "url": f"{self.connection_info['caldav_url']}{_quoted(person)}/{_quoted(slug)}/",
                    "owner": person,
                    "description": fields["description"],
                    "color": fields["color"],
                    "timezone": fields["timezone"],
                    "shared": dict(fields["shares"]),
                    "events": self._shelf.count(key),
                }
            )
        return found

    @writes(silent=True)
    def delete_calendar(self, calendar_id: str) -> None:
        """Remove a calendar with all its events; nobody is told.

        Raises:
            NotFound: There is none.
        """
        self._shelf.discard(self._key(calendar_id))

    @writes(silent=True)
    def share(self, calendar_id: str, person: str, access: str = "read") -> None:
        """Let a person look at a calendar (`read`), change it too (`write`), or no longer see it (`none`).

        Raises:
            NotFound: There is no such calendar.
            Refused: There is no such access.
        """
        if access not in ("read", "write", "none"):
            raise Refused(f"access is 'read', 'write' or 'none', not {str(access)[:40]!r}")
        key = self._key(calendar_id)
        shares = {**self._shelf.calendar(key)["shares"], person_id(person): access}
        self._shelf.alter(key, shares={name: shares[name] for name in sorted(shares) if shares[name] != "none"})

    # -- people ---------------------------------------------------------------------------------------------------

    @reads
    def person(self, agent: str = "agent") -> dict[str, Value]:
        """Who an agent is: `id`, `name`, `address`.

        Raises:
            NotFound: There is no such agent.
        """
        if agent not in self._people.agents:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._people.agents)}")
        person = self._people.agents[agent]
        return {"id": person.id, "name": person.name, "address": person.address}

    @reads
    def busy(self, person: str, start: When = None, end: When = None) -> list[dict[str, Value]]:
        """When a person is busy, joined where it overlaps: `start`, `end`, `kind` (`BUSY` or `BUSY-TENTATIVE`).

        Of a series, the occurrences that `list_events` would give count.

        Raises:
            Refused: A moment or the person cannot be one.
        """
        begin, stop = moment_range(start, end, self._site.clock)
        who = self._people.person(person_id(person))
        found = busy_periods(self._shelf, who, Range(begin, stop), Allowance(cuts=True))
        return [{"start": from_micros(p.start), "end": from_micros(p.end), "kind": p.kind} for p in found]

    @writes(notifies="person")
    def respond(self, person: str, uid: str, answer: str, occurrence: When = None) -> None:
        """Answer an invitation in a person's name: `ACCEPTED`, `DECLINED` or `TENTATIVE`. The organizer is told.

        Raises:
            NotFound: The person has no such event, is not invited, or it has no such occurrence.
            Refused: There is no such answer.
        """
        who = self._people.person(person_id(person))
        for key, _ in self._shelf.calendars(who.id):
            item = self._shelf.with_uid(key, uid)
            if item is not None:
                self._diary.answer(item, who, answer_of(answer), occurrence)
                return
        raise NotFound(f"{person} has no event {uid[:80]!r}")

    @reads
    def invitations(self, person: str) -> list[dict[str, Value]]:
        """What a person was sent, oldest first.

        Returns:
            Of each the keys of an `event` but the last two, and `method` (`REQUEST`, `CANCEL`, `REPLY`), `received`
            (datetime) and `ics`, the message.
        """
        key = f"{person_id(person)}/{INBOX}"
        items = sorted(self._shelf.objects(key), key=lambda item: int(item.fields["number"]))
        return [
            {
                "method": item.fields["text"].partition("METHOD:")[2].split("\r\n")[0],
                "received": item.fields["written"],
                **view(item.fields),
                "ics": item.fields["text"],
            }
            for item in items
        ]

    @writes(notifies="to")
    def deliver(self, to: str, message: str, from_addr: str) -> str:
        """Take in an invitation, cancellation or reply that came by mail; gives its method.

        Where the world has `email`, this is done with every mail that carries one.

        Args:
            to: The person, or their address.
            message: The iCalendar object.
            from_addr: Who sent it: the organizer, or for a reply the attendee.

        Raises:
            NotFound: Nobody here has that address, or the person has no such event.
            Refused: It is none, older than what is known, or not from whom it says.
        """
        guest = self._people.at(to) if "@" in to else self._people.person(person_id(to))
        if guest is None:
            raise NotFound(f"nobody here has the address {to[:80]!r}")
        sender = str(person_at(self._people, from_addr)["address"])
        return Incoming(self._shelf, self._people, self._diary.invitations).receive(guest, message, sender)


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="@")
