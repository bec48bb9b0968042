"""What one person may see and change: their own calendars, and those that others share with them."""

from __future__ import annotations

from collections.abc import Iterator

from terrarium.capability.calendar.person import People
from terrarium.capability.calendar.shelf import Access, Shelf, Shelved
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import Person
from terrarium.core.rows import Fields


class ReadOnly(Refused):
    """The calendar may be looked at, not changed."""


class Desk:
    """The calendars as one person has them.

    Args:
        shelf: All calendars.
        people: Everybody.
        person: Whose desk it is.
    """

    def __init__(self, shelf: Shelf, people: People, person: Person) -> None:
        self.shelf = shelf
        self.people = people
        self.person = person

    def access(self, key: str) -> Access | None:
        """What the person may do with a calendar; None: not even know of it."""
        if not self.shelf.has(key):
            return None
        fields = self.shelf.calendar(key)
        owner = key.partition("/")[0]
        if owner == self.person.id or (self.people.shared and owner == self.people.username):
            return "write"
        found: Access | None = fields["shares"].get(self.person.id)
        return found

    def calendars(self) -> Iterator[tuple[str, Fields, Access]]:
        """The calendars the person can see: their own first."""
        everything = list(self.shelf.calendars())
        own = [entry for entry in everything if entry[0].startswith(f"{self.person.id}/")]
        for key, fields in [*own, *(entry for entry in everything if entry not in own)]:
            access = self.access(key)
            if access is not None:
                yield key, fields, access

    def calendar(self, id: str, *, write: bool = False) -> str:
        """The key of a calendar by what the person calls it.

        Raises:
            NotFound: They see none of that id; the message lists what there is.
            ReadOnly: They may only look at it, and `write` is set.
        """
        mine = f"{self.person.id}/{id}"
        key = mine if self.access(mine) else id
        if self.access(key) is None and self.access(f"{self.people.username}/{id}"):
            key = f"{self.people.username}/{id}"
        access = self.access(key)
        if access is None:
            there = ", ".join(self.id(key) for key, _, _ in self.calendars()) or "none"
            raise NotFound(f"there is no calendar {id[:80]!r}; there are: {there}")
        if write and access != "write":
            raise ReadOnly(f"the calendar {id[:80]!r} is shared for reading only")
        return key

    def id(self, key: str) -> str:
        """What the person calls a calendar: its slug where it is their own, else its key."""
        owner, _, slug = key.partition("/")
        return slug if owner == self.person.id else key

    def item(self, id: str, uid: str, *, write: bool = False) -> Shelved:
        """An object by its calendar and UID.

        Raises:
            NotFound: There is none.
            ReadOnly: As for `calendar`.
        """
        key = self.calendar(id, write=write)
        found = self.shelf.with_uid(key, uid)
        if found is None:
            raise NotFound(f"the calendar {id[:80]!r} has no event {uid[:80]!r}")
        return found
