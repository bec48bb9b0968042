"""Calendars and mail servers that tests of capabilities begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from caldav_server import WORK, Client, Ours
from imap_talk import Talk
from loopback import LiveMail

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


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveMail]:
    with LiveMail(tmp_path) as live:
        yield live
        assert live.failures == []


@pytest.fixture
def talk(live: LiveMail) -> Iterator[Talk]:
    with Talk(live.connect(143)) as talk:
        yield talk.login()
