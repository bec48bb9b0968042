"""Invitations and answers that come as mail: by tool, by SMTP, from the task program; and those nobody believes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from caldav_texts import ics
from mail_site import MailSite

from terrarium.capability.address import parse_address
from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.capability import Site
from terrarium.core.post import hand_over
from terrarium.core.seeds import Rng

ANN, BOB, EVE = "ann@world.example", "bob@world.example", "eve@out.example"
AGENTS = ("ann", "bob")
WHEN = "DTSTART:20300108T100000Z\nDTEND:20300108T110000Z\nDTSTAMP:20300107T090000Z"


class Office:
    """An `Email` and a `Calendar` that hand each other their letters, as in a world."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        self.stand = MailSite(folder, agents=AGENTS, config=config)
        self.email, self.calendar = self.stand.email, Calendar()
        capabilities = {"calendar": self.calendar, "email": self.email}

        def post(kind: str, letter: Mapping[str, Any]) -> bool:
            return hand_over(capabilities, kind, letter)

        site = Site(
            name="calendar",
            folder=folder / "calendar",
            config={},
            clock=self.stand.clock,
            rng=Rng(7),
            agents=AGENTS,
            changed=self.stand.changes.append,
            actor=lambda: self.stand.holder,
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            post=post,
        )
        self.stand.site.post = post
        asyncio.run(self.calendar.open(site))
        self.calendar.create_calendar("Ann", "plans", owner="ann")
        self.uid = self.calendar.add_event(
            "ann/plans", "Plan", datetime(2030, 1, 8, 10, tzinfo=UTC), attendees=[BOB, EVE]
        )

    def smtp(self, actor: str, sender: str, text: str, to: str = ANN, **settings: Any) -> None:
        """What a mail client in an agent's sandbox does: an alternative, as RFC 6047 has it, and the file once more."""
        method = text.partition("METHOD:")[2].split("\r\n")[0]
        parts = (
            'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n'
            'Content-Type: multipart/alternative; boundary="i"\r\n\r\n'
            "--i\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
            f"--i\r\nContent-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{text}\r\n--i--\r\n--o\r\n"
            'Content-Type: application/ics; name="invite.ics"\r\nContent-Disposition: attachment\r\n\r\n'
            f"{text}\r\n--o--"
        )
        author = settings.pop("author", sender)
        raw = f"From: {author}\r\nTo: {to}\r\nSubject: Re\r\nMIME-Version: 1.0\r\n{parts}\r\n"
        self.stand.holder, before = actor, self.stand.holder
        try:
            envelope = parse_address(sender) if sender else None
            self.email._office.receive(envelope, [parse_address(to)], raw.encode(), **settings)
        finally:
            self.stand.holder = before

    @property
    def answers(self) -> list[str]:
        return [guest["status"] for guest in self.calendar.get_event("ann/plans", self.uid)["attendees"]]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def answer(uid: str, guest: str, status: str = "ACCEPTED") -> str:
    who = f"ORGANIZER:mailto:{ANN}\nATTENDEE;PARTSTAT={status}:mailto:{guest}"
    return ics(f"UID:{uid}\n{WHEN}\n{who}", method="REPLY")


def asked(method: str = "REQUEST", *more: str) -> str:
    lines = ["UID:m@x", WHEN, "SUMMARY:Demo", f"ORGANIZER:mailto:{EVE}", f"ATTENDEE:mailto:{BOB}", *more]
    return ics("\n".join(lines), method=method)


def test_an_agent_answers_by_mail(office: Office) -> None:
    file = {"filename": "reply.ics", "content": answer(office.uid, BOB)}
    office.stand.use("send", "bob", to=[ANN], subject="Accepted: Plan", body="I come.", attachments=[file])
    assert office.answers == ["ACCEPTED", "NEEDS-ACTION"]
    assert office.calendar.get_event("ann/plans", office.uid)["by"] == "bob"


def test_a_simulated_person_answers_by_mail(office: Office) -> None:
    files = [("answer.ICS", answer(office.uid, EVE, "TENTATIVE").encode("utf-8-sig"))]
    office.email.send(f"Eve <{EVE}>", ANN, "Perhaps", "I will try.", attachments=files)
    assert office.answers == ["NEEDS-ACTION", "TENTATIVE"]
    assert len(office.email.list_inbox(EVE)) == 1, "the invitation, and nothing since"


def test_a_mail_client_answers(office: Office) -> None:
    office.smtp("bob", BOB, answer(office.uid, BOB, "DECLINED"))
    assert office.answers == ["DECLINED", "NEEDS-ACTION"]
    assert [found["method"] for found in office.calendar.invitations("ann")] == ["REPLY"]


def test_who_is_not_believed(office: Office) -> None:
    before = [str(row) for row in office.calendar.rows()]
    yes = answer(office.uid, BOB)
    office.smtp("ann", BOB, yes)  # an agent that writes another's address
    office.smtp("workspace", BOB, yes)  # a sandbox that several agents share
    office.smtp("bob", "", yes, author=BOB)  # a bounce
    office.smtp("ann", ANN, yes, author=BOB)
    office.smtp("bob", BOB, yes, author=f"{EVE}, {BOB}")
    office.smtp("ann", EVE, answer(office.uid, EVE))
    office.email.send(EVE, ANN, "Re", "For Bob", attachments=[("reply.ics", yes.encode())])
    office.email.send(BOB, ANN, "Re", "No file", attachments=[("reply.txt", yes.encode())])
    office.email.send(BOB, ANN, "Re", "Broken", attachments=[("reply.ics", b"\xff\xfe"), ("b.ics", yes.encode())])
    office.email.send(BOB, ANN, "Re", "Large", attachments=[("reply.ics", yes.encode() + b" " * 256 * 1024)])
    office.email.send(BOB, "carl@else.example", "Re", "Elsewhere", attachments=[("reply.ics", yes.encode())])
    assert [str(row) for row in office.calendar.rows()] == before
    assert len(office.email.list_inbox(ANN)) == 10, "the mails themselves have come"


def test_who_has_the_password_is_believed(tmp_path: Path) -> None:
    office = Office(tmp_path, {"accounts": {"bob": {"address": BOB, "password": "x"}, "ann": ANN}})
    office.smtp("ann", BOB, answer(office.uid, BOB))  # SMTP has asked for it
    assert office.answers == ["ACCEPTED", "NEEDS-ACTION"]


def test_an_invitation_from_outside_waits_for_an_answer(office: Office) -> None:
    office.email.send(EVE, BOB, "Demo", "Come!", attachments=[("invite.ics", asked().encode())])
    [event] = office.calendar.search_events("Demo", "bob/default")
    assert event["attendees"][0]["status"] == "NEEDS-ACTION"
    office.calendar.respond("bob", "m@x", "accept")
    assert [mail["subject"] for mail in office.email.list_inbox(EVE)] == ["Invitation: Plan", "Accepted: Demo"]
    office.email.send(EVE, BOB, "Off", "Sorry", attachments=[("cancel.ics", asked("CANCEL", "SEQUENCE:1").encode())])
    assert office.calendar.get_event("bob/default", "m@x")["status"] == "CANCELLED"


def test_what_the_calendar_writes_is_not_new_to_it(office: Office) -> None:
    assert [found["method"] for found in office.calendar.invitations("bob")] == ["REQUEST"]
    office.calendar.respond("bob", office.uid, "accept")
    assert [found["method"] for found in office.calendar.invitations("ann")] == ["REPLY"]


def test_invitations_of_many_guests_by_mail(office: Office) -> None:
    def send(number: int) -> None:
        guests = [f"guest{place}@world.example" for place in range(number)]
        text = asked("REQUEST", *(f"ATTENDEE:mailto:{guest}" for guest in guests)).replace("m@x", f"{number}@x")
        office.email.send(EVE, [BOB, *guests], "All", "Come!", attachments=[("invite.ics", text.encode())])

    send(99)
    assert office.calendar.get_event("guest98/default", "99@x")["summary"] == "Demo"
    send(100)
    assert office.email.count_inbox("guest99@world.example") == 1
    assert office.calendar.search_events("Demo", "bob/default")[0]["uid"] == "99@x"
    assert len(office.calendar.search_events("Demo", "bob/default")) == 1


PLAY = """
from datetime import datetime, timezone

CONFIG = {"calendar": {"accounts": {"agent": "ann"}}, "email": {"accounts": {"agent": "ann@world.example"}}}

@entry(["calendar", "email"], CONFIG)
def fn(env, agent):
    when, told = datetime(2030, 1, 8, 10, tzinfo=timezone.utc), []
    env.calendar.create_calendar("Boss", "plans", owner="boss")
    uid = env.calendar.add_event("plans", "Plan", when, attendees=["ann"])
    def answers():
        return [guest["status"] for guest in env.calendar.get_event("plans", uid)["attendees"]]
    env.when(lambda: answers() == ["ACCEPTED"], lambda: told.append(env.clock.now))
    agent.act("Answer by mail.")
    return run_checkers({"answered": lambda: answers() == ["ACCEPTED"], "seen at once": lambda: len(told) == 1})

@fn.solution
def solve(seat):
    id = seat.call("email_list")["mails"][0]["id"]
    text = seat.call("email_attachment", id=id, filename="invite.ics")["content"]
    text = text.replace("METHOD:REQUEST", "METHOD:REPLY").replace("NEEDS-ACTION", "ACCEPTED")
    seat.call("email_reply", id=id, body="Yes", attachments=[{"filename": "reply.ics", "content": text}])
"""


def test_a_world_hears_of_it(play: Any) -> None:
    assert play(PLAY, "oracle").reward == 1.0


def test_a_broken_invitation_to_a_thousand_is_only_mail(office: Office) -> None:
    broken = asked("REQUEST", "RRULE:FREQ=SECONDLY", *(f"ATTENDEE:mailto:g{n}@world.example" for n in range(5000)))
    before = [str(row) for row in office.calendar.rows()]
    everybody = [f"g{number}@world.example" for number in range(1000)]
    office.email.send(EVE, everybody, "All", "Come!", attachments=[("invite.ics", broken.encode())])
    assert [str(row) for row in office.calendar.rows()] == before
    assert office.email.count_inbox("g999@world.example") == 1
