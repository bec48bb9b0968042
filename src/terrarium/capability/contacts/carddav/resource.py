"""What a path stands for, as one person sees it.

/                        where every client may begin
/<person>/               a person: principal and home of their address books
/<person>/<book>/        an address book
/<person>/<book>/<name>  a card
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from terrarium.capability.calendar.person import People
from terrarium.capability.contacts.books import Books, Item
from terrarium.capability.webdav.answer import Failed
from terrarium.capability.webdav.path import quoted, segments
from terrarium.core.person import Person

Kind = Literal["root", "home", "book", "card"]


@dataclass(frozen=True)
class Resource:
    """One thing with a path.

    Attributes:
        kind: What it is.
        path: Where, percent-encoded.
        key: Of the book, or of the book that a card lies in.
        name: The last part of the path, decoded; also of a card or book that is not there yet.
        item: The card; None where it is not there yet.
        there: Whether it is there.
    """

    kind: Kind
    path: str
    key: str = ""
    name: str = ""
    item: Item | None = None
    there: bool = True


class Resources:
    """All paths, as one person sees them: their own.

    Args:
        books: All address books.
        people: Who there is.
        person: Who looks.
    """

    def __init__(self, books: Books, people: People, person: Person) -> None:
        self.books = books
        self.people = people
        self.person = person

    @property
    def home(self) -> str:
        """The path of the person's home."""
        return f"/{quoted(self.person.id)}/"

    def find(self, raw: str) -> Resource:
        """What a percent-encoded path stands for; a book or card may not be there yet.

        Raises:
            Failed: 404 where it would lie in what is not there for this person, 400 for a bad path.
        """
        parts = segments(raw)
        if not parts:
            return Resource("root", "/")
        if parts[0] != self.person.id or len(parts) > 3:
            raise Failed(404, message="there is nothing here")
        if len(parts) == 1:
            return Resource("home", self.home, name=parts[0])
        key = f"{parts[0]}/{parts[1]}"
        there = self.books.has(key)
        path = f"{self.home}{quoted(parts[1])}/"
        if len(parts) == 2:
            return Resource("book", path, key, parts[1], there=there)
        if not there:
            raise Failed(409, message="there is no such address book")
        item = self.books.card(key, parts[2])
        return Resource("card", f"{path}{quoted(parts[2])}", key, parts[2], item, item is not None)

    def inside(self, resource: Resource) -> Iterator[Resource]:
        """What lies in a resource, in order."""
        if resource.kind == "root":
            yield Resource("home", self.home, name=self.person.id)
        elif resource.kind == "home":
            for key, _ in self.books.all(self.person.id):
                slug = key.partition("/")[2]
                yield Resource("book", f"{self.home}{quoted(slug)}/", key, slug)
        elif resource.kind == "book":
            for item in self.books.cards(resource.key):
                yield self.of(resource, item)

    def of(self, book: Resource, item: Item) -> Resource:
        """A card of a book."""
        return Resource("card", f"{book.path}{quoted(item.name)}", book.key, item.name, item)
