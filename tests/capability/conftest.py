"""Calendars that tests of capabilities begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from caldav_server import WORK, Client, Ours

from terrarium.capability.calendar.calendar import Calendar


@pytest.fixture
def ours() -> Iterator[Ours]:
    started = Ours({"accounts": {"agent": "ann", "other": "bob"}})
    yield started
    started.close()


@pytest.fixture
def client(ours: Ours) -> Iterator[Client]:
    client = Client(ours.port)
    assert client.ask("MKCALENDAR", WORK).status == 201
    yield client
    client.close()


@pytest.fixture
def here() -> Iterator[Ours]:
    stand = Ours()
    yield stand
    stand.close()


@pytest.fixture
def calendar(here: Ours) -> Calendar:
    here.calendar.create_calendar("Work", "work")
    return here.calendar
