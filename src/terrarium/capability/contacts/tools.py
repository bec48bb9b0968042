"""What one agent can do with contacts: tools over its own person's address books."""

from __future__ import annotations

from collections.abc import Callable

from terrarium.capability.contacts.desk import ContactDesk, shape
from terrarium.core.capability import instance_tool
from terrarium.core.errors import Refused
from terrarium.core.tool import Tool
from terrarium.core.values import Value

PAGE = 200


class ContactTools:
    """The tools of one agent.

    Args:
        desk: The contacts of its person.
    """

    def __init__(self, desk: ContactDesk) -> None:
        self._desk = desk

    def tools(self, site_name: str) -> list[Tool]:
        """The tools, named after the site."""
        looking: dict[str, Callable[..., Value]] = {"get": self.get, "list": self.page, "search": self.search}
        acting: dict[str, Callable[..., Value]] = {"add": self.add, "delete": self.delete, "update": self.update}
        made = [Tool.of(method, instance_tool(site_name, verb), writes=False) for verb, method in looking.items()]
        made += [Tool.of(method, instance_tool(site_name, verb)) for verb, method in acting.items()]
        return sorted(made, key=lambda tool: tool.name)

    def page(self, book: str | None = None, limit: int = 100, start: int = 0) -> dict[str, Value]:
        """List your contacts by name.

        Args:
            book: Only this address book; default is all of them.
            limit: How many, 1 to 200.
            start: From which on, counted from 0.

        Returns:
            `total` and `contacts`, each `uid`, `name`, `emails`, `phones`, `organization`, `book`.
        """
        found = self._desk.items(book)
        if not 1 <= limit <= PAGE or start < 0:
            raise Refused(f"limit must be 1 to {PAGE}, and start 0 or more")
        return {"total": len(found), "contacts": [_short(shape(item)) for item in found[start : start + limit]]}

    def search(self, query: str) -> list[dict[str, Value]]:
        """Search your contacts; all words must occur in name, addresses, numbers, organization, note or labels.

        Args:
            query: The words.

        Returns:
            Up to 200 contacts, each `uid`, `name`, `emails`, `phones`, `organization`, `book`.
        """
        return [_short(shape(item)) for item in self._desk.find(query)[:PAGE]]

    def get(self, uid: str) -> dict[str, Value]:
        """Get everything about a contact.

        Args:
            uid: As lists give it.

        Returns:
            `uid`, `name`, `family`, `given`, `emails`, `phones`, `addresses`, `categories`, `organization`, `title`,
            `note`, `birthday`, `url`, `book`, `changed`.
        """
        return shape(self._desk.item(uid))

    def add(
        self,
        name: str,
        emails: list[str] | None = None,
        phones: list[str] | None = None,
        organization: str | None = None,
        title: str | None = None,
        note: str | None = None,
        birthday: str | None = None,
        addresses: list[str] | None = None,
        categories: list[str] | None = None,
    ) -> dict[str, Value]:
        """Add a contact to your address book. Search first: they may be there already.

        Args:
            name: The whole name.
            emails: Mail addresses.
            phones: Telephone numbers.
            organization: Where they work.
            title: As what.
            note: Anything.
            birthday: Such as 1990-04-30.
            addresses: Where they live.
            categories: Labels.

        Returns:
            The contact, with its `uid`.
        """
        fields: dict[str, Value] = {
            "emails": emails,
            "phones": phones,
            "organization": organization,
            "title": title,
            "note": note,
        }
        fields |= {"birthday": birthday, "addresses": addresses, "categories": categories}
        return shape(self._desk.add(None, name=name, **fields))

    def update(
        self,
        uid: str,
        name: str | None = None,
        emails: list[str] | None = None,
        phones: list[str] | None = None,
        organization: str | None = None,
        title: str | None = None,
        note: str | None = None,
        birthday: str | None = None,
        addresses: list[str] | None = None,
        categories: list[str] | None = None,
    ) -> dict[str, Value]:
        """Change a contact. What you leave out stays; an empty text or list removes; lists replace the whole list.

        Args:
            uid: As lists give it.
            name: The whole name.
            emails: All mail addresses from now on.
            phones: All telephone numbers from now on.
            organization: Where they work.
            title: As what.
            note: Anything.
            birthday: Such as 1990-04-30.
            addresses: All addresses from now on.
            categories: All labels from now on.

        Returns:
            The contact.
        """
        fields: dict[str, Value] = {
            "emails": emails,
            "phones": phones,
            "organization": organization,
            "title": title,
            "note": note,
        }
        fields |= {"birthday": birthday, "addresses": addresses, "categories": categories}
        return shape(self._desk.update(uid, name=name, **fields))

    def delete(self, uid: str) -> str:
        """Delete a contact, for good.

        Args:
            uid: As lists give it.
        """
        self._desk.remove(uid)
        return "deleted"


def _short(told: dict[str, Value]) -> dict[str, Value]:
    return {name: told[name] for name in ("uid", "name", "emails", "phones", "organization", "book")}
