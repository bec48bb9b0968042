"""`calendar` on a server that is not ours: the emulated one of another world, and Radicale, over real CalDAV."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caldav_server import Missing, Ours, Radicale

from terrarium.core.capability import EXTERNAL
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, Unsupported

PASSWORD = "lavender-77"


@pytest.fixture
def theirs() -> Iterator[Ours]:
    """The other world, in which Ann has a password."""
    ours = Ours({"accounts": {"agent": {"person": "ann", "password": PASSWORD}, "other": "bob"}})
    yield ours
    ours.close()


def backend_of(port: int) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{port}/", "user": "ann", "password_env": "ANNS_PASSWORD"}


@pytest.fixture(params=["ours", "radicale"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The backend of a server of each kind."""
    monkeypatch.setenv("ANNS_PASSWORD", PASSWORD)
    if request.param == "ours":
        yield backend_of(request.getfixturevalue("theirs").port)
        return
    try:
        radicale = Radicale()
    except Missing as error:
        pytest.skip(str(error))
    yield backend_of(radicale.port)
    radicale.close()


@pytest.fixture
def stand(server: dict[str, Any]) -> Iterator[Ours]:
    stand = Ours({"backend": server})
    yield stand
    stand.close()


def story(here: Ours) -> list[Any]:
    """All that one does with a calendar, and what is seen of it, without ids and numbers that are each server's own."""
    calendar = here.calendar
    told: list[Any] = []

    def see(start: str = "2030-01-01", end: str = "2030-03-01") -> None:
        for event in calendar.list_events("work", start, end):
            kept = ("summary", "dtstart", "dtend", "description", "location", "rrule", "status", "by", "calendar_id")
            told.append([event[key] for key in kept])

    told.append(calendar.create_calendar("Work ✓", "work", description="What <we> do"))
    told.append([(c["id"], c["name"], c["description"], c["owner"]) for c in calendar.list_calendars()])
    uid = calendar.add_event("work", "Review & co", "2030-01-08T09:00:00Z", "2030-01-08T10:00:00Z", location="Room 1")
    series = calendar.add_event(
        "work", "Standup", "2030-01-09T09:00", "2030-01-09T09:15", timezone="Europe/Berlin", rrule="FREQ=DAILY;COUNT=4"
    )
    see()
    calendar.update_event("work", uid, summary="Design review", description="Zeile 1\nLine 2 " + "long " * 40)
    calendar.update_event("work", series, summary="Late standup", occurrence="2030-01-10T09:00", scope="one")
    calendar.delete_event("work", series, occurrence="2030-01-11T09:00", scope="one")
    see()
    made = here.use("create", calendar="work", summary="Lunch", start="2030-01-08T12:00:00Z")
    told.append([e["summary"] for e in here.use("events", start="2030-01-08", end="2030-01-09")["events"]])
    told.append(here.use("get", **made)["summary"])
    here.use("update", **made, location="Canteen")
    told.append([e["location"] for e in calendar.search_events("lunch")])
    told.append([(p["start"], p["end"]) for p in calendar.busy("admin", "2030-01-08", "2030-01-10")])
    here.use("delete", **made)
    told.append("SUMMARY:Design review" in calendar.export_ics("work", uid))
    calendar.delete_event("work", uid)
    see()
    for wrong in (
        lambda: calendar.get_event("work", uid),
        lambda: calendar.create_calendar("Again", "work"),
        lambda: calendar.list_events("nowhere"),
        lambda: here.use("get", calendar="work", uid="nothing"),
    ):
        with pytest.raises((NotFound, Refused)) as raised:
            wrong()
        told.append(type(raised.value).__name__)
    calendar.delete_calendar("work")
    told.append(calendar.list_calendars())
    return told


def test_the_same_story_here_and_there(stand):
    here = Ours()
    assert story(stand) == story(here)
    here.close()


def test_what_it_claims(stand):
    assert stand.calendar.traits == stand.calendar.claims({"backend": {}}) == EXTERNAL
    with pytest.raises(Unsupported):
        asyncio.run(stand.calendar.save(Path("nowhere")))
    stand.calendar.create_calendar("Work", "work")
    assert stand.changes == []
    assert {row.table for row in stand.calendar.rows()} == {"calendar"}
    assert PASSWORD not in repr(list(stand.calendar.rows())) + repr(stand.calendar.connection_info)
    with pytest.raises(Refused, match="timezone"):
        stand.calendar.create_calendar("Else", "else", timezone="Europe/Berlin")
    with pytest.raises(NotFound, match="no login for eve"):
        stand.calendar.create_calendar("Hers", "hers", owner="eve")


def test_what_others_do_there_is_seen(theirs, monkeypatch):
    monkeypatch.setenv("ANNS_PASSWORD", PASSWORD)
    stand = Ours({"backend": backend_of(theirs.port)})
    theirs.calendar.create_calendar("Work", "work", owner="ann")
    assert [found["name"] for found in stand.calendar.list_calendars()] == ["Work"]
    uid = theirs.calendar.add_event("ann/work", "Theirs", "2030-01-08T09:00:00Z")
    assert [(e["summary"], e["by"]) for e in stand.calendar.search_events("theirs")] == [("Theirs", "elsewhere")]
    theirs.calendar.update_event("ann/work", uid, summary="Moved")
    assert stand.calendar.get_event("work", uid)["summary"] == "Moved"
    theirs.calendar.delete_event("ann/work", uid)
    assert stand.calendar.search_events("moved") == []
    theirs.calendar.delete_calendar("ann/work")
    assert stand.calendar.list_calendars() == []
    stand.close()


def test_who_does_not_get_in(theirs, monkeypatch):
    monkeypatch.setenv("ANNS_PASSWORD", "wrong-word")
    stand = Ours({"backend": backend_of(theirs.port)})
    with pytest.raises(CapabilityFault, match="401") as raised:
        stand.calendar.list_calendars()
    assert "wrong-word" not in str(raised.value)
    stand.close()
    stand = Ours({"backend": backend_of(1)})
    with pytest.raises(CapabilityFault, match="CalDAV of ann"):
        stand.use("events")
    stand.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: "nothing", "must be a table"),
        (lambda b: {**b, "urls": "x"}, "did you mean 'url'"),
        (lambda b: {**b, "url": "ftp://host/"}, "backend.url"),
        (lambda b: {**b, "url": "http://ann:pw@host/"}, "without a login"),
        (lambda b: {**b, "url": "http://host:99999/"}, "backend.url"),
        (lambda b: {**b, "password_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        (lambda b: {**b, "logins": {"bob": "x"}}, "must be a table"),
        (lambda b: {"url": b["url"]}, "needs user and password_env"),
    ],
)
def test_what_cannot_be_a_backend(monkeypatch, change: Callable[[Any], Any], message):
    monkeypatch.setenv("ANNS_PASSWORD", PASSWORD)
    with pytest.raises(ConfigError, match=message):
        Ours({"backend": change(backend_of(5232))})
