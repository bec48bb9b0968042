"""Who may see and change what through CalDAV, and how people plan through it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from caldav_server import ICS, WORK, Client, Ours, put, refused
from caldav_texts import C, D, event, ics, propfind


def test_what_is_not_shared_is_not_there(ours: Ours, client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    bob = Client(ours.port, "bob")
    for method, path in (
        ("PROPFIND", "/ann/"),
        ("PROPFIND", WORK),
        ("GET", WORK + "a.ics"),
        ("DELETE", WORK),
        ("PUT", WORK + "b.ics"),
    ):
        assert bob.ask(method, path, event("b@x") if method == "PUT" else b"", Depth="0", **ICS).status in (404, 409)
    ours.calendar.share("ann/work", "bob", "read")
    mine = [
        href for href, props in bob.ask("PROPFIND", "/bob/", propfind("D:displayname"), Depth="1").responses().items()
    ]
    assert "/bob/ann~work/" in mine
    assert bob.ask("GET", "/bob/ann~work/a.ics").status == bob.ask("GET", WORK + "a.ics").status == 200
    for path in ("/bob/ann~work/b.ics", WORK + "b.ics"):
        refused(bob.ask("PUT", path, event("b@x"), **ICS), f"{D}need-privileges")
    refused(bob.ask("DELETE", WORK + "a.ics"), f"{D}need-privileges")
    ours.calendar.share("ann/work", "bob", "write")
    assert bob.ask("PUT", "/bob/ann~work/b.ics", event("b@x"), **ICS).status == 201
    assert client.ask("GET", WORK + "b.ics").status == 200
    assert bob.ask("DELETE", "/bob/ann~work/").status == 403
    ours.calendar.share("ann/work", "bob", "none")
    assert bob.ask("GET", WORK + "a.ics").status == 404
    bob.close()


def test_passwords_confine() -> None:
    ours = Ours({"accounts": {"agent": {"person": "ann", "password": "right"}}, "people": {"bob": {"name": "Bob"}}})
    try:
        for user, password, status in (
            ("ann", "right", 207),
            ("ann", "wrong", 401),
            ("bob", "", 401),
            ("eve", "x", 401),
            (None, "", 401),
        ):
            client = Client(ours.port, user, password)
            reply = client.ask("PROPFIND", "/", propfind("D:current-user-principal"), Depth="0")
            assert reply.status == status, user
            assert ("www-authenticate" in reply.headers) == (status == 401)
            client.close()
    finally:
        ours.close()


PEOPLE = {
    "ann": {"address": "ann@corp.example", "password": "lavender", "agent": "agent"},
    "bob": {"address": "bob@corp.example", "agent": "other"},
    "boss": "The Boss <boss@corp.example>",
}


@pytest.mark.parametrize(
    ("agent", "user", "password", "principal"),
    [
        ("agent", "ann", "lavender", "ann"),
        ("agent", "ann@corp.example", "lavender", "ann"),
        ("agent", "ann", "wrong", None),
        ("agent", "bob", "", None),
        ("agent", None, "", None),
        ("other", None, "", "bob"),
        ("other", "bob", "anything", "bob"),
        ("other", "ann", "lavender", "ann"),
        ("other", "ann", "", None),
        ("other", "boss", "", None),
        ("other", "admin", "", None),
        ("other", "eve", "", None),
        ("nobody", None, "", None),
        ("nobody", "bob", "", None),
    ],
)
def test_declared_people_are_themselves(agent: str, user: str | None, password: str, principal: str | None) -> None:
    ours = Ours(agent=agent, people=PEOPLE)
    try:
        client = Client(ours.port, user, password)
        reply = client.ask("PROPFIND", "/", propfind("D:current-user-principal"), Depth="0")
        assert reply.status == (401 if principal is None else 207)
        assert principal is None or f"/{principal}/".encode() in reply.body
        client.close()
    finally:
        ours.close()


def test_declared_people_share_and_delegate() -> None:
    ours = Ours(agent="other", people=PEOPLE)
    try:
        ours.calendar.create_calendar("The Boss", "main", owner="boss")
        ours.calendar.create_calendar("Team", "team")
        bob = Client(ours.port, None)
        assert bob.ask("GET", "/boss/main/").status == bob.ask("GET", "/admin/team/").status == 404
        ours.calendar.share("boss/main", "bob", "write")
        assert bob.ask("PUT", "/bob/boss~main/a.ics", event("a@x"), **ICS).status == 201
        ours.calendar.share("boss/main", "bob", "none")
        assert bob.ask("GET", "/bob/boss~main/a.ics").status == 404
        bob.close()
    finally:
        ours.close()


@pytest.mark.parametrize(
    ("config", "who"),
    [
        ({}, {"agent": "ann@corp.example", "other": "bob@corp.example"}),
        ({"accounts": {"other": "boss"}}, {"agent": "ann@corp.example", "other": "boss@corp.example"}),
        ({"accounts": {"agent": "Ann <ann@home>"}}, {"agent": "ann@home", "other": "bob@corp.example"}),
        ({"people": {"bob": "Robert <robert@x>"}}, {"agent": "ann@corp.example", "other": "robert@x"}),
    ],
)
def test_what_the_configuration_says_wins(config: dict[str, Any], who: dict[str, str]) -> None:
    ours = Ours(config, people=PEOPLE)
    try:
        assert {agent: ours.calendar.person(agent)["address"] for agent in who} == who
    finally:
        ours.close()


def test_without_a_login_one_is_the_agent_and_sees_what_is_everybodys() -> None:
    ours = Ours()
    try:
        ours.calendar.create_calendar("Team", "team")
        ours.calendar.create_calendar("Private", "private", owner="bob")
        client = Client(ours.port, None)
        found = client.ask("PROPFIND", "/agent/", propfind("D:displayname"), Depth="1").responses()
        assert "/agent/admin~team/" in found
        assert not any("private" in href for href in found)
        assert client.ask("PUT", "/admin/team/a.ics", event("a@x"), **ICS).status == 201
        assert client.ask("GET", "/bob/private/").status == 404
        client.close()
    finally:
        ours.close()


def test_a_meeting_is_planned_between_clients(ours: Ours, client: Client) -> None:
    people = [
        "ORGANIZER:mailto:ann@world.example",
        "ATTENDEE;RSVP=TRUE:mailto:bob@world.example",
        "ATTENDEE:mailto:eve@out.example",
    ]
    meeting = event("m@x", "20300110T100000Z", "20300110T110000Z", "SUMMARY:Plan", *people)
    made = put(client, "m.ics", meeting)
    assert made.headers["schedule-tag"]
    bob = Client(ours.port, "bob")
    [inbox] = [
        h
        for h in bob.ask("PROPFIND", "/bob/inbox/", propfind("D:getetag"), Depth="1").responses()
        if h.endswith(".ics")
    ]
    assert "METHOD:REQUEST" in bob.ask("GET", inbox).text
    copy = bob.ask("GET", "/bob/default/m@x.ics")
    assert copy.status == 200
    accepted = copy.text.replace("ATTENDEE;RSVP=TRUE", "ATTENDEE;PARTSTAT=ACCEPTED")
    assert bob.ask("PUT", "/bob/default/m@x.ics", accepted, **ICS, If_Match=copy.headers["etag"]).status == 204
    after = client.ask("GET", WORK + "m.ics")
    assert "PARTSTAT=ACCEPTED:mailto:bob@world.example" in after.text.replace("\r\n ", "")
    assert after.headers["etag"] != made.headers["etag"]
    assert after.headers["schedule-tag"] == made.headers["schedule-tag"], "the plan is still the same"
    assert put(client, "m.ics", meeting, If_Schedule_Tag_Match='"stale"').status == 412
    assert bob.ask("DELETE", "/bob/default/m@x.ics").status == 204
    assert "PARTSTAT=DECLINED" in client.ask("GET", WORK + "m.ics").text.replace("\r\n ", "")
    subjects = [(letter["to"], letter["subject"]) for letter in ours.letters]
    assert subjects == [
        ("bob@world.example", "Invitation: Plan"),
        ("eve@out.example", "Invitation: Plan"),
        ("ann@world.example", "Accepted: Plan"),
        ("ann@world.example", "Declined: Plan"),
    ]
    bob.close()


def test_the_outbox_tells_when_others_are_busy(ours: Ours, client: Client) -> None:
    ours.calendar.create_calendar("B", "b", owner="bob")
    ours.calendar.add_event("bob/b", "secret", datetime(2030, 1, 7, 10), datetime(2030, 1, 7, 11))
    asked = "BEGIN:VFREEBUSY\nUID:f@x\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T000000Z\nDTEND:20300108T000000Z\n"
    people = "ORGANIZER:mailto:{}\nATTENDEE:mailto:bob@world.example\nATTENDEE:mailto:no@where.example\nEND:VFREEBUSY"
    question = ics(asked + people.format("ann@world.example"), method="REQUEST")
    reply = client.ask("POST", "/ann/outbox/", question, **ICS)
    assert reply.status == 200
    assert "20300107T100000Z/20300107T110000Z" in reply.text
    assert "secret" not in reply.text
    assert "3.7;" in reply.text
    refused(
        client.ask("POST", "/ann/outbox/", ics(asked + people.format("eve@x"), method="REQUEST"), **ICS),
        f"{C}organizer-allowed",
    )


def test_who_wrote_it_and_when_is_world_time(ours: Ours, client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    assert client.ask("GET", WORK + "a.ics").headers["last-modified"] == "Mon, 07 Jan 2030 09:00:00 GMT"
    assert client.ask("OPTIONS", "/").headers["date"] == "Mon, 07 Jan 2030 09:00:00 GMT"
