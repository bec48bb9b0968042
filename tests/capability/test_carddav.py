"""The CardDAV server, spoken to as clients do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from carddav_server import BOOK, CARD, Ours, report


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    ours = Ours(tmp_path)
    yield ours
    asyncio.run(ours.contacts.close())


def test_a_client_finds_its_way(ours: Ours):
    assert ours.ask("GET", "/.well-known/carddav")[:2][1]["location"] == "/"
    assert ours.ask("PROPFIND", "/", login=None)[0] == 401
    assert ours.ask("PROPFIND", "/", login="ann:wrong")[0] == 401
    assert "addressbook" in ours.ask("OPTIONS", "/")[1]["dav"]
    ask = '<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
    assert "/ann/" in ours.found("PROPFIND", "/", ask, Depth="0")["/"]
    home = '<C:addressbook-home-set xmlns:C="urn:ietf:params:xml:ns:carddav"/>'
    ask = f'<propfind xmlns="DAV:"><prop>{home}</prop></propfind>'
    assert "/ann/</" in ours.found("PROPFIND", "/ann/", ask, Depth="0")["/ann/"]
    homes = ours.found("PROPFIND", "/ann/", "", Depth="1")
    assert set(homes) == {"/ann/", BOOK}
    assert "addressbook" in homes[BOOK]
    assert ours.ask("PROPFIND", "/bob/", Depth="0")[0] == 404, "another's is not there"
    assert list(ours.contacts.rows()) == [], "looking changes nothing"


def test_cards_are_put_changed_and_removed(ours: Ours):
    path = f"{BOOK}a%20b.vcf"
    text = CARD.format(name="Ann", uid="one")
    status, headers, _ = ours.ask("PUT", path, text, If_None_Match="*", Content_Type="text/vcard")
    assert status == 201
    assert ours.ask("GET", path)[2] == text
    assert ours.ask("GET", path, If_None_Match=headers["etag"])[0] == 304
    assert ours.ask("PUT", path, text, If_None_Match="*")[0] == 412
    assert ours.ask("PUT", path, text.replace("Ann", "Eve"), If_Match='"stale"')[0] == 412
    assert ours.ask("PUT", path, text.replace("Ann", "Eve"), If_Match=headers["etag"])[0] == 204
    assert ours.contacts.get_contact("one")["name"] == "Eve"
    assert ours.contacts.get_contact("one")["by"] == "agent"
    assert "no-uid-conflict" in ours.ask("PUT", f"{BOOK}other.vcf", text)[2]
    assert "valid-address-data" in ours.ask("PUT", f"{BOOK}x.vcf", "nonsense")[2]
    assert "valid-address-data" in ours.ask("PUT", f"{BOOK}x.vcf", b"\xff")[2]
    assert "supported-address-data" in ours.ask("PUT", f"{BOOK}x.vcf", text, Content_Type="text/calendar")[2]
    assert ours.ask("PUT", "/ann/nowhere/x.vcf", text)[0] == 409
    assert ours.ask("PUT", "/bob/contacts/x.vcf", text)[0] == 404
    assert ours.ask("DELETE", path, If_Match='"stale"')[0] == 412
    assert ours.ask("DELETE", path)[0] == 204
    assert ours.ask("GET", path)[0] == 404


def test_books_are_made_and_named(ours: Ours):
    make = (
        '<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/><C:addressbook '
        'xmlns:C="urn:ietf:params:xml:ns:carddav"/></resourcetype><displayname>Work</displayname></prop></set></mkcol>'
    )
    assert ours.ask("MKCOL", "/ann/work/", make)[0] == 201
    assert ours.ask("MKCOL", "/ann/work/", make)[0] == 405
    assert ours.ask("MKCOL", "/ann/plain/")[0] == 403
    change = '<propertyupdate xmlns="DAV:"><set><prop><displayname>Job</displayname></prop></set></propertyupdate>'
    assert " 200 " in ours.found("PROPPATCH", "/ann/work/", change)["/ann/work/"]
    assert [one["name"] for one in ours.contacts.books("ann")] == ["Contacts", "Job"]
    change = change.replace("displayname", "getetag")
    assert " 403 " in ours.found("PROPPATCH", "/ann/work/", change)["/ann/work/"]
    assert ours.ask("DELETE", "/ann/work/")[0] == 204
    assert len(ours.contacts.books("ann")) == 1


def test_reports(ours: Ours):
    for uid, name in (("one", "Ann Lee"), ("two", "Bob Ray"), ("three", "Ännchen")):
        ours.ask("PUT", f"{BOOK}{uid}.vcf", CARD.format(name=name, uid=uid))

    def query(filters: str) -> set[str]:
        return {path.split("/")[-1][:-4] for path in ours.found("REPORT", BOOK, report("addressbook-query", filters))}

    def match(name: str, text: str, kind: str = "contains") -> str:
        return f'<c:prop-filter name="{name}"><c:text-match match-type="{kind}">{text}</c:text-match></c:prop-filter>'

    assert query("") == {"one", "two", "three"}
    assert query(f"<c:filter>{match('FN', 'ÄNN')}</c:filter>") == {"three"}
    assert query(f"<c:filter>{match('FN', 'ann')}{match('EMAIL', 'two', 'starts-with')}</c:filter>") == {"one", "two"}
    assert query(f'<c:filter test="allof">{match("FN", "a")}{match("EMAIL", "two")}</c:filter>') == {"two"}
    absent = '<c:filter><c:prop-filter name="TEL"><c:is-not-defined/></c:prop-filter></c:filter>'
    assert query(absent) == {"one", "two", "three"}
    work = '<c:param-filter name="TYPE"><c:text-match>work</c:text-match></c:param-filter>'
    assert len(query(f'<c:filter><c:prop-filter name="EMAIL">{work}</c:prop-filter></c:filter>')) == 3
    assert len(query("<c:limit><c:nresults>2</c:nresults></c:limit>")) == 3, "two, and that there are more"
    got = ours.found(
        "REPORT", BOOK, report("addressbook-multiget", f"<D:href>{BOOK}one.vcf</D:href><D:href>/x</D:href>")
    )
    assert "Ann Lee" in got[f"{BOOK}one.vcf"]
    assert " 404 " in got["/x"]
    assert ours.ask("REPORT", BOOK, report("free-busy-query", ""))[0] == 403
    assert ours.ask("REPORT", BOOK, "<x")[0] == 400


def test_a_client_synchronises(ours: Ours):
    ours.ask("PUT", f"{BOOK}one.vcf", CARD.format(name="Ann", uid="one"))

    def sync(token: str) -> tuple[set[str], str]:
        body = report("sync-collection", f"<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>", "DAV:")
        status, _, answer = ours.ask("REPORT", BOOK, body)
        assert status == 207, answer
        root = ElementTree.fromstring(answer)
        told = {
            (one.findtext("{DAV:}href") or "") + (" gone" if one.find("{DAV:}status") is not None else "")
            for one in root.findall("{DAV:}response")
        }
        return told, root.findtext("{DAV:}sync-token") or ""

    first, token = sync("")
    assert first == {f"{BOOK}one.vcf"}
    assert sync(token) == (set(), token)
    ours.contacts.add_contact("Bob", "ann", uid="two")
    ours.contacts.delete_contact("one", "ann")
    assert sync(token)[0] == {f"{BOOK}one.vcf gone", f"{BOOK}two.vcf"}
    body = report("sync-collection", "<D:sync-token>data:,99</D:sync-token>", "DAV:")
    assert "valid-sync-token" in ours.ask("REPORT", BOOK, body)[2]
