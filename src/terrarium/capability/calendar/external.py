"""`calendar` on somebody else's CalDAV server: a shelf whose rows mirror what lies there.

Before each look the mirror is brought up to date by entity tags; every write goes to the server first. Invitations are
the server's business. The mirror is nobody's state: it is thrown away with the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from terrarium.capability.calendar.dav_client import Collection, DavClient, Login
from terrarium.capability.calendar.invitation import Invitations
from terrarium.capability.calendar.parsing import fields_of, parse
from terrarium.capability.calendar.shelf import INBOX, Shelf, Shelved
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import Person
from terrarium.core.rows import Fields, Row, Rows
from terrarium.core.values import Value

_ELSEWHERE = "elsewhere"  # who wrote what we did not


class ExternalShelf(Shelf):
    """The calendars of a server, by the people for whom there is a login.

    Args:
        site: Where the world is.
        logins: By the id of the person.
    """

    def __init__(self, site: Site, logins: Mapping[str, Login]) -> None:
        super().__init__(replace(site, actor=lambda: _ELSEWHERE), Rows(site.folder / "mirror", keep=False))
        self._actor = site.actor
        self._clients = {person: DavClient(login) for person, login in sorted(logins.items())}
        self._hrefs: dict[str, str] = {}
        self._writing: str | None = None  # the object that we are writing
        self.logins = logins

    def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            client.close()

    def rows(self) -> Iterator[Row]:
        """All that there is now."""
        for key, _ in list(self.calendars()):
            self._update(key)
        return self.store.all()

    # -- calendars ------------------------------------------------------------------------------------------------

    def calendars(self, owner: str | None = None) -> Iterator[tuple[str, Fields]]:
        """Keys and fields of all calendars, or of those of one person, as the server has them now."""
        for person in self._clients if owner is None else (owner,):
            self._update_calendars(person)
        return super().calendars(owner)

    def calendar(self, key: str) -> Fields:
        """The fields of a calendar, as they are now."""
        self._update_calendars(key.partition("/")[0])
        return super().calendar(key)

    def has(self, key: str) -> bool:
        """Whether the server has it."""
        self._update_calendars(key.partition("/")[0])
        return super().has(key)

    def inbox(self, owner: str) -> str:
        """There is none: invitations are the server's business.

        Raises:
            Refused: Always.
        """
        raise Refused("invitations are the business of the calendar server")

    def alter(self, key: str, **settings: Value) -> None:
        """Change properties of a calendar on the server."""
        self.calendar(key)
        self._client(key).alter(self._hrefs[key], settings)
        self._update_calendars(key.partition("/")[0])

    def discard(self, key: str) -> None:
        """Remove a calendar from the server."""
        self.calendar(key)
        self._client(key).delete(self._hrefs[key])
        self._update_calendars(key.partition("/")[0])

    def _create(self, key: str, name: str, settings: Mapping[str, Value]) -> str:
        if self.has(key):
            raise Refused(f"there is a calendar {key!r} already")
        self._client(key).make(key.partition("/")[2], name, settings)
        self._update_calendars(key.partition("/")[0])
        if not super().has(key):
            raise Refused(f"the server has made {key!r} under another name")
        return key

    # -- objects --------------------------------------------------------------------------------------------------

    def objects(self, key: str) -> Iterator[Shelved]:
        """What lies in a calendar now."""
        self._update(key)
        return super().objects(key)

    def count(self, key: str) -> int:
        """How many objects lie in a calendar now."""
        self._update(key)
        return super().count(key)

    def with_uid(self, key: str, uid: str) -> Shelved | None:
        """One object by its UID, as it is now."""
        self._update(key)
        return super().with_uid(key, uid)

    def put(self, key: str, name: str, text: str, fields: Mapping[str, Value], tag: str | None = None) -> Shelved:
        """Store an object on the server, if nobody has changed it since we looked.

        Raises:
            Refused: The server does not take it, or somebody has.
        """
        self.calendar(key)
        before = self.get(key, name)
        etag = None if before is None else str(before.fields["tag"])
        self._client(key).put(self._hrefs[key], name, text, etag)
        self._writing = f"{key}/{name}"
        try:
            self._update(key)
        finally:
            self._writing = None
        found = self.get(key, name)
        if found is None:
            raise Refused(f"the server has taken {name[:80]!r}, and does not show it")
        return found

    def remove(self, item: Shelved) -> None:
        """Take an object away from the server."""
        self.calendar(item.calendar)
        self._client(item.calendar).delete(self._hrefs[item.calendar] + quote(item.name))
        self._update(item.calendar)

    # -- the mirror -----------------------------------------------------------------------------------------------

    def _client(self, key: str) -> DavClient:
        person = key.partition("/")[0]
        try:
            return self._clients[person]
        except KeyError:
            raise NotFound(
                f"there is no login for {person}; those of this backend: {', '.join(self._clients)}"
            ) from None

    def _update_calendars(self, person: str) -> None:
        """Bring the list of somebody's calendars up to date; nobody has any without a login."""
        if person not in self._clients:
            return
        there = {f"{person}/{each.slug}": each for each in self._clients[person].calendars()}
        for gone in [row.key for row in self.store.table("calendar", f"{person}/") if row.key not in there]:
            for row in list(self.store.table("object", f"{gone}/")):
                self.store.delete(_ELSEWHERE, "object", row.key)
            self.store.delete(_ELSEWHERE, "calendar", gone)
            self._hrefs.pop(gone, None)
            self._uids.pop(gone, None)
        for key, each in there.items():
            self._hrefs[key] = each.href if each.href.endswith("/") else f"{each.href}/"
            before = self.store.get("calendar", key)
            fields = _fields(each, self.site)
            if before is None:
                self.store.insert(_ELSEWHERE, "calendar", key, fields)
            elif any(before[name] != fields[name] for name in ("name", "description", "color", "components")):
                self.store.change(_ELSEWHERE, "calendar", key, before, {**fields, "created": before["created"]})

    def _update(self, key: str) -> None:
        """Bring the objects of a calendar up to date."""
        if key.partition("/")[0] not in self._clients or key.endswith(f"/{INBOX}"):
            return
        if key not in self._hrefs:
            self._update_calendars(key.partition("/")[0])
        if key not in self._hrefs:
            return
        client, href = self._client(key), self._hrefs[key]
        try:
            there = client.etags(href)
        except NotFound:
            there = {}
        known = {row.key[len(key) + 1 :]: row.fields for row in self.store.table("object", f"{key}/")}
        for name in sorted(known.keys() - there.keys()):
            self.store.delete(_ELSEWHERE, "object", f"{key}/{name}")
        new = sorted(
            name for name, etag in there.items() if name not in known or known[name]["tag"] != etag or not etag
        )
        if new or known.keys() - there.keys():
            self._uids.pop(key, None)
        for name, (etag, text) in sorted(client.texts(href, new).items()):
            try:
                told = fields_of(parse(text))
            except Refused:
                continue  # what cannot be read here is not shown
            row = {
                **told,
                "text": text,
                "etag": hashlib.sha256(text.encode()).hexdigest()[:32],
                "tag": etag,
                "number": 0,
                "written": self.site.clock.now,
                "by": self._actor() if self._writing == f"{key}/{name}" else _ELSEWHERE,
            }
            self.store.change(_ELSEWHERE, "object", f"{key}/{name}", known.get(name), row)


class ServerInvitations(Invitations):
    """Nothing is sent from here: the server invites and answers, where it can."""

    def saved(self, owner: Person, before: Fields | None, after: Shelved) -> None:
        """The server has seen it."""

    def removed(self, owner: Person, before: Fields) -> None:
        """The server has seen it."""


def _fields(each: Collection, site: Site) -> dict[str, Value]:
    return {
        "name": each.name,
        "description": each.description,
        "color": each.color,
        "order": None,
        "timezone": None,
        "components": each.components,
        "transparent": False,
        "shares": {},
        "properties": {},
        "number": 1,
        "created": site.clock.now,
    }
