"""The CalDAV server of a calendar: requests in, answers out. An ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from terrarium.capability.calendar.caldav import write
from terrarium.capability.calendar.caldav.propfind import propfind, proppatch
from terrarium.capability.calendar.caldav.report import report
from terrarium.capability.calendar.caldav.resource import Resource, Resources
from terrarium.capability.calendar.desk import Desk
from terrarium.capability.calendar.diary import Diary
from terrarium.capability.calendar.rule import TooMany
from terrarium.capability.webdav.answer import Answer, Failed
from terrarium.capability.webdav.condition import not_modified
from terrarium.capability.webdav.credentials import credentials
from terrarium.capability.webdav.exchange import exchange
from terrarium.capability.webdav.xml import BrokenXml, read
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller
from terrarium.core.person import Person
from terrarium.http.date import http_date

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_METHODS = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL, COPY, MOVE, POST"
_LOOKING = ("GET", "HEAD", "POST", "PROPFIND", "REPORT")  # the methods that change nothing
_DAV = "1, 3, access-control, calendar-access, calendar-auto-schedule, extended-mkcol"
_WELL_KNOWN = "/.well-known/caldav"


class CalDav:
    """Serves the calendars of a world to CalDAV clients.

    Args:
        diary: Everything that can be done with them.
    """

    def __init__(self, diary: Diary) -> None:
        self._diary = diary

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request (ASGI 3)."""
        await exchange(self._diary.site, self._answer, _LOOKING, _DAV, scope, receive, send)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes, caller: Caller) -> Answer:
        try:
            if path.rstrip("/") == _WELL_KNOWN:
                return Answer(301, headers={"location": "/"})
            if method == "OPTIONS":
                return Answer(200, headers={"allow": _METHODS})
            person = self._person(headers.get("authorization"), caller)
            if person is None:
                told = {"www-authenticate": 'Basic realm="calendar", charset="UTF-8"'}
                return Answer(401, b"log in with name and password\n", {"content-type": "text/plain", **told})
            resources = Resources(Desk(self._diary.shelf, self._diary.people, person))
            return self._do(method, path, headers, body, resources)
        except Failed as failed:
            return failed.answer()
        except BrokenXml as error:
            return Failed(400, message=str(error)).answer()
        except NotFound as error:
            return Failed(404, message=str(error)).answer()
        except TooMany as error:
            return Failed(403, "DAV:number-of-matches-within-limits", str(error)).answer()
        except Refused as error:
            return Failed(403, message=str(error)).answer()

    def _do(self, method: str, path: str, headers: dict[str, str], body: bytes, resources: Resources) -> Answer:
        diary = self._diary
        if method in ("MKCALENDAR", "MKCOL"):
            return write.make(diary, resources, path, method, _xml(body))
        resource = resources.find(path)
        if method == "PUT":
            return write.put(diary, resource, headers, body)
        if method == "DELETE":
            return write.delete(diary, resource, headers)
        if method in ("COPY", "MOVE"):
            return write.copy_or_move(diary, resources, resource, headers, method == "MOVE")
        if method == "POST":
            return write.post(diary, resources, resource, body)
        if resource is None or (resource.kind == "object" and resource.item is None):
            raise Failed(404, message="there is nothing here")
        depth = headers.get("depth", "").strip().lower()
        if method == "PROPFIND":
            return propfind(resources, resource, depth or "infinity", _xml(body))
        if method == "PROPPATCH":
            return proppatch(resources, resource, _xml(body))
        if method == "REPORT":
            return report(resources, resource, depth or "1", _xml(body))
        if method in ("GET", "HEAD"):
            return self._get(resources, resource, headers)
        return Answer(405, b"that is not done here\n", {"allow": _METHODS, "content-type": "text/plain"})

    def _get(self, resources: Resources, resource: Resource, headers: dict[str, str]) -> Answer:
        kind = {"content-type": "text/calendar; charset=utf-8"}
        if resource.item is not None:
            fields = resource.item.fields
            told = {"etag": resource.item.etag, "last-modified": http_date(fields["written"])}
            if fields["organizer"]:
                told["schedule-tag"] = f'"{fields["tag"]}"'
            if not_modified(headers, resource.item.etag):
                return Answer(304, b"", told)
            kind["content-type"] += f"; component={fields['component'].lower()}"
            return Answer(200, fields["text"].encode(), kind | told)
        if resource.kind == "calendar":
            return Answer(200, self._whole(resource.key).encode(), kind)
        text = "This is a CalDAV server; clients ask it with PROPFIND and REPORT.\n"
        return Answer(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})

    def _whole(self, key: str) -> str:
        """All objects of a calendar as one, for those who want a file."""
        from terrarium.capability.calendar.edit import new_object, text_of
        from terrarium.capability.calendar.parsing import parse

        calendar, zones = new_object(), set[str]()
        for item in self._diary.shelf.objects(key):
            for part in parse(item.fields["text"]).calendar.subcomponents:
                if part.name == "VTIMEZONE":
                    if str(part.get("TZID")) in zones:
                        continue
                    zones.add(str(part.get("TZID")))
                calendar.add_component(part)
        return text_of(calendar)

    def _person(self, authorization: str | None, caller: Caller) -> Person | None:
        """Who asks: whom they log in as; without a login, the agent that the connection comes from."""
        people = self._diary.people
        if (authorization or "").partition(" ")[0].lower() == "basic":
            told = credentials(authorization or "")
            return None if told is None else people.login(*told, caller.agent)
        if people.confined:
            return people.present(caller.agent)
        return people.agents.get(caller.agent or "") or people.person(people.username)


def _xml(body: bytes) -> Element | None:
    return read(body) if body.strip() else None
