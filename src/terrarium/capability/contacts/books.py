"""The address books of a world and what lies in them, as rows; each change has a number, for clients that synchronise.

Tables:

    book   owner/slug         name, description, number (of its last change)
    card   owner/slug/name    text, etag, number, written, by, and the fields of `Card.fields`
    gone   owner/slug/name    number
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from terrarium.capability.calendar.person import person_id
from terrarium.capability.contacts.vcard import Card, clean
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Change, Fields, Rows
from terrarium.core.values import Value

DEFAULT = "contacts"
"""The book that everybody has."""
BOOKS = 500
CARDS = 10_000  # with those that are gone
ROOM = 64 * 1024 * 1024  # characters of all cards
NAME = 200

_SLUG = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class Item:
    """One stored card: the key of its book, the last part of its path, and its fields."""

    book: str
    name: str
    fields: Fields

    @property
    def etag(self) -> str:
        """Its entity tag, quoted as headers have it."""
        return f'"{self.fields["etag"]}"'


class Books:
    """All address books of one world. Knows nothing of who may do what.

    Args:
        site: Where they stand.
        store: The rows they are kept in.
    """

    def __init__(self, site: Site, store: Rows) -> None:
        self.site = site
        self.store = store
        self._room = 0
        self._uids: dict[tuple[str, str], str] = {}
        for row in store.table("card"):
            self._note(Change("", "card", row.key, None, row.fields))
        store.subscribe(self._note)

    # -- books ----------------------------------------------------------------------------------------------------

    def all(self, owner: str) -> list[tuple[str, Fields]]:
        """Keys and fields of a person's books, the one that everybody has among them."""
        found = {row.key: row.fields for row in self.store.table("book", f"{owner}/")}
        usual = f"{owner}/{DEFAULT}"
        found.setdefault(usual, self._usual())
        return sorted(found.items())

    def owners(self) -> list[str]:
        """Whose books have anything in them."""
        return sorted({row.key.partition("/")[0] for row in self.store.table("book")})

    def get(self, key: str) -> Fields:
        """The fields of a book.

        Raises:
            NotFound: There is none of that key.
        """
        found = self.store.get("book", key)
        if found is None and key.partition("/")[2] == DEFAULT:
            return self._usual()
        if found is None:
            raise NotFound(f"there is no address book {key[:120]!r}")
        return found

    def has(self, key: str) -> bool:
        """Whether there is such a book."""
        return key.partition("/")[2] == DEFAULT or self.store.get("book", key) is not None

    def create(self, owner: str, slug: str, name: str, description: str | None = None) -> str:
        """Make a book and return its key.

        Raises:
            Refused: There is one already, there are too many, or a name cannot be one.
        """
        person_id(owner)
        slug = str(slug)
        if not _SLUG.fullmatch(slug) or slug.startswith(".") or slug != clean(slug):
            raise Refused(f"{str(slug)[:80]!r} cannot be the id of an address book")
        key = f"{owner}/{slug}"
        if self.has(key):
            raise Refused(f"{owner} has an address book {slug!r} already")
        if self.store.count("book") >= BOOKS:
            raise Refused(f"there are at most {BOOKS} address books")
        fields = {**self._usual(), "name": _title(name), "description": description and _title(description)}
        self.store.insert(self.site.actor(), "book", key, fields)
        return key

    def alter(self, key: str, **fields: Value) -> None:
        """Change the name or description of a book.

        Raises:
            NotFound: There is none.
            Refused: It cannot be one.
        """
        told = {name: value and _title(value) for name, value in fields.items()}
        self._write(key, {**self.get(key), **told})

    def discard(self, key: str) -> None:
        """Remove a book with all in it; the one that everybody has is empty then.

        Raises:
            NotFound: There is none.
        """
        self.get(key)
        actor = self.site.actor()
        if key.partition("/")[2] == DEFAULT:
            for item in list(self.cards(key)):
                self.remove(item)
            return
        for table in ("card", "gone"):
            for row in list(self.store.table(table, f"{key}/")):
                self.store.delete(actor, table, row.key)
        self.store.delete(actor, "book", key)

    # -- cards ----------------------------------------------------------------------------------------------------

    def cards(self, key: str) -> Iterator[Item]:
        """The cards of a book, by name."""
        for row in self.store.table("card", f"{key}/"):
            yield Item(key, row.key[len(key) + 1 :], row.fields)

    def card(self, key: str, name: str) -> Item | None:
        """A card by the last part of its path."""
        found = self.store.get("card", f"{key}/{name}")
        return None if found is None else Item(key, name, found)

    def with_uid(self, key: str, uid: str) -> Item | None:
        """A card of a book by its UID."""
        name = self._uids.get((key, uid))
        return None if name is None else self.card(key, name)

    def put(self, key: str, name: str, card: Card, text: str | None = None) -> Item:
        """Store a card.

        Args:
            key: Of its book.
            name: The last part of its path.
            card: The card.
            text: As it was sent, where that is to be kept.

        Raises:
            Refused: The name cannot be one, another card of the book has its UID, or there is no room.
        """
        if not _SLUG.fullmatch(name) or name.startswith(".") or name != clean(name):
            raise Refused(f"{name[:80]!r} cannot be the name of a card")
        text = card.written() if text is None else text
        held = self.with_uid(key, card.uid)
        if held is not None and held.name != name:
            raise Refused("another card of this book has that UID")
        before = self.store.get("card", f"{key}/{name}")
        many = self.store.count("card") + self.store.count("gone") >= CARDS and before is None
        if many or self._room + len(text) - (len(before["text"]) if before else 0) > ROOM:
            raise Refused("the address books take all the room there is")
        if before is not None and before["text"] == text:
            return Item(key, name, before)
        number = self._next(key)
        etag = hashlib.sha256(text.encode()).hexdigest()[:16]
        fields = {**card.fields(), "text": text, "etag": etag, "number": number}
        fields |= {"written": self.site.clock.now, "by": self.site.actor()}
        self.store.change(self.site.actor(), "card", f"{key}/{name}", before, fields)
        if self.store.get("gone", f"{key}/{name}") is not None:
            self.store.delete(self.site.actor(), "gone", f"{key}/{name}")
        return Item(key, name, fields)

    def remove(self, item: Item) -> None:
        """Delete a card."""
        number, place = self._next(item.book), f"{item.book}/{item.name}"
        self.store.delete(self.site.actor(), "card", place)
        self.store.insert(self.site.actor(), "gone", place, {"number": number})

    def changed_since(self, key: str, number: int) -> list[tuple[int, str, bool]]:
        """What changed after a state: (number, name, whether it is there), in order."""
        here = [(item.fields["number"], item.name, True) for item in self.cards(key)]
        gone = [(row.fields["number"], row.key[len(key) + 1 :], False) for row in self.store.table("gone", f"{key}/")]
        return sorted(change for change in here + gone if change[0] > number)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _next(self, key: str) -> int:
        fields = self.get(key)
        self._write(key, {**fields, "number": fields["number"] + 1})
        return int(fields["number"]) + 1

    def _write(self, key: str, fields: Fields) -> None:
        before = self.store.get("book", key)
        if before != fields:
            self.store.change(self.site.actor(), "book", key, before, fields)

    def _usual(self) -> dict[str, Value]:
        return {"name": "Contacts", "description": None, "number": 0}

    def _note(self, change: Change) -> None:
        """Keep what is known of the cards by heart: the room they take, and where each UID is."""
        if change.table != "card":
            return
        book, _, name = change.key.rpartition("/")
        if change.before is not None:
            self._room -= len(change.before["text"])
            self._uids.pop((book, change.before["uid"]), None)
        if change.after is not None:
            self._room += len(change.after["text"])
            self._uids[book, change.after["uid"]] = name


def _title(text: str) -> str:
    text = str(text)
    if not text.strip() or len(text) > NAME:
        raise Refused(f"a name or description is a text of at most {NAME} characters")
    return clean(text)
