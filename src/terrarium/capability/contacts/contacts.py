"""Address books for a world: people keep contacts, agents use them, CardDAV clients find the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from terrarium.capability.calendar.person import people_of, person_id
from terrarium.capability.contacts.books import DEFAULT, Books
from terrarium.capability.contacts.desk import ContactDesk, shape
from terrarium.capability.contacts.tools import ContactTools
from terrarium.core.capability import Equipment, Site, Traits, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Service
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import HTTPS

if TYPE_CHECKING:
    import socket
    import ssl

    from terrarium.core.network import Caller
    from terrarium.http.server import HttpServer


_SYNC = frozenset({"number", "etag", "written", "by"})  # fields that every write changes


class Contacts:
    """Address books: contacts as vCards, for people, agents and CardDAV clients.

    Where people are declared or one has a password, CardDAV lets people act as themselves only, with their password.

    Configuration:
        accounts (table, default {}): Which person each agent is: `{"agent": "ann"}`, `"Ann <ann@corp.example>"`, or a
            table of `person`, `name`, `address`, `password`. Without it an agent is the person that the task declares
            for it; where it declares nobody, a person of its own name, who also uses the books of `username`.
        people (table, default {}): Further people, by id, each the same.
        username (text, default "admin"): Whose the books are where the task declares nobody.
        domain (text, default "world.example"): The address of a person without one is `<id>@<domain>`.
        host (text, default "contacts.world"): Where the CardDAV server is; of an instance, `<instance>.contacts.world`.
        port (port, default 5232): The same, in the clear; 443 always speaks TLS.
        image (anything, ignored): Configurations written for containers have it.

    Shapes:
        contact: `uid`, `name`, `family`, `given`, `emails`, `phones`, `addresses`, `categories` (lists of texts),
            `organization`, `title`, `note`, `birthday`, `url` (texts, or None), `book` (an id), `changed` (datetime),
            and `by`, who wrote it last.
    """

    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, an agent that is not there, or a value that cannot be one.
            Refused: Its port is served already.
            CapabilityFault: The state cannot be read.
        """
        self._people = people_of(site.config, site.agents, site.name, site.people, "contacts")
        self._site = site
        self._books = Books(site, site.rows())
        self._server: HttpServer | None = None
        self._services: list[Service] = []
        for port, connect in {self._people.port: self._connect, HTTPS: self._connect_securely}.items():
            self._services.append(await site.network.serve(self._people.host, port, connect))

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do, as the person it is.

        Raises:
            NotFound: There is no such agent.
        """
        if agent not in self._people.agents:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._people.agents)}")
        owners = [self._people.agents[agent].id, *([self._people.username] if self._people.shared else [])]
        return ContactTools(ContactDesk(self._books, list(dict.fromkeys(owners)))).tools(self._site.name)

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            book: `owner/id`: an address book.
            card: `owner/id/name`: a contact, as text and as fields.
            gone: `owner/id/name`: what was deleted, for clients that synchronise.
        """
        return self._books.store.all()

    def equipment(self, agent: str) -> Equipment:
        """Where the agent's person logs in."""
        return Equipment(logins=(self._people.host.lower(),))

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without the numbers, tags and traces of deletion that clients synchronise by."""
        return [c for c in changes if c.table != "gone" and not (c.kind == "changed" and _SYNC.issuperset(c.fields))]

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`."""
        self._books.store.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; idempotent."""
        if not hasattr(self, "_books"):
            return
        for service in self._services:
            await self._site.network.withdraw(service)
        self._services.clear()
        if self._server is not None:
            await self._server.close()
        self._books.store.close()

    async def _connect_securely(self, connection: socket.socket, caller: Caller) -> None:
        await self._connect(connection, caller, self._site.authority.server(self._people.host))

    async def _connect(self, connection: socket.socket, caller: Caller, tls: ssl.SSLContext | None = None) -> None:
        """One connection of a CardDAV client; the libraries for it are loaded with the first."""
        if self._server is None:
            from terrarium.capability.contacts.carddav.app import CardDav
            from terrarium.http.server import HttpServer

            self._server = HttpServer(CardDav(self._books, self._people).serve, now=lambda: self._site.clock.now)
        await self._server.handle(connection, caller, tls)

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where CardDAV clients find it."""
        host, port = self._people.host, self._people.port
        url = f"https://{host}/" if port == HTTPS else f"http://{host}:{port}/"
        return {"carddav_host": host, "carddav_port": port, "carddav_url": url}

    # -- books ----------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def create_book(self, name: str, book_id: str | None = None, owner: str | None = None) -> str:
        """Make a further address book and return its id; everybody has one called `contacts`.

        Args:
            name: What people see.
            book_id: The last part of its path; default: a random one.
            owner: Whose; default: the one agent's person, or `username` where nobody is declared.

        Raises:
            Refused: There is one of that id, or an argument cannot be.
        """
        slug = self._site.rng.token(self._site.name, 12) if book_id is None else book_id
        return self._books.create(self._owner(owner), slug, name).partition("/")[2]

    @reads
    def books(self, owner: str | None = None) -> list[dict[str, Value]]:
        """The address books of a person: each `id`, `name`, `owner`, `contacts` (how many).

        Raises:
            Refused: `owner` is needed, or cannot be one.
        """
        return [
            {
                "id": key.partition("/")[2],
                "name": fields["name"],
                "owner": key.partition("/")[0],
                "contacts": sum(1 for _ in self._books.cards(key)),
            }
            for key, fields in self._books.all(self._owner(owner))
        ]

    # -- contacts -------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def add_contact(
        self,
        name: str,
        owner: str | None = None,
        emails: list[str] | None = None,
        phones: list[str] | None = None,
        organization: str | None = None,
        title: str | None = None,
        note: str | None = None,
        birthday: str | None = None,
        addresses: list[str] | None = None,
        categories: list[str] | None = None,
        url: str | None = None,
        book: str = DEFAULT,
        uid: str | None = None,
    ) -> str:
        """Write a contact into a person's address book and return its uid.

        Args:
            name: The whole name; the last word is taken as the family's.
            owner: Whose book; default: the one agent's person, or `username` where nobody is declared.
            emails: Mail addresses.
            phones: Telephone numbers.
            organization: Where they work.
            title: As what.
            note: Anything.
            birthday: Such as `1990-04-30`.
            addresses: Where they live.
            categories: Labels.
            url: Their page.
            book: Which of the person's books.
            uid: What names it; default: a random one.

        Raises:
            NotFound: There is no such book.
            Refused: A field cannot be one, the uid is taken, or there is no room.
        """
        fields: dict[str, Value] = {
            "emails": emails,
            "phones": phones,
            "organization": organization,
            "title": title,
            "note": note,
        }
        fields |= {"birthday": birthday, "addresses": addresses, "categories": categories, "url": url}
        return str(self._desk(owner).add(book, uid, name=name, **fields).fields["uid"])

    @writes(silent=True)
    def import_vcard(self, text: str, owner: str | None = None, book: str = DEFAULT) -> str:
        """Store a vCard as it is and return its uid; one of that uid is replaced.

        Raises:
            NotFound: There is no such book.
            Refused: It is none, or there is no room.
        """
        return str(self._desk(owner).store(book, text).fields["uid"])

    @reads
    def get_contact(self, uid: str, owner: str | None = None) -> dict[str, Value]:
        """One `contact`, with `vcard`, its text.

        Raises:
            NotFound: There is none.
        """
        item = self._desk(owner).item(uid)
        return {**shape(item), "by": item.fields["by"], "vcard": item.fields["text"]}

    @reads
    def list_contacts(self, owner: str | None = None, book: str | None = None) -> list[dict[str, Value]]:
        """The contacts of a person by name, each a `contact`; of one book, or of all.

        Raises:
            NotFound: There is no such book.
        """
        return [{**shape(item), "by": item.fields["by"]} for item in self._desk(owner).items(book)]

    @reads
    def find(self, query: str, owner: str | None = None) -> list[dict[str, Value]]:
        """The contacts of a person in which all words occur, each a `contact`.

        Raises:
            Refused: There are no words, or too many.
        """
        return [{**shape(item), "by": item.fields["by"]} for item in self._desk(owner).find(query)]

    @writes(silent=True)
    def update_contact(
        self,
        uid: str,
        owner: str | None = None,
        name: str | None = None,
        emails: list[str] | None = None,
        phones: list[str] | None = None,
        organization: str | None = None,
        title: str | None = None,
        note: str | None = None,
        birthday: str | None = None,
        addresses: list[str] | None = None,
        categories: list[str] | None = None,
        url: str | None = None,
    ) -> None:
        """Change fields of a contact: what is None stays, what is empty is removed.

        Raises:
            NotFound: There is none.
            Refused: A field cannot be one, or there is no room.
        """
        fields: dict[str, Value] = {
            "emails": emails,
            "phones": phones,
            "organization": organization,
            "title": title,
            "note": note,
        }
        fields |= {"birthday": birthday, "addresses": addresses, "categories": categories, "url": url}
        self._desk(owner).update(uid, name=name, **fields)

    @writes(silent=True)
    def delete_contact(self, uid: str, owner: str | None = None) -> None:
        """Remove a contact.

        Raises:
            NotFound: There is none.
        """
        self._desk(owner).remove(uid)

    def _desk(self, owner: str | None) -> ContactDesk:
        return ContactDesk(self._books, [self._owner(owner)])

    def _owner(self, owner: str | None) -> str:
        if owner is not None:
            return person_id(owner)
        if self._people.shared:
            return self._people.username
        if len(self._people.agents) != 1:
            raise Refused("say whose with `owner`: there are several agents")
        return next(iter(self._people.agents.values())).id
