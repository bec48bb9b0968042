"""The same requests to Radicale and to ours: what both must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from caldav_server import Client, Missing, Ours, Radicale, Reply
from caldav_texts import BERLIN, NEW_YORK, WEEKLY, C, D, event, ics, propfind, query, sync, time_range

ICS = {"Content_Type": "text/calendar; charset=utf-8"}
WORK = "/ann/work/"


@pytest.fixture(scope="module", params=["ours", "radicale"])
def server(request: pytest.FixtureRequest) -> Iterator[Ours | Radicale]:
    try:
        started = Ours() if request.param == "ours" else Radicale()
    except Missing as reason:
        pytest.skip(str(reason))
    yield started
    started.close()


@pytest.fixture
def client(server: Ours | Radicale) -> Iterator[Client]:
    client = Client(server.port)
    assert client.ask("MKCALENDAR", WORK).status == 201
    yield client
    client.ask("DELETE", WORK)
    client.close()


def put(client: Client, name: str, text: str, **headers: str) -> Reply:
    return client.ask("PUT", WORK + name, text, **ICS, **headers)


def names(reply: Reply) -> list[str]:
    assert reply.status == 207, reply
    return sorted(href.rpartition("/")[2] for href in reply.responses())


def find(client: Client, filter: str, data: str = "<C:calendar-data/>") -> list[str]:
    return names(client.ask("REPORT", WORK, query(filter, data), Depth="1"))


def test_options_say_what_it_is(client: Client) -> None:
    reply = client.ask("OPTIONS", WORK)
    assert reply.status in (200, 204)
    assert {"1", "3", "calendar-access"} <= {part.strip() for part in reply.headers["dav"].split(",")}
    assert {"PROPFIND", "REPORT", "MKCALENDAR", "PUT"} <= {part.strip() for part in reply.headers["allow"].split(",")}


def test_a_client_finds_its_way_from_the_root(client: Client) -> None:
    [props] = client.ask("PROPFIND", "/", propfind("D:current-user-principal"), Depth="0").responses().values()
    principal = props[f"{D}current-user-principal"].findtext(f"{D}href") or ""
    [props] = client.ask("PROPFIND", principal, propfind("C:calendar-home-set"), Depth="0").responses().values()
    home = props[f"{C}calendar-home-set"].findtext(f"{D}href") or ""
    found = client.ask("PROPFIND", home, propfind("D:resourcetype"), Depth="1").responses()
    calendars = [href for href, props in found.items() if props[f"{D}resourcetype"].find(f"{C}calendar") is not None]
    assert calendars == [WORK]


def test_the_well_known_path_leads_there(client: Client) -> None:
    reply = client.ask("PROPFIND", "/.well-known/caldav", propfind("D:current-user-principal"), Depth="0")
    assert reply.status in (301, 302, 303, 307, 308)
    assert reply.headers["location"].rstrip("/") in ("", f"http://127.0.0.1:{client.port}")


def test_properties_are_found_set_and_missed(client: Client) -> None:
    asked = propfind("D:displayname", "D:resourcetype", "C:supported-calendar-component-set", "D:no-such-thing")
    [props] = client.ask("PROPFIND", WORK, asked, Depth="0").responses().values()
    assert f"{D}no-such-thing" not in props
    assert {"VEVENT", "VTODO"} <= {comp.get("name") for comp in props[f"{C}supported-calendar-component-set"]}
    update = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:X="urn:x"><D:set><D:prop><D:displayname>Büro &amp; mehr</D:displayname>'
        "<X:note>kept <X:b>whole</X:b></X:note></D:prop></D:set></D:propertyupdate>"
    )
    assert client.ask("PROPPATCH", WORK, update).status == 207
    asked = '<D:propfind xmlns:D="DAV:" xmlns:X="urn:x"><D:prop><D:displayname/><X:note/></D:prop></D:propfind>'
    [props] = client.ask("PROPFIND", WORK, asked, Depth="0").responses().values()
    assert props[f"{D}displayname"].text == "Büro & mehr"
    assert "".join(props["{urn:x}note"].itertext()).startswith("kept")


def test_a_calendar_is_made_with_properties(client: Client) -> None:
    body = (
        '<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>'
        "<D:displayname>Trips</D:displayname><C:calendar-description>far</C:calendar-description>"
        '<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>'
        "</D:prop></D:set></C:mkcalendar>"
    )
    assert client.ask("MKCALENDAR", "/ann/trips/", body).status == 201
    asked = propfind("D:displayname", "C:calendar-description", "C:supported-calendar-component-set")
    [props] = client.ask("PROPFIND", "/ann/trips/", asked, Depth="0").responses().values()
    assert (props[f"{D}displayname"].text, props[f"{C}calendar-description"].text) == ("Trips", "far")
    assert [comp.get("name") for comp in props[f"{C}supported-calendar-component-set"]] == ["VEVENT"]
    assert client.ask("MKCALENDAR", "/ann/trips/").status in (403, 405, 409)
    assert client.ask("DELETE", "/ann/trips/").status in (200, 204)
    assert client.ask("PROPFIND", "/ann/trips/", Depth="0").status == 404


def test_an_extended_mkcol_makes_a_calendar(client: Client) -> None:
    body = (
        '<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><D:resourcetype>'
        "<D:collection/><C:calendar/></D:resourcetype><D:displayname>More</D:displayname></D:prop></D:set></D:mkcol>"
    )
    assert client.ask("MKCOL", "/ann/more/", body).status == 201
    [props] = client.ask("PROPFIND", "/ann/more/", propfind("D:resourcetype"), Depth="0").responses().values()
    assert props[f"{D}resourcetype"].find(f"{C}calendar") is not None
    client.ask("DELETE", "/ann/more/")


def test_an_object_comes_back_as_it_was_put(client: Client) -> None:
    made = put(client, "a.ics", event("a@x", "20300107T100000Z", "20300107T110000Z", "SUMMARY:Grüße\\, Ann ✓"))
    assert made.status == 201
    got = client.ask("GET", WORK + "a.ics")
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/calendar")
    assert "SUMMARY:Grüße\\, Ann ✓" in got.text.replace("\r\n ", "")
    assert client.ask("HEAD", WORK + "a.ics").body == b""
    assert client.ask("GET", WORK + "b.ics").status == 404
    assert put(client, "a.ics", event("a@x", "20300108T100000Z", "20300108T110000Z")).status in (201, 204)
    assert "20300108T100000Z" in client.ask("GET", WORK + "a.ics").text
    assert client.ask("DELETE", WORK + "a.ics").status in (200, 204)
    assert client.ask("DELETE", WORK + "a.ics").status == 404


def test_two_clients_with_one_tag(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    etag = client.ask("GET", WORK + "a.ics").headers["etag"]
    assert put(client, "a.ics", event("a@x", "20300108T100000Z", "20300108T110000Z"), If_Match=etag).status in (
        201,
        204,
    )
    assert put(client, "a.ics", event("a@x", "20300109T100000Z", "20300109T110000Z"), If_Match=etag).status == 412
    assert client.ask("DELETE", WORK + "a.ics", If_Match=etag).status == 412
    assert put(client, "a.ics", event("a@x"), If_None_Match="*").status == 412
    assert put(client, "new.ics", event("new@x"), If_None_Match="*").status == 201
    assert put(client, "none.ics", event("none@x"), If_Match=etag).status == 412
    assert "20300108" in client.ask("GET", WORK + "a.ics").text


def test_a_time_range_finds_what_overlaps_it(client: Client) -> None:
    put(client, "in.ics", event("in@x", "20300107T100000Z", "20300107T110000Z"))
    put(client, "before.ics", event("before@x", "20300107T080000Z", "20300107T090000Z"))
    put(client, "after.ics", event("after@x", "20300107T120000Z", "20300107T130000Z"))
    put(client, "over.ics", event("over@x", "20300106T000000Z", "20300109T000000Z"))
    put(client, "day.ics", ics("UID:d@x\nDTSTAMP:20300101T000000Z\nDTSTART;VALUE=DATE:20300107"))
    put(client, "next.ics", ics("UID:n@x\nDTSTAMP:20300101T000000Z\nDTSTART;VALUE=DATE:20300108"))
    put(client, "moment.ics", ics("UID:m@x\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T090000Z"))
    put(client, "length.ics", ics("UID:l@x\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T083000Z\nDURATION:PT1H"))
    found = find(client, time_range("20300107T090000Z", "20300107T120000Z"))
    assert found == ["day.ics", "in.ics", "length.ics", "moment.ics", "over.ics"]
    assert find(client, '<C:comp-filter name="VTODO"/>') == []
    assert len(find(client, '<C:comp-filter name="VEVENT"/>')) == 8


@pytest.mark.parametrize(
    ("zone", "definition", "hours"),
    [
        ("Europe/Berlin", BERLIN, [8, 8, 8, 8, 7, 7, 7, 7, 7, 7]),
        ("America/New_York", NEW_YORK, [14, 13, 13, 13, 13, 13, 13, 13, 13, 13]),
    ],
)
def test_a_series_keeps_its_clock_time_when_clocks_change(
    client: Client, zone: str, definition: str, hours: list[int]
) -> None:
    put(client, "w.ics", ics(definition, WEEKLY.format(zone=zone)))
    data = '<C:calendar-data><C:expand start="20300301T000000Z" end="20300601T000000Z"/></C:calendar-data>'
    range_ = time_range("20300301T000000Z", "20300601T000000Z")
    [props] = client.ask("REPORT", WORK, query(range_, data), Depth="1").responses().values()
    text = props[f"{C}calendar-data"].text or ""
    starts = sorted(line.partition(":")[2] for line in text.splitlines() if line.startswith("DTSTART"))
    assert [int(start[9:11]) for start in starts] == hours
    assert all(start.endswith("0000Z") for start in starts)
    assert "RRULE" not in text
    for hour, day in ((hours[0], "0304"), (hours[-1], "0506")):
        assert find(client, time_range(f"2030{day}T{hour:02}0000Z", f"2030{day}T{hour:02}3000Z")) == ["w.ics"]
        assert find(client, time_range(f"2030{day}T{hour + 1:02}0000Z", f"2030{day}T{hour + 1:02}3000Z")) == []


def test_exceptions_and_overrides_of_a_series(client: Client) -> None:
    moved = "UID:s@x\nDTSTAMP:20300101T000000Z\nRECURRENCE-ID:20300109T100000Z\nDTSTART:20300109T150000Z\n"
    series = "UID:s@x\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T100000Z\nDTEND:20300107T110000Z\n"
    series += "RRULE:FREQ=DAILY;COUNT=5\nEXDATE:20300108T100000Z\nSUMMARY:daily"
    put(client, "s.ics", ics(series, moved + "DTEND:20300109T160000Z\nSUMMARY:moved"))
    assert find(client, time_range("20300108T000000Z", "20300109T000000Z")) == []
    assert find(client, time_range("20300109T100000Z", "20300109T110000Z")) == []
    assert find(client, time_range("20300109T150000Z", "20300109T153000Z")) == ["s.ics"]
    assert find(client, time_range("20300111T100000Z", "20300111T103000Z")) == ["s.ics"]
    assert find(client, time_range("20300112T000000Z", "20400101T000000Z")) == []


def test_an_endless_series_is_found_far_away(client: Client) -> None:
    put(client, "e.ics", ics("UID:e@x\nDTSTAMP:20300101T000000Z\nDTSTART:20300107T100000Z\nRRULE:FREQ=MONTHLY"))
    assert find(client, time_range("20500107T000000Z", "20500108T000000Z")) == ["e.ics"]
    assert find(client, time_range("20500108T000000Z", "20500109T000000Z")) == []


def test_text_is_matched(client: Client) -> None:
    put(client, "a.ics", event("a@x", "20300107T100000Z", "20300107T110000Z", "SUMMARY:Budget REVIEW", "LOCATION:Rome"))
    put(client, "b.ics", event("b@x", "20300107T100000Z", "20300107T110000Z", "SUMMARY:Lunch"))

    def summary(match: str) -> str:
        return f'<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY">{match}</C:prop-filter></C:comp-filter>'

    assert find(client, summary("<C:text-match>review</C:text-match>")) == ["a.ics"]
    assert find(client, summary('<C:text-match negate-condition="yes">review</C:text-match>')) == ["b.ics"]
    assert find(client, '<C:comp-filter name="VEVENT"><C:prop-filter name="LOCATION"/></C:comp-filter>') == ["a.ics"]
    missing = '<C:prop-filter name="LOCATION"><C:is-not-defined/></C:prop-filter>'
    assert find(client, f'<C:comp-filter name="VEVENT">{missing}</C:comp-filter>') == ["b.ics"]


def test_many_are_fetched_by_name(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    hrefs = f"<D:href>{WORK}a.ics</D:href><D:href>{WORK}none.ics</D:href>"
    body = (
        '<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
        f"<D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    )
    found = client.ask("REPORT", WORK, body, Depth="1").responses()
    assert found[f"{WORK}a.ics"][f"{D}getetag"].text == client.ask("GET", WORK + "a.ics").headers["etag"]
    assert "UID:a@x" in (found[f"{WORK}a.ics"][f"{C}calendar-data"].text or "")
    assert " 404 " in (found[f"{WORK}none.ics"]["status"].text or "")


def token(reply: Reply) -> str:
    return reply.text.partition("sync-token>")[2].partition("<")[0]


def test_changes_since_a_token(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    put(client, "b.ics", event("b@x"))
    first = client.ask("REPORT", WORK, sync(), Depth="0")
    assert names(first) == ["a.ics", "b.ics"]
    put(client, "c.ics", event("c@x"))
    put(client, "a.ics", event("a@x", "20300108T100000Z", "20300108T110000Z"))
    client.ask("DELETE", WORK + "b.ics")
    second = client.ask("REPORT", WORK, sync(token(first)), Depth="0")
    assert names(second) == ["a.ics", "b.ics", "c.ics"]
    assert " 404 " in (second.responses()[f"{WORK}b.ics"]["status"].text or "")
    assert names(client.ask("REPORT", WORK, sync(token(second)), Depth="0")) == []
    stale = client.ask("REPORT", WORK, sync("http://radicale.org/ns/sync/rubbish"), Depth="0")
    assert stale.status in (403, 409)
    assert stale.condition() == f"{D}valid-sync-token"


def test_free_and_busy(client: Client) -> None:
    put(client, "a.ics", event("a@x", "20300107T100000Z", "20300107T110000Z"))
    put(client, "free.ics", event("free@x", "20300107T130000Z", "20300107T140000Z", "TRANSP:TRANSPARENT"))
    body = (
        '<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav">'
        '<C:time-range start="20300107T000000Z" end="20300108T000000Z"/></C:free-busy-query>'
    )
    reply = client.ask("REPORT", WORK, body, Depth="1")
    assert reply.status == 200
    assert "BEGIN:VFREEBUSY" in reply.text
    assert "20300107T100000Z/" in reply.text
    assert "20300107T130000Z/" not in reply.text


def test_moving_an_object(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    url = f"http://127.0.0.1:{client.port}{WORK}b.ics"
    assert client.ask("MOVE", WORK + "a.ics", Destination=url, Host=f"127.0.0.1:{client.port}").status == 201
    assert client.ask("GET", WORK + "a.ics").status == 404
    assert "UID:a@x" in client.ask("GET", WORK + "b.ics").text


def test_broken_requests_end_only_themselves(client: Client) -> None:
    for method, path, body in (
        ("PROPFIND", WORK, "<broken"),
        ("REPORT", WORK, "<D:propfind xmlns:D='DAV:'><"),
        ("PUT", WORK + "x.ics", "hello"),
        ("PUT", WORK + "x.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n"),
    ):
        assert 400 <= client.ask(method, path, body, Depth="0").status < 500, (method, body)
    assert client.ask("GET", WORK + "x.ics").status == 404
    assert client.ask("PROPFIND", WORK, propfind("D:displayname"), Depth="0").status == 207
