"""The task program's face: calendars, events, people, messages."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from caldav_server import FEB, JAN, Ours, starts
from caldav_texts import event, ics

from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.capability import admin_methods
from terrarium.core.clock import START
from terrarium.core.errors import ConfigError, NotFound, Refused
from terrarium.core.registry import find
from terrarium.core.values import encode
from terrarium.testing import check_capability


def test_it_is_registered_and_its_face_is_marked() -> None:
    assert find("capability", "calendar") is Calendar
    faces = admin_methods(Calendar())
    assert {
        *("create_calendar", "list_calendars", "delete_calendar", "add_event", "list_events", "get_event"),
        *("delete_event", "update_event", "share", "busy", "alarms", "respond"),
    } <= set(faces)
    assert faces["connection_info"].fact


def test_the_face_that_existing_tasks_use(calendar: Calendar) -> None:
    assert calendar.connection_info == {
        "caldav_host": "calendar.world",
        "caldav_port": 5232,
        "caldav_url": "http://calendar.world:5232/",
        "username": "admin",
    }
    id = calendar.create_calendar("Trips")
    assert {"id", "name", "url"} <= set(calendar.list_calendars()[0])
    assert sorted(entry["id"] for entry in calendar.list_calendars()) == sorted([id, "work"])
    uid = calendar.add_event(id, "Flight", datetime(2030, 1, 8, 10), datetime(2030, 1, 8, 12), "Gate 4")
    [found] = calendar.list_events(id, datetime(2030, 1, 1), datetime(2030, 2, 1))
    assert found["uid"] == uid
    assert (found["summary"], found["description"]) == ("Flight", "Gate 4")
    assert (found["dtstart"], found["dtend"]) == (datetime(2030, 1, 8, 10), datetime(2030, 1, 8, 12))
    assert calendar.get_event(id, uid) == found
    calendar.delete_event(id, uid)
    assert calendar.list_events(id, datetime(2030, 1, 1), datetime(2030, 2, 1)) == []
    calendar.delete_calendar(id)
    with pytest.raises(NotFound, match="there are: work"):
        calendar.list_events(id, JAN, FEB)


def test_moments_of_every_kind(calendar: Calendar) -> None:
    calendar.add_event("work", "floating", datetime(2030, 1, 2, 9))
    calendar.add_event("work", "utc", datetime(2030, 1, 3, 9, tzinfo=UTC))
    calendar.add_event("work", "zone", datetime(2030, 1, 4, 9), timezone="Asia/Tokyo")
    calendar.add_event("work", "aware", datetime(2030, 1, 5, 9, tzinfo=ZoneInfo("Europe/Berlin")))
    calendar.add_event("work", "text", "2030-01-06T09:00", "2030-01-06T10:00")
    calendar.add_event("work", "day", date(2030, 1, 7))
    calendar.add_event("work", "days", "2030-01-08", "2030-01-10")
    assert starts(calendar) == [
        "2030-01-02T09:00:00",
        "2030-01-03T09:00:00+00:00",
        "2030-01-04T09:00:00+09:00",
        "2030-01-05T09:00:00+01:00",
        "2030-01-06T09:00:00",
        "2030-01-07",
        "2030-01-08",
    ]
    ends = {found["summary"]: found["dtend"] for found in calendar.list_events("work", JAN, FEB)}
    assert (ends["floating"], ends["day"], ends["days"]) == (
        datetime(2030, 1, 2, 10),
        date(2030, 1, 8),
        date(2030, 1, 10),
    )
    assert [found["timezone"] for found in calendar.search_events("zone")] == ["Asia/Tokyo"]


def test_floating_days_are_meant_where_the_calendar_is(calendar: Calendar) -> None:
    calendar.create_calendar("Tokyo", "tokyo", timezone="Asia/Tokyo")
    calendar.add_event("tokyo", "day", date(2030, 1, 7))
    assert starts(calendar, datetime(2030, 1, 6, 15), datetime(2030, 1, 6, 16), "tokyo") == ["2030-01-07"]
    assert starts(calendar, datetime(2030, 1, 7, 15), datetime(2030, 1, 7, 16), "tokyo") == []


def daily(calendar: Calendar, **more: Any) -> str:
    return calendar.add_event(
        "work", "daily", datetime(2030, 3, 28, 9), timezone="Europe/Berlin", rrule="FREQ=DAILY;COUNT=6", **more
    )


def test_what_is_changed_and_what_stays(calendar: Calendar) -> None:
    uid = calendar.import_ics(
        "work", event("a@x", "20300107T100000Z", "20300107T113000Z", "SUMMARY:a", "X-OWN:kept", "LOCATION:R")
    )
    calendar.update_event("work", uid, dtstart=datetime(2030, 1, 8, 10), location="", alarms=["15m"])
    found = calendar.get_event("work", uid)
    assert found["dtend"] == datetime(2030, 1, 8, 11, 30, tzinfo=UTC)
    assert (found["summary"], found["location"], found["sequence"]) == ("a", None, 1)
    assert "X-OWN:kept" in calendar.export_ics("work", uid)


def test_what_cannot_be(calendar: Calendar) -> None:
    uid = calendar.add_event("work", "a", datetime(2030, 1, 7, 9), uid="a")
    day = datetime(2030, 1, 7, 9)
    for call in (
        lambda: calendar.add_event("work", "x", day, timezone="Europe/Berln"),
        lambda: calendar.add_event("work", "x", day, timezone="../etc/passwd"),
        lambda: calendar.add_event("work", "x", day, day - timedelta(1)),
        lambda: calendar.add_event("work", "x", day, date(2030, 1, 8)),
        lambda: calendar.add_event("work", "x", day, datetime(2030, 1, 8, tzinfo=UTC)),
        lambda: calendar.add_event("work", "x", "soon"),
        lambda: calendar.add_event("work", "x", None),
        lambda: calendar.add_event("work", "x", 7),
        lambda: calendar.add_event("work", "x\x00", day),
        lambda: calendar.add_event("work", 7, day),  # type: ignore[arg-type]
        lambda: calendar.add_event("work", "x", day, rrule="FREQ=SECONDLY"),
        lambda: calendar.add_event("work", "x", day, rrule="every day"),
        lambda: calendar.add_event("work", "x", day, exdates=[day]),
        lambda: calendar.add_event("work", "x", day, attendees=["not an address@"]),
        lambda: calendar.add_event("work", "x", day, attendees=[{"address": "a@x", "mood": "good"}]),
        lambda: calendar.add_event("work", "x", day, alarms=["soon"]),
        lambda: calendar.add_event("work", "x", day, attendees=[f"guest{number}" for number in range(101)]),
        lambda: calendar.add_event("work", "x", day, status="DONE"),
        lambda: calendar.add_event("work", "x", day, uid="a"),
        lambda: calendar.create_calendar("W", "work"),
        lambda: calendar.create_calendar("W", "a/b"),
        lambda: calendar.create_calendar("W", ".."),
        lambda: calendar.create_calendar("W", "inbox"),
        lambda: calendar.create_calendar("W", owner="a/b"),
        lambda: calendar.create_calendar("W", timezone="Mars/Base"),
        lambda: calendar.list_events("work", FEB, JAN),
        lambda: calendar.share("work", "bob", "own"),
        lambda: calendar.update_event("work", uid, occurrence=day),
        lambda: calendar.update_event("work", uid, scope="some", occurrence=day),
        lambda: calendar.import_ics("work", "BEGIN:VCALENDAR"),
    ):
        with pytest.raises(Refused):
            call()
    for call in (
        lambda: calendar.get_event("work", "b"),
        lambda: calendar.delete_event("work", "b"),
        lambda: calendar.add_event("none", "x", day),
        lambda: calendar.update_event("work", uid, summary="x", scope="one", occurrence=day),
        lambda: calendar.respond("bob", "a", "accept"),
        lambda: calendar.person("nobody"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Refused, match="did you mean 'Europe/Berlin'"):
        calendar.add_event("work", "x", day, timezone="Europe/Berln")
    assert [found["uid"] for found in calendar.list_events("work", JAN, FEB)] == ["a"]


@pytest.mark.parametrize(
    "config",
    [
        {"acounts": {}},
        {"accounts": {"stranger": "x"}},
        {"accounts": {"agent": "a b"}},
        {"accounts": {"agent": {"person": "ann", "pass": "x"}}},
        {"accounts": []},
        {"port": "high"},
        {"port": 0},
        {"username": "a/b"},
        {"people": {"bob": 7}},
    ],
)
def test_configuration_that_cannot_be(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check_capability(Calendar, config=config)


def test_people_told_as_text_have_the_id_they_stand_under() -> None:
    here = Ours({"accounts": {"agent": "ann"}, "people": {"bob": "Bob Ode <bob.ode@corp.example>"}})
    try:
        here.calendar.create_calendar("Own", "own", owner="bob")
        here.calendar.create_calendar("Plan", "plan", owner="ann")
        uid = here.calendar.add_event("ann/plan", "Talk", JAN, attendees=["bob.ode@corp.example"])
        assert here.calendar.get_event("bob/own", uid)["attendees"][0]["name"] == "Bob Ode"
    finally:
        here.close()


def test_names_of_calendars_of_several_people(calendar: Calendar) -> None:
    assert calendar.create_calendar("W", "work", owner="bob") == "bob/work"
    assert calendar.create_calendar("O", "own", owner="bob") == "bob/own"
    calendar.add_event("own", "by its only name", datetime(2030, 1, 7))
    calendar.add_event("work", "that of the user", datetime(2030, 1, 7))
    assert [entry["events"] for entry in calendar.list_calendars("bob")] == [1, 0]
    assert [entry["id"] for entry in calendar.list_calendars()] == ["work", "bob/own", "bob/work"]
    calendar.create_calendar("O", "own", owner="eve")
    with pytest.raises(Refused, match="bob/own, eve/own"):
        calendar.get_event("own", "x")


def test_busy_times_are_joined(calendar: Calendar) -> None:
    calendar.create_calendar("B", "b", owner="bob")
    calendar.add_event("b", "a", datetime(2030, 1, 7, 9), datetime(2030, 1, 7, 10, 30))
    calendar.add_event("b", "b", datetime(2030, 1, 7, 10), datetime(2030, 1, 7, 11))
    calendar.add_event("b", "free", datetime(2030, 1, 7, 14), transparent=True)
    calendar.add_event("b", "off", datetime(2030, 1, 7, 15), status="CANCELLED")
    calendar.add_event("b", "perhaps", datetime(2030, 1, 7, 16), status="TENTATIVE")
    calendar.add_event("b", "series", datetime(2030, 1, 7, 18), rrule="FREQ=DAILY")
    found = calendar.busy("bob", datetime(2030, 1, 7), datetime(2030, 1, 8, 18, 30))
    assert [(p["start"].strftime("%d %H:%M"), p["end"].strftime("%H:%M"), p["kind"]) for p in found] == [
        ("07 09:00", "11:00", "BUSY"),
        ("07 16:00", "17:00", "BUSY-TENTATIVE"),
        ("07 18:00", "19:00", "BUSY"),
        ("08 18:00", "18:30", "BUSY"),
    ]
    assert calendar.busy("nobody", JAN, FEB) == []


def filled(calendar: Calendar) -> None:
    calendar.create_calendar("Private", owner="bob", color="#ff8800")
    uid = daily(calendar, attendees=["bob", "Eve <eve@out.example>"], alarms=["1h"])
    calendar.respond("bob", uid, "accept")
    calendar.update_event("work", uid, summary="moved", occurrence=datetime(2030, 3, 30, 9), scope="one")
    calendar.delete_event("work", calendar.add_event("work", "gone", datetime(2030, 1, 9)))
    calendar.share("work", "bob")


def test_equal_runs_have_equal_rows_and_a_copy_goes_on(tmp_path: Path) -> None:
    told = []
    for number in range(2):
        here = Ours(folder=tmp_path / str(number))
        here.calendar.create_calendar("Work", "work")
        filled(here.calendar)
        told.append(json.dumps([[row.table, row.key, encode(dict(row.fields))] for row in here.calendar.rows()]))
        if number == 1:
            here.run(here.calendar.save(tmp_path / "saved" / "calendar"))
        here.close()
    assert told[0] == told[1]
    shutil.copytree(tmp_path / "saved", tmp_path / "copy")
    again = Ours(folder=tmp_path / "copy")
    assert json.dumps([[row.table, row.key, encode(dict(row.fields))] for row in again.calendar.rows()]) == told[0]
    assert again.calendar.list_events("work", JAN, date(2031, 1, 1))[2]["summary"] == "moved"
    again.close()


def test_plain_events_need_no_library() -> None:
    probe = """
import asyncio, sys, tempfile
sys.path.insert(0, sys.argv[1])
from datetime import datetime
from caldav_server import FEB, JAN, Ours, starts
here = Ours()
here.calendar.create_calendar("Work", "work")
here.calendar.add_event("work", "plain", datetime(2030, 1, 7, 10), alarms=["15m"])
assert len(here.calendar.list_events("work", datetime(2030, 1, 1), datetime(2030, 2, 1))) == 1
assert here.calendar.alarms() and here.calendar.busy("admin") and here.calendar.search_events("plain")
here.close()
libraries = {"icalendar", "recurring_ical_events", "dateutil", "h11"}
print(sorted({name.partition(".")[0] for name in sys.modules} & libraries))
"""
    command = [sys.executable, "-c", probe, str(Path(__file__).parent)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_texts_of_any_kind_survive(calendar: Calendar) -> None:
    text = "a;b,c\\d\ne: \"quoted\" 'x' ÄÖÜ ✓ \U0001f600 " + "lang " * 100
    uid = calendar.add_event("work", text.replace("\n", " "), datetime(2030, 1, 7, 9), description=text, location=text)
    found = calendar.get_event("work", uid)
    again = calendar.import_ics("work", calendar.export_ics("work", uid))
    assert again == uid
    assert {**calendar.get_event("work", uid), "by": ""} == {**found, "by": ""}
    assert all(len(line.encode()) <= 75 for line in calendar.export_ics("work", uid).split("\r\n"))


def test_world_time_stamps_everything(calendar: Calendar, here: Ours) -> None:
    uid = calendar.add_event("work", "a", datetime(2030, 1, 7, 9))
    assert "DTSTAMP:20300107T090000Z" in calendar.export_ics("work", uid)
    [row] = [row for row in calendar.rows() if row.table == "object"]
    assert row.fields["written"] == START


def test_a_message_that_comes_by_mail(calendar: Calendar) -> None:
    people = "ORGANIZER:mailto:eve@out.example\nATTENDEE:mailto:bob@world.example"
    times = "DTSTART:20300107T100000Z\nDTEND:20300107T110000Z\nDTSTAMP:20300101T000000Z"
    asked = ics(f"UID:m@x\n{times}\nSUMMARY:Plan\n{people}", method="REQUEST")
    with pytest.raises(Refused, match="may not send"):
        calendar.deliver("bob@world.example", asked, "mallory@out.example")
    with pytest.raises(NotFound):
        calendar.deliver("bob@elsewhere.example", asked, "eve@out.example")
    assert calendar.deliver("bob@world.example", asked, "Eve <eve@out.example>") == "REQUEST"
    assert calendar.get_event("bob/default", "m@x")["summary"] == "Plan"
    calendar.deliver("bob", ics(f"UID:m@x\n{times}\nSEQUENCE:1\n{people}", method="CANCEL"), "eve@out.example")
    assert calendar.get_event("bob/default", "m@x")["status"] == "CANCELLED"
    assert [found["method"] for found in calendar.invitations("bob")] == ["REQUEST", "CANCEL"]


def test_an_answer_that_comes_by_mail(calendar: Calendar) -> None:
    uid = calendar.add_event("work", "Plan", datetime(2030, 1, 7, 10), attendees=["eve@out.example"])
    who = "ORGANIZER:mailto:admin@world.example\nATTENDEE;PARTSTAT=TENTATIVE:mailto:eve@out.example"
    reply = ics(f"UID:{uid}\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T100000Z\n{who}", method="REPLY")
    assert calendar.deliver("admin", reply, "eve@out.example") == "REPLY"
    assert [guest["status"] for guest in calendar.get_event("work", uid)["attendees"]] == ["TENTATIVE"]
    with pytest.raises(Refused):
        calendar.deliver("admin", reply, "bob@world.example")


def test_closing_twice_and_serving_nobody_then(here: Ours) -> None:
    asyncio.run_coroutine_threadsafe(here.calendar.close(), here.loop).result(10)
    assert here.site.network.services() == []


def test_guests_of_an_event_that_had_none(calendar: Calendar) -> None:
    uid = calendar.add_event("work", "Plan", datetime(2030, 1, 7, 10))
    calendar.update_event("work", uid, attendees=["bob"])
    assert calendar.get_event("work", uid)["organizer"] == "admin@world.example"
    assert [found["uid"] for found in calendar.invitations("bob")] == [uid]
