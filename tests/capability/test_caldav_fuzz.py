"""CalDAV from clients that talk nonsense: an answer below 500, and what is refused has changed nothing."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from caldav_server import WORK, Client, Ours
from caldav_texts import DAV, WEEKLY, event, propfind, query, sync, time_range
from http_noise import picked, spoiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import examples

METHODS = "COPY DELETE GET HEAD MKCALENDAR MKCOL MOVE OPTIONS POST PROPFIND PROPPATCH PUT REPORT XYZ"
PATHS = [
    WORK,
    f"{WORK}a.ics",
    f"{WORK}b.ics",
    "/",
    "/ann/",
    "/bob/",
    "/ann/inbox/",
    "/ann/new/",
    "/%00",
    "/ann/%2e%2e/",
]
BODIES = [
    "",
    event("a@x"),
    event("c@x", "20300107T100000Z", "20300107T110000Z", WEEKLY),
    propfind("<D:displayname/><D:allprop/>"),
    query(time_range("20300101T000000Z", "20300201T000000Z")),
    sync(""),
    f"<D:propertyupdate {DAV}><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<" * 3000,
    "<a>" * 3000,
    "BEGIN:VCALENDAR\r\n" * 500,
]
HEADERS = {
    "Depth": ["0", "1", "infinity", "-1", "x"],
    "If-Match": ["*", '"x"', "x" * 2000, '""'],
    "If-None-Match": ["*", '"x", "y"', ","],
    "Destination": [f"{WORK}d.ics", "http://calendar.world:5232/ann/work/e.ics", "//", "\u00fc", "/../../etc/passwd"],
    "Overwrite": ["F", "T", "?"],
    "Content-Type": ["text/calendar", "application/xml; charset=utf-7", "text/xml; charset=nosuch", ";"],
    "Range": ["bytes=0-1", "bytes=-"],
    "Authorization": ["Basic", "Basic !!!", "Digest x", "Basic " + "A" * 4000],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Ours]:
    ours = Ours({"accounts": {"agent": "ann", "other": "bob"}})
    client = Client(ours.port)
    client.ask("MKCALENDAR", WORK)
    client.ask("PUT", f"{WORK}a.ics", event("a@x"), Content_Type="text/calendar")
    client.close()
    yield ours
    ours.close()


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(METHODS.split()), st.sampled_from(PATHS), picked(HEADERS), spoiled(BODIES))
def test_every_request_has_an_answer(server: Ours, method: str, path: str, told: dict[str, str], body: bytes) -> None:
    before = list(server.calendar.rows())
    client = Client(server.port, user=None)
    told = {"Authorization": "Basic YW5uOmFueQ==", **told}
    headers = {name: text.encode().decode("latin-1") for name, text in told.items()}
    try:
        answer = client.ask(method, path, body, **headers)
    except http.client.RemoteDisconnected:
        pytest.fail("the server hung up without an answer")
    finally:
        client.close()

    assert answer.status < 500 or answer.status == 501, answer
    if answer.status >= 400 or method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"):
        assert list(server.calendar.rows()) == before
    if answer.status == 207:
        answer.responses()
