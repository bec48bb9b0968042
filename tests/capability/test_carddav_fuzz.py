"""CardDAV from clients that talk nonsense: an answer below 500, and what is refused has changed nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from carddav_server import BOOK, CARD, Ours, report
from http_noise import picked, spoiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import examples

METHODS = ["DELETE", "GET", "HEAD", "MKCOL", "OPTIONS", "PROPFIND", "PROPPATCH", "PUT", "REPORT", "XYZ"]
PATHS = [BOOK, f"{BOOK}a.vcf", f"{BOOK}b.vcf", "/", "/ann/", "/bob/", "/ann/new/", "/%00", "/ann/%2e%2e/", "/%ff"]
NAME = "<D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set>"
SET = f'<D:propertyupdate xmlns:D="DAV:">{NAME}</D:propertyupdate>'
FILTER = '<c:filter><c:prop-filter name="FN"><c:text-match>a</c:text-match></c:prop-filter></c:filter>'
BODIES = [
    "",
    CARD.format(name="Ann", uid="a"),
    CARD.format(name="Bob", uid="b"),
    '<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>',
    SET,
    report("addressbook-query", FILTER),
    report("addressbook-multiget", f"<D:href>{BOOK}a.vcf</D:href>"),
    report("sync-collection", "<D:sync-token>data:,0</D:sync-token>", "DAV:"),
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<a>" * 3000,
    "BEGIN:VCARD\r\n" * 500,
]
HEADERS = {
    "Depth": ["0", "1", "infinity", "-1", "x"],
    "If_Match": ["*", '"x"', "x" * 2000, '""'],
    "If_None_Match": ["*", '"x", "y"', ","],
    "Content_Type": ["text/vcard", "text/calendar", ";"],
    "Authorization": ["Basic", "Basic !!!", "Digest x", "Basic " + "A" * 4000],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    ours = Ours(tmp_path_factory.mktemp("contacts"))
    ours.ask("PUT", f"{BOOK}a.vcf", BODIES[1])
    yield ours
    asyncio.run(ours.contacts.close())


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(METHODS), st.sampled_from(PATHS), picked(HEADERS), spoiled(BODIES))
def test_every_request_has_an_answer(server: Ours, method: str, path: str, told: dict[str, str], body: bytes) -> None:
    before = list(server.contacts.rows())
    login = None if "Authorization" in told else "ann:sesame"
    status, _, text = server.ask(method, path, body, login, **told)
    assert status < 500
    if status >= 400 or method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"):
        assert list(server.contacts.rows()) == before
    if status == 207:
        ElementTree.fromstring(text)
