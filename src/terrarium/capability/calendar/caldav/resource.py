"""What a path stands for, as one person sees it. What they may not see is not there.

/                          where every client may begin
/<person>/                 a person: principal and home of their calendars
/<person>/inbox/, outbox/  scheduling (RFC 6638)
/<person>/<slug>/          a calendar; another's, shared with one, is <owner>~<slug> in one's own home
/<person>/<slug>/<name>    an object
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from terrarium.capability.calendar.allowance import Allowance
from terrarium.capability.calendar.desk import Desk
from terrarium.capability.calendar.person import person_id
from terrarium.capability.calendar.shelf import INBOX, OUTBOX, Access, Shelved
from terrarium.capability.webdav.answer import Failed
from terrarium.capability.webdav.path import quoted, segments

Kind = Literal["root", "home", "calendar", "inbox", "outbox", "object"]


@dataclass(frozen=True)
class Resource:
    """One thing with a path.

    Attributes:
        kind: What it is.
        path: Where, percent-encoded.
        owner: Whose.
        key: Of the calendar, or of the calendar that an object lies in.
        access: What may be done with it.
        item: The object.
        name: The last part of the path, decoded; also of an object that is not there yet.
    """

    kind: Kind
    path: str
    owner: str = ""
    key: str = ""
    access: Access = "read"
    item: Shelved | None = None
    name: str = ""

    @property
    def is_collection(self) -> bool:
        """Whether its path ends with a slash."""
        return self.kind != "object"


class Resources:
    """All paths, as one person sees them in one request.

    Args:
        desk: What that person may see.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.shelf = desk.shelf
        self.allowance = Allowance()

    def home(self, person: str | None = None) -> str:
        """The path of a person's home."""
        return f"/{quoted(person or self.desk.person.id)}/"

    def find(self, raw: str) -> Resource | None:
        """What a percent-encoded path stands for; None where it would be a calendar that is not there.

        An object that is not there yet is a resource without `item`.

        Raises:
            Failed: 404 where it, or what it would lie in, is not there for this person; 400 for a bad path.
        """
        parts = segments(raw)
        if not parts:
            return Resource("root", "/")
        person = parts[0]
        if not self._sees(person):
            raise Failed(404, message="there is nothing here")
        if len(parts) == 1:
            own = person == self.desk.person.id
            return Resource("home", self.home(person), person, access="write" if own else "read", name=person)
        found = self._collection(person, parts[1])
        if len(parts) == 2 or found is None:
            if len(parts) > 2:
                raise Failed(404, message="there is no such calendar")
            return found
        if len(parts) > 3 or found.kind == "outbox":
            raise Failed(404, message="there is nothing here")
        item = self.shelf.get(found.key, parts[2])
        return Resource(
            "object", f"{found.path}{quoted(parts[2])}", found.owner, found.key, found.access, item, parts[2]
        )

    def inside(self, resource: Resource) -> Iterator[Resource]:
        """What lies in a resource, in order."""
        if resource.kind == "root":
            yield Resource("home", self.home(), self.desk.person.id, access="write", name=self.desk.person.id)
        elif resource.kind == "home":
            for key, _, _ in self.desk.calendars():
                owner, _, slug = key.partition("/")
                if owner == resource.owner or resource.owner == self.desk.person.id:
                    found = self._collection(resource.owner, slug if owner == resource.owner else f"{owner}~{slug}")
                    if found is not None:
                        yield found
            if resource.owner == self.desk.person.id:
                for kind in (INBOX, OUTBOX):
                    found = self._collection(resource.owner, kind)
                    assert found is not None
                    yield found
        elif resource.kind in ("calendar", "inbox"):
            for item in self.shelf.objects(resource.key):
                yield self.of(resource, item)

    def of(self, collection: Resource, item: Shelved) -> Resource:
        """An object of a collection."""
        path = self.path(collection, item.name)
        return Resource("object", path, collection.owner, collection.key, collection.access, item, item.name)

    def path(self, collection: Resource, name: str) -> str:
        """The path of an object of that name in a collection."""
        return f"{collection.path}{quoted(name)}"

    def slug_at(self, raw: str) -> tuple[str, str]:
        """The person and slug that a new calendar's path names.

        Raises:
            Failed: A calendar cannot be there.
        """
        parts = segments(raw)
        if len(parts) != 2:
            raise Failed(403, "{urn:ietf:params:xml:ns:caldav}calendar-collection-location-ok", "that is not a home")
        if parts[0] != self.desk.person.id:
            raise Failed(403 if self._sees(parts[0]) else 404, message="one makes calendars in one's own home only")
        return parts[0], parts[1]

    def _sees(self, person: str) -> bool:
        if person == self.desk.person.id:
            return True
        return bool(person_id(person, strict=False)) and any(
            key.startswith(f"{person}/") for key, _, _ in self.desk.calendars()
        )

    def _collection(self, person: str, slug: str) -> Resource | None:
        own = person == self.desk.person.id
        path = f"/{quoted(person)}/{quoted(slug)}/"
        if slug in (INBOX, OUTBOX):
            if not own:
                raise Failed(404, message="there is nothing here")
            return Resource(
                "inbox" if slug == INBOX else "outbox", path, person, f"{person}/{slug}", "write", name=slug
            )
        key = f"{person}/{slug}"
        access = self.desk.access(key)
        if access is None and own and "~" in slug:
            key = slug.replace("~", "/", 1)
            access = self.desk.access(key)
        if access is None:
            return None
        return Resource("calendar", path, person, key, access, name=slug)
