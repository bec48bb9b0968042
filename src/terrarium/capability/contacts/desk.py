"""What one person can do with address books, in plain words; the one code behind the admin face and the tools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.capability.contacts.books import DEFAULT, Books, Item
from terrarium.capability.contacts.vcard import LISTS, TEXTS, Card, escaped, new, parse
from terrarium.core.errors import NotFound, Refused
from terrarium.core.values import Value

LONGEST = 20_000  # characters of one field
MANY = 200  # values of one field


class ContactDesk:
    """The contacts that one person uses.

    Args:
        books: All address books.
        owners: Whose books they are; new contacts are the first one's.
    """

    def __init__(self, books: Books, owners: Sequence[str]) -> None:
        self._books = books
        self._owners = tuple(owners)

    def keys(self) -> list[str]:
        """The keys of all books."""
        return [key for owner in self._owners for key, _ in self._books.all(owner)]

    def items(self, book: str | None = None) -> list[Item]:
        """The cards of all books, or of one, by name.

        Raises:
            NotFound: There is no such book.
        """
        keys = self.keys() if book is None else [self.key(book)]
        found = [item for key in keys for item in self._books.cards(key)]
        return sorted(found, key=lambda item: (item.fields["name"].casefold(), item.fields["uid"], item.book))

    def item(self, uid: str) -> Item:
        """A card by its uid.

        Raises:
            NotFound: There is none.
        """
        for key in self.keys():
            found = self._books.with_uid(key, uid)
            if found is not None:
                return found
        raise NotFound(f"there is no contact {str(uid)[:80]!r}")

    def key(self, book: str | None) -> str:
        """The key of a book.

        Raises:
            NotFound: There is none.
        """
        keys = [f"{owner}/{DEFAULT if book is None else book}" for owner in self._owners]
        key = next((one for one in keys if self._books.has(one)), None)
        if key is None:
            there = ", ".join(one.partition("/")[2] for one in self.keys())
            raise NotFound(f"there is no address book {str(book)[:80]!r}; there are: {there}")
        return key

    def find(self, query: str) -> list[Item]:
        """The cards in which all words occur.

        Raises:
            Refused: There are no words, or too many.
        """
        words = query.casefold().split()
        if not words or len(words) > 20 or len(query) > 500:
            raise Refused("a query has 1 to 20 words, 500 characters at most")
        return [item for item in self.items() if all(word in _told(item) for word in words)]

    def add(self, book: str | None, uid: str | None = None, **fields: Value) -> Item:
        """Make a card; the fields are those of `contact`, and `name` is needed.

        Raises:
            NotFound: There is no such book.
            Refused: A field cannot be one, the uid is taken, or there is no room.
        """
        key = self.key(book)
        if not isinstance(fields.get("name"), str):
            raise Refused("a contact needs a name")
        if uid is None:
            uid = str(self._books.site.rng.uuid(f"{self._books.site.name}/uid"))
        if any(self._books.with_uid(one, uid) for one in self.keys()):
            raise Refused(f"there is a contact {str(uid)[:80]!r} already")
        return self._books.put(key, _path(uid), parse(_changed(new(str(uid)), fields).written()))

    def store(self, book: str | None, text: str) -> Item:
        """Keep a vCard as it is; one of that uid in the book is replaced.

        Raises:
            NotFound: There is no such book.
            Refused: It is none, or there is no room.
        """
        key, card = self.key(book), parse(text)
        held = self._books.with_uid(key, card.uid)
        return self._books.put(key, _path(card.uid) if held is None else held.name, card, text)

    def update(self, uid: str, **fields: Value) -> Item:
        """Change fields of a card; those that are None stay, empty ones are removed, and so is nothing else.

        Raises:
            NotFound: There is none.
            Refused: A field cannot be one, or there is no room.
        """
        item = self.item(uid)
        card = parse(_changed(parse(item.fields["text"]), fields).written())
        return self._books.put(item.book, item.name, card)

    def remove(self, uid: str) -> None:
        """Delete a card.

        Raises:
            NotFound: There is none.
        """
        self._books.remove(self.item(uid))


def shape(item: Item) -> dict[str, Value]:
    """A contact in plain words."""
    hidden = ("text", "etag", "number", "written", "by")
    told = {name: value for name, value in item.fields.items() if name not in hidden}
    return {**told, "book": item.book.partition("/")[2], "changed": item.fields["written"]}


def _path(uid: str) -> str:
    """The last part of the path of a new card."""
    fits = uid.isascii() and uid.isprintable() and "/" not in uid and not uid.startswith(".") and len(uid) < 150
    return f"{uid if fits else hashlib.sha256(uid.encode('utf-8', 'replace')).hexdigest()[:24]}.vcf"


def _told(item: Item) -> str:
    fields = item.fields
    parts = [fields[name] or "" for name in ("name", "family", "given", "organization", "title", "note")]
    lists = [one for name in ("emails", "phones", "addresses", "categories") for one in fields[name]]
    return "\n".join([*parts, *lists]).casefold()


def _changed(card: Card, fields: Mapping[str, Value]) -> Card:
    """The card with fields that were given; of others nothing changes."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    for name, value in given.items():
        if name in (*LISTS, "addresses", "categories"):
            _many(name, value)
        else:
            _one(name, value)
    for field, name in TEXTS.items():
        if field in given:
            card = card.having(name, [given[field]] if given[field] else [])
    for field, name in LISTS.items():
        if field in given:
            card = card.having(name, given[field])
    if "organization" in given:
        card = card.having("ORG", [escaped(given["organization"])] if given["organization"] else [], structured=True)
    if "addresses" in given and card.fields()["addresses"] != given["addresses"]:
        card = card.having("ADR", [f";;{escaped(one)};;;;" for one in given["addresses"]], structured=True)
    if "categories" in given:
        told = ",".join(escaped(one) for one in given["categories"])
        card = card.having("CATEGORIES", [told] if told else [], structured=True)
    if "name" in given or "family" in given or "given" in given:
        before = card.fields()
        guess = str(given.get("name", before["name"])).strip().rpartition(" ")
        renamed = "name" in given
        family = str(given.get("family", guess[2] if renamed else before["family"]))
        first = str(given.get("given", guess[0] if renamed else before["given"]))
        card = card.having("N", [f"{escaped(family)};{escaped(first)};;;"], structured=True)
    return card


def _one(name: str, value: Value) -> None:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise Refused(f"{name} must be a text of at most {LONGEST} characters")
    if name == "name" and not value.strip():
        raise Refused("a contact needs a name")


def _many(name: str, value: Value) -> None:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or len(value) > MANY:
        raise Refused(f"{name} must be a list of at most {MANY} texts")
    for one in value:
        if not isinstance(one, str) or not one.strip() or len(one) > LONGEST:
            raise Refused(f"{name} must be a list of texts")
