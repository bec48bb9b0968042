"""Address books: what the task and agents do with contacts, and what is kept of a vCard."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import Live

from terrarium.capability.contacts.contacts import Contacts
from terrarium.capability.contacts.vcard import escaped, new, parse, split, unescaped
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import declared
from terrarium.core.seeds import Rng

APPLE = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lee;Ann;;;\r\nFN:Ann Lee\r\nUID:apple-1\r\n"
    "item1.EMAIL;type=INTERNET;type=pref:ann@corp.example\r\nitem1.X-ABLabel:_$!<Work>!$_\r\n"
    'TEL;TYPE="cell,voice":+49 30 1\r\nORG:Corp\\, Inc.;Research\r\nPHOTO;ENCODING=b:QUJD\r\n'
    "NOTE:first line\\nsecond\r\n  line\r\nEND:VCARD\r\n"
)


def opened(folder: Path, agents: tuple[str, ...] = ("agent",), people: dict[str, Any] | None = None) -> Contacts:
    contacts = Contacts()
    site = Site(
        name="contacts",
        folder=folder,
        config={},
        clock=Clock(),
        rng=Rng(7),
        agents=agents,
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: None,  # type: ignore[arg-type, return-value]
        people=declared(people or {}, agents),
    )
    asyncio.run(contacts.open(site))
    return contacts


def test_the_server_is_there_in_the_clear_and_over_tls(tmp_path: Path):
    with Live(Contacts(), tmp_path, "contacts") as live:
        trusting = live.network.authority.client()
        for port, context in ((5232, None), (443, trusting)):
            link = socket.create_connection(("127.0.0.1", live.port(port, host="contacts.world")))
            with context.wrap_socket(link, server_hostname="contacts.world") if context else link as link:
                link.sendall(b"OPTIONS / HTTP/1.1\r\nHost: contacts.world\r\nConnection: close\r\n\r\n")
                assert b"addressbook" in link.recv(65536)


@pytest.fixture
def contacts(tmp_path: Path) -> Iterator[Contacts]:
    contacts = opened(tmp_path)
    yield contacts
    asyncio.run(contacts.close())


def tool(contacts: Contacts, verb: str, agent: str = "agent", **arguments: Any) -> Any:
    [found] = [one for one in contacts.tools(agent) if one.name == f"contacts_{verb}"]
    return found.function(**found.bind(arguments))


def test_what_the_task_adds_the_agent_uses(contacts: Contacts):
    uid = contacts.add_contact("Ann Lee", emails=["ann@corp.example"], organization="Corp, Inc.", note="a;b\nc")
    assert tool(contacts, "search", query="ann corp")[0]["uid"] == uid
    told = tool(contacts, "update", uid=uid, phones=["+49 30 1"], organization="")
    assert (told["phones"], told["organization"], told["emails"]) == (["+49 30 1"], None, ["ann@corp.example"])
    assert contacts.get_contact(uid)["note"] == "a;b\nc"
    made = tool(contacts, "add", name="Bob Ray")
    assert (made["family"], made["given"]) == ("Ray", "Bob")
    assert [one["name"] for one in contacts.list_contacts("agent")] == ["Bob Ray"]
    assert [one["name"] for one in tool(contacts, "list")["contacts"]] == ["Ann Lee", "Bob Ray"]
    tool(contacts, "delete", uid=uid)
    with pytest.raises(NotFound):
        contacts.get_contact(uid)


def test_changing_one_thing_leaves_the_rest_of_a_card(contacts: Contacts):
    uid = contacts.import_vcard(APPLE)
    before = contacts.get_contact(uid)
    assert (before["organization"], before["note"]) == ("Corp, Inc., Research", "first line\nsecond line")
    contacts.update_contact(uid, emails=["ann@corp.example", "lee@home.example"])
    text = contacts.get_contact(uid)["vcard"]
    for kept in ("item1.EMAIL;type=INTERNET;type=pref:ann@corp.example", "item1.X-ABLabel", "PHOTO;ENCODING=b:QUJD"):
        assert kept in text
    assert "\r\nEMAIL:lee@home.example\r\n" in text
    assert contacts.get_contact(uid)["phones"] == ["+49 30 1"]


def test_people_have_their_own_books(tmp_path: Path):
    people = {"ann": {"address": "ann@corp.example", "agent": "one"}, "bob": {"address": "b@c.example", "agent": "two"}}
    contacts = opened(tmp_path, ("one", "two"), people)
    contacts.add_contact("Friend of Ann", "ann")
    assert tool(contacts, "list", "one")["total"] == 1
    assert tool(contacts, "list", "two")["total"] == 0
    with pytest.raises(Refused, match="owner"):
        contacts.list_contacts()
    contacts.create_book("Work", "work", "ann")
    contacts.add_contact("Colleague", "ann", book="work")
    assert [one["contacts"] for one in contacts.books("ann")] == [1, 1]
    asyncio.run(contacts.close())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCARD\r\nEND:VCARD\r\n",
        APPLE.replace("3.0", "2.1"),
        APPLE.replace("UID:apple-1\r\n", ""),
        APPLE.replace("FN:Ann Lee", "FN: "),
        APPLE + APPLE,
        APPLE.replace("ORG:", "ORG"),
        APPLE.replace("QUJD", "Q" * 300_000),
        APPLE.replace("UID:apple-1", f"UID:{'x' * 300}"),
    ],
)
def test_what_is_no_vcard(contacts: Contacts, text: str):
    with pytest.raises(Refused):
        contacts.import_vcard(text)
    assert list(contacts.rows()) == []


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=90), max_size=5))
def test_any_text_survives(parts: list[str]):
    card = new("x").having("FN", ["n"]).having("NICKNAME", parts)
    again = parse(card.written())
    assert [unescaped(line.value) for line in again.all("NICKNAME")] == parts
    assert split(",".join(escaped(part) for part in parts), ",") == [part.strip() for part in parts] or parts in (
        [],
        [""],
    )
    assert all(len(line.encode()) <= 77 for line in card.written().split("\r\n"))
