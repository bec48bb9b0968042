"""What calendars take of messages that come by mail, and what leaves no trace."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from caldav_server import Ours
from caldav_texts import ics

from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.errors import CapabilityFault
from terrarium.core.values import encode

EVE, BOB = "eve@out.example", "bob@world.example"
DAY = "DTSTART:20300108T100000Z\nDTEND:20300108T110000Z\nDTSTAMP:20300107T090000Z"


def message(method: str, uid: str, who: str, *more: str, when: str = DAY) -> str:
    return ics("\n".join([f"UID:{uid}", when, "SUMMARY:Plan", who, *more]), method=method)


def asked(*more: str, uid: str = "m@x", organizer: str = EVE, guest: str = BOB, when: str = DAY) -> str:
    return message("REQUEST", uid, f"ORGANIZER:mailto:{organizer}\nATTENDEE:mailto:{guest}", *more, when=when)


def answer(uid: str, status: str, *more: str, guest: str = BOB, when: str = DAY) -> str:
    people = f"ORGANIZER:mailto:admin@world.example\nATTENDEE;PARTSTAT={status}:mailto:{guest}"
    return message("REPLY", uid, people, *more, when=when)


def rows(calendar: Calendar) -> list[str]:
    return [f"{row.table} {row.key} {encode(row.fields)}" for row in calendar.rows()]


def unmoved(calendar: Calendar, call: Callable[[], object]) -> None:
    before = rows(calendar)
    with pytest.raises(CapabilityFault):
        call()
    assert rows(calendar) == before


def status(calendar: Calendar, uid: str, id: str = "work") -> list[str]:
    return [guest["status"] for guest in calendar.get_event(id, uid)["attendees"]]


def planned(calendar: Calendar, **more: Any) -> str:
    when = datetime(2030, 1, 8, 10, tzinfo=UTC)
    return calendar.add_event("work", "Plan", when, attendees=[BOB, EVE], **more)


def test_an_answer_reaches_the_organizer_and_ones_own_copy(calendar: Calendar) -> None:
    uid = planned(calendar)
    calendar.deliver("admin@world.example", answer(uid, "DECLINED"), BOB)
    assert status(calendar, uid) == ["DECLINED", "NEEDS-ACTION"]
    assert status(calendar, uid, "bob/default") == ["DECLINED", "NEEDS-ACTION"]
    assert [found["method"] for found in calendar.invitations("admin")] == ["REPLY"]


def test_an_answer_to_one_occurrence(calendar: Calendar) -> None:
    uid = planned(calendar, rrule="FREQ=DAILY;COUNT=3")
    second = answer(uid, "DECLINED", "RECURRENCE-ID:20300109T100000Z", when=DAY.replace("20300108", "20300109"))
    calendar.deliver("admin", second, BOB)
    found = calendar.list_events("work", "2030-01-01", "2030-02-01")
    assert [event["attendees"][0]["status"] for event in found] == ["NEEDS-ACTION", "DECLINED", "NEEDS-ACTION"]
    nowhere = answer(uid, "DECLINED", "RECURRENCE-ID:20300209T100000Z")
    unmoved(calendar, lambda: calendar.deliver("admin", nowhere, BOB))


def test_answers_that_count_for_nothing(calendar: Calendar) -> None:
    uid, own = planned(calendar), calendar.add_event("work", "alone", datetime(2030, 1, 9, 10))
    calendar.update_event("work", uid, summary="Plan B")  # SEQUENCE:1
    new = "SEQUENCE:1"
    for to, text, sender in (
        ("admin", answer(uid, "ACCEPTED", new), EVE),
        ("admin", answer(uid, "ACCEPTED", new, guest="mallory@out.example"), "mallory@out.example"),
        ("admin", answer("another@x", "ACCEPTED", new), BOB),
        ("admin", answer(own, "ACCEPTED", new), BOB),
        ("admin", answer(uid, "ACCEPTED"), BOB),
        ("admin", answer(uid, "ACCEPTED", "SEQUENCE:0"), BOB),
        ("admin", answer(uid, "HAPPY", new), BOB),
        ("admin", answer(uid, "ACCEPTED", new).replace("METHOD:REPLY", "METHOD:COUNTER"), BOB),
        ("admin", answer(uid, "ACCEPTED", new).replace("METHOD:REPLY\r\n", ""), BOB),
        ("admin", answer(uid, "ACCEPTED", new, f"COMMENT:{'x' * 1024 * 1024}"), BOB),
        ("admin", answer(uid, "ACCEPTED", new)[:-40], BOB),
        ("admin", "BEGIN:VCALENDAR", BOB),
        ("eve", answer(uid, "ACCEPTED", new), BOB),
        (EVE, answer(uid, "ACCEPTED", new), BOB),
    ):
        unmoved(calendar, lambda to=to, text=text, sender=sender: calendar.deliver(to, text, sender))  # type: ignore[misc]
    calendar.deliver("admin", answer(uid, "ACCEPTED", new), BOB)
    assert status(calendar, uid) == ["ACCEPTED", "NEEDS-ACTION"]


def test_ones_own_reminders_make_no_answer_old(calendar: Calendar) -> None:
    uid = planned(calendar)
    calendar.update_event("work", uid, alarms=["15m"])
    calendar.deliver("admin", answer(uid, "ACCEPTED"), BOB)
    assert status(calendar, uid) == ["ACCEPTED", "NEEDS-ACTION"]


def test_an_invitation_from_outside_is_answered_by_mail(calendar: Calendar, here: Ours) -> None:
    calendar.deliver("bob", asked(), EVE)
    calendar.deliver("bob", asked("SEQUENCE:2", "LOCATION:Room 2"), EVE)
    assert calendar.get_event("bob/default", "m@x")["location"] == "Room 2"
    calendar.respond("bob", "m@x", "accept")
    [letter] = here.letters
    assert (letter["to"], letter["subject"]) == (EVE, "Accepted: Plan")
    assert b"PARTSTAT=ACCEPTED" in letter["attachments"][0][1]


def test_invitations_that_come_to_nothing(calendar: Calendar) -> None:
    mine = calendar.add_event("work", "mine", datetime(2030, 1, 9, 10))
    calendar.deliver("bob", asked("SEQUENCE:2"), EVE)
    for to, text, sender in (
        ("bob", asked(uid="n@x"), BOB),
        ("bob", asked("SEQUENCE:1"), EVE),
        ("bob", asked("SEQUENCE:3", organizer="mallory@out.example"), "mallory@out.example"),
        ("carl", asked(uid="n@x"), EVE),
        ("admin", asked(uid=mine, guest="admin@world.example"), EVE),
        ("admin", message("CANCEL", mine, f"ORGANIZER:mailto:{EVE}"), EVE),
        ("bob", message("CANCEL", "n@x", f"ORGANIZER:mailto:{EVE}"), EVE),
        ("bob", message("CANCEL", "m@x", f"ORGANIZER:mailto:{EVE}", "SEQUENCE:1"), EVE),
        ("bob", asked(uid="n@x", organizer=BOB), BOB),
        ("bob", asked("ORGANIZER:mailto:bob@world.example", uid="n@x"), EVE),
        ("bob", asked("DTEND:20300101T000000Z", uid="n@x"), EVE),
        ("bob", asked("RRULE:FREQ=SECONDLY", uid="n@x"), EVE),
        ("bob", asked(uid="n@x", when=DAY.replace("DTSTART:", "DTSTART;TZID=Mars/Base:").replace("00Z", "00")), EVE),
    ):
        unmoved(calendar, lambda to=to, text=text, sender=sender: calendar.deliver(to, text, sender))  # type: ignore[misc]


def test_one_occurrence_is_moved_and_another_called_off(calendar: Calendar) -> None:
    calendar.deliver("bob", asked("RRULE:FREQ=DAILY;COUNT=3"), EVE)
    moved = DAY.replace("20300108T1", "20300109T1").replace("T100000Z", "T103000Z", 1)
    calendar.deliver("bob", asked("RECURRENCE-ID:20300109T100000Z", "SEQUENCE:1", when=moved), EVE)
    third = "RECURRENCE-ID:20300110T100000Z\nSEQUENCE:1"
    gone = message("CANCEL", "m@x", f"ORGANIZER:mailto:{EVE}", third, when=DAY.replace("20300108", "20300110"))
    calendar.deliver("bob", gone, EVE)
    found = calendar.list_events("bob/default", "2030-01-01", "2030-02-01")
    assert [(event["dtstart"].hour, event["dtstart"].minute, event["status"]) for event in found] == [
        (10, 0, None),
        (10, 30, None),
        (10, 0, "CANCELLED"),
    ]


def test_messages_with_something_wrong_are_taken_whole_or_not_at_all(calendar: Calendar) -> None:
    uid = planned(calendar, rrule="FREQ=DAILY;COUNT=3")
    calendar.deliver("bob", asked("RRULE:FREQ=DAILY;COUNT=3"), EVE)
    seeds = (
        ("admin", BOB, answer(uid, "ACCEPTED", "RECURRENCE-ID:20300109T100000Z")),
        ("bob", EVE, asked("RRULE:FREQ=DAILY;COUNT=3", "SEQUENCE:9")),
        ("bob", EVE, message("CANCEL", "m@x", f"ORGANIZER:mailto:{EVE}", "RECURRENCE-ID:20300109T100000Z")),
    )
    pieces = ("\r\n", ":", ";TZID=x", "RECURRENCE-ID:20300110T100000Z\r\n", "BEGIN:VEVENT\r\n", "PARTSTAT=", "\\", "ü")
    rng, taken = random.Random(7), 0
    for number in range(450):
        to, sender, text = seeds[number % 3]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text))
            piece = rng.choice([*pieces, rng.choice(string.printable), ""])
            text = text[:at] + piece + text[at + rng.choice([0, 0, 1, 9]) :]
        before = rows(calendar)
        try:
            calendar.deliver(to, text, sender)
        except CapabilityFault:
            assert rows(calendar) == before
            continue
        taken += 1
        calendar.list_events("work", "2030-01-01", "2030-02-01")
        calendar.list_events("bob/default", "2030-01-01", "2030-02-01")
    assert 20 < taken < 430
