"""The calendars of a world and what lies in them, as rows; every change gets a number, for clients that synchronise.

Tables:

    calendar   owner/slug           name, description, color, order, timezone, components, transparent, shares,
                                    properties, number (of its last change), created
    object     owner/slug/name      text, etag, tag, number, written, by, and the fields of `parsing.fields_of`
    gone       owner/slug/name      number

A slug is the last part of a calendar's path; `inbox` is where invitations to its owner arrive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from terrarium.capability.calendar.content import clean
from terrarium.capability.calendar.moment import known_zone, zone_of
from terrarium.capability.calendar.parsing import COMPONENTS
from terrarium.capability.calendar.person import person_id
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import Value

Access = Literal["read", "write"]
INBOX, OUTBOX = "inbox", "outbox"
DEFAULT = "default"
"""The calendar that invitations go into."""

_SLUG = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class Shelved:
    """One stored object: where it lies, and its fields."""

    calendar: str
    name: str
    fields: Fields

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{self.calendar}/{self.name}"

    @property
    def etag(self) -> str:
        """Its entity tag, quoted as headers have it."""
        return f'"{self.fields["etag"]}"'


class Shelf:
    """All calendars of one world. Knows nothing of who may do what.

    Args:
        site: Where it stands.
        store: The rows it is kept in.
    """

    def __init__(self, site: Site, store: Rows) -> None:
        self.site = site
        self.store = store
        self._uids: dict[str, dict[str, str]] = {}  # calendar -> uid -> name; made again from the rows when needed

    # -- calendars ------------------------------------------------------------------------------------------------

    def calendars(self, owner: str | None = None) -> Iterator[tuple[str, Fields]]:
        """Keys and fields of all calendars, or of those of one person; the inbox is none."""
        for row in self.store.table("calendar", f"{owner}/" if owner else ""):
            if not row.key.endswith(f"/{INBOX}"):
                yield row.key, row.fields

    def calendar(self, key: str) -> Fields:
        """The fields of a calendar.

        Raises:
            NotFound: There is none of that key.
        """
        fields = self.store.get("calendar", key)
        if fields is None:
            raise NotFound(f"there is no calendar {key!r}")
        return fields

    def place(self, key: str) -> tzinfo:
        """Where whole days and floating times of a calendar are meant: what it says, else the world's zone.

        Raises:
            NotFound: There is none of that key.
        """
        zone = self.calendar(key)["timezone"]
        return (known_zone(zone) if zone else None) or self.site.clock.zone

    def has(self, key: str) -> bool:
        """Whether there is a calendar of that key."""
        return self.store.get("calendar", key) is not None

    def create(self, owner: str, slug: str | None, name: str | None, **settings: Value) -> str:
        """Make a calendar and return its key.

        Args:
            owner: Whose it is.
            slug: The last part of its path; None: one from the random stream.
            name: What people see.
            settings: Further fields of its row.

        Raises:
            Refused: There is one already, or a name cannot be one.
        """
        person_id(owner)
        slug = self.site.rng.token(f"{self.site.name}/calendar", 12) if slug is None else str(slug)
        if not _SLUG.fullmatch(slug) or slug.startswith(".") or slug in (INBOX, OUTBOX):
            raise Refused(f"{str(slug)[:80]!r} cannot be the id of a calendar")
        return self._create(f"{owner}/{slug}", slug if name is None else name, settings)

    def inbox(self, owner: str) -> str:
        """The key of where invitations to a person arrive; made where it is not there."""
        key = f"{owner}/{INBOX}"
        return key if self.has(key) else self._create(key, "Inbox", {})

    def default(self, owner: str) -> str:
        """The key of the calendar that invitations to a person go into; made where there is none."""
        own = [key for key, _ in self.calendars(owner)]
        preferred = f"{owner}/{DEFAULT}"
        if preferred in own or not own:
            return preferred if own else self._create(preferred, "Calendar", {})
        return own[0]

    def alter(self, key: str, **settings: Value) -> None:
        """Change fields of a calendar.

        Raises:
            Refused: A value cannot be one.
        """
        fields = self.calendar(key)
        checked = _checked(settings)
        if any(fields[name] != value for name, value in checked.items()):
            self.store.update(self.site.actor(), "calendar", key, **checked, number=fields["number"] + 1)

    def discard(self, key: str) -> None:
        """Remove a calendar with everything in it.

        Raises:
            NotFound: There is none.
        """
        self.calendar(key)
        actor = self.site.actor()
        for table in ("object", "gone"):
            for row in list(self.store.table(table, f"{key}/")):
                self.store.delete(actor, table, row.key)
        self.store.delete(actor, "calendar", key)
        self._uids.pop(key, None)

    # -- objects --------------------------------------------------------------------------------------------------

    def objects(self, key: str) -> Iterator[Shelved]:
        """What lies in a calendar, in order of names."""
        for row in self.store.table("object", f"{key}/"):
            yield Shelved(key, row.key[len(key) + 1 :], row.fields)

    def count(self, key: str) -> int:
        """How many objects lie in a calendar."""
        return sum(1 for _ in self.store.table("object", f"{key}/"))

    def get(self, key: str, name: str) -> Shelved | None:
        """One object by its name, or None."""
        fields = self.store.get("object", f"{key}/{name}")
        return None if fields is None else Shelved(key, name, fields)

    def with_uid(self, key: str, uid: str) -> Shelved | None:
        """One object by its UID, or None."""
        direct = self.get(key, f"{uid}.ics")
        if direct is not None and direct.fields["uid"] == uid:
            return direct
        name = self._index(key).get(uid)
        return None if name is None else self.get(key, name)

    def put(self, key: str, name: str, text: str, fields: Mapping[str, Value], tag: str | None = None) -> Shelved:
        """Store an object, new or in place of the one of that name.

        Args:
            key: The calendar.
            name: The last part of its path.
            text: What is stored, as it is.
            fields: What `parsing.fields_of` says of it.
            tag: Its schedule tag where that is not to change (RFC 6638, section 3.2.10).

        Raises:
            Refused: Another object of the calendar has its UID, or the name cannot be one.
        """
        if not _SLUG.fullmatch(name) or name in (".", ".."):
            raise Refused(f"{name[:80]!r} cannot be the name of an object")
        held = self.with_uid(key, fields["uid"]) if not key.endswith(f"/{INBOX}") else None
        if held is not None and held.name != name:
            raise Refused(f"the calendar has that UID already, as {held.name!r}")
        site, before = self.site, self.store.get("object", f"{key}/{name}")
        etag = hashlib.sha256(text.encode()).hexdigest()[:32]
        number = self._count_up(key)
        row = {
            **fields,
            "text": text,
            "etag": etag,
            "tag": tag or f"{etag[:16]}-{number}",
            "number": number,
            "written": site.clock.now,
            "by": site.actor(),
        }
        if before is not None and before["uid"] != fields["uid"]:
            self._index(key).pop(before["uid"], None)
        self.store.change(site.actor(), "object", f"{key}/{name}", before, row)
        if key in self._uids:
            self._uids[key][fields["uid"]] = name
        if self.store.get("gone", f"{key}/{name}") is not None:
            self.store.delete(site.actor(), "gone", f"{key}/{name}")
        found = self.get(key, name)
        assert found is not None
        return found

    def remove(self, item: Shelved) -> None:
        """Take an object out of its calendar."""
        number = self._count_up(item.calendar)
        actor = self.site.actor()
        self.store.delete(actor, "object", item.key)
        self.store.change(actor, "gone", item.key, self.store.get("gone", item.key), {"number": number})
        self._index(item.calendar).pop(item.fields["uid"], None)

    def changed_since(self, key: str, number: int) -> list[tuple[int, str, bool]]:
        """The changes of a calendar after one of its numbers: (number, name, whether it is still there), in order."""
        found = [(item.fields["number"], item.name, True) for item in self.objects(key)]
        found += [(row.fields["number"], row.key[len(key) + 1 :], False) for row in self.store.table("gone", f"{key}/")]
        return sorted(change for change in found if change[0] > number)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _create(self, key: str, name: str, settings: Mapping[str, Value]) -> str:
        if self.has(key):
            raise Refused(f"there is a calendar {key!r} already")
        fields = {
            "name": "",
            "description": None,
            "color": None,
            "order": None,
            "timezone": None,
            "components": list(COMPONENTS),
            "transparent": False,
            "shares": {},
            "properties": {},
            **_checked({"name": name, **settings}),
            "number": 1,
            "created": self.site.clock.now,
        }
        self.store.insert(self.site.actor(), "calendar", key, fields)
        return key

    def _count_up(self, key: str) -> int:
        number: int = self.calendar(key)["number"] + 1
        self.store.update(self.site.actor(), "calendar", key, number=number)
        return number

    def _index(self, key: str) -> dict[str, str]:
        if key not in self._uids:
            self._uids[key] = {item.fields["uid"]: item.name for item in self.objects(key)}
        return self._uids[key]


def _checked(settings: Mapping[str, Value]) -> dict[str, Value]:
    found = dict(settings)
    for name, limit in (("name", 500), ("description", 10_000), ("color", 50), ("order", 50)):
        if found.get(name) is not None:
            found[name] = clean(f"the {name} of a calendar", found[name], limit)
    if found.get("timezone") is not None:
        zone_of(found["timezone"])
    if "components" in found and not (found["components"] and set(found["components"]) <= set(COMPONENTS)):
        raise Refused(f"the components of a calendar are some of {', '.join(COMPONENTS)}")
    return found
