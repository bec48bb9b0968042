"""What our CalDAV server does where servers differ, and with clients that mean no good."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from caldav_server import ICS, WORK, Client, Ours, put, refused
from caldav_texts import BERLIN, DAV, WEEKLY, C, D, event, ics, propfind, query, sync, time_range

# -- the protocol ----------------------------------------------------------------------------------------------------


def test_an_object_is_stored_byte_for_byte(client: Client) -> None:
    text = event("a@x", "20300107T100000Z", "20300107T110000Z", 'X-ODD;P="a;b":  kept as it is \\n')
    made = put(client, "a.ics", text)
    assert client.ask("GET", WORK + "a.ics").body == text.encode()
    assert made.headers["etag"] == client.ask("GET", WORK + "a.ics").headers["etag"]
    again = client.ask("GET", WORK + "a.ics", If_None_Match=made.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_conditions_have_names(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    refused(put(client, "b.ics", event("a@x")), f"{C}no-uid-conflict")
    refused(put(client, "a.ics", event("other@x")), f"{C}no-uid-conflict")
    refused(
        put(client, "c.ics", ics("UID:c@x\nDTSTART:20300107T100000Z", method="REQUEST")),
        f"{C}valid-calendar-object-resource",
    )
    refused(put(client, "c.ics", event("c@x", "20300107T100000Z", "20300106T100000Z")), f"{C}valid-calendar-data")
    refused(put(client, "c.ics", "x" * 2_000_000), f"{C}max-resource-size")
    refused(put(client, "c.ics", b"BEGIN:VCALENDAR\r\n\xff\r\nEND:VCALENDAR\r\n"), f"{C}valid-calendar-data")
    refused(client.ask("PUT", WORK + "c.ics", "{}", Content_Type="application/json"), f"{C}supported-calendar-data")
    refused(client.ask("MKCALENDAR", WORK), f"{D}resource-must-be-null")
    refused(client.ask("MKCALENDAR", f"{WORK}deeper/"), f"{C}calendar-collection-location-ok")
    refused(client.ask("MKCALENDAR", "/ann/inbox/"), f"{D}resource-must-be-null")
    assert client.ask("MKCOL", WORK).status == 405
    assert client.ask("PUT", "/ann/none/a.ics", event("x@x"), **ICS).status in (404, 409)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;UNTIL=20400101T000000Z",
        "FREQ=DAILY;COUNT=1000000",
        "FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7,8,9,10,11;BYMINUTE=1,2,3,4,5,6,7,8,9,10,11",
    ],
)
def test_recurrences_that_would_never_end_being_counted(client: Client, rule: str) -> None:
    reply = put(client, "r.ics", event("r@x", "20300107T100000Z", "20300107T110000Z", f"RRULE:{rule}"))
    refused(reply, f"{C}max-instances")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=NEVER",
        "FREQ=DAILY;COUNT=0",
        "INTERVAL=1",
        "FREQ=DAILY;COUNT=1;UNTIL=20300108",
    ],
)
def test_recurrences_that_make_no_sense(client: Client, rule: str) -> None:
    reply = put(client, "r.ics", event("r@x", "20300107T100000Z", "20300107T110000Z", f"RRULE:{rule}"))
    refused(reply, f"{C}valid-calendar-data")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCALENDAR",
        ics("UID:a@x\nDTSTART:rubbish"),
        ics("UID:a@x\nSUMMARY:no start"),
        ics("DTSTART:20300107T100000Z"),
        ics("UID:a@x\nDTSTART:20300107T100000Z", "UID:b@x\nDTSTART:20300107T100000Z"),
        ics("UID:a@x\nDTSTART:20300107T100000Z", "BEGIN:VTODO\nUID:a@x\nEND:VTODO"),
        ics("UID:a@x\nDTSTART;TZID=Mars/Base:20300107T100000"),
        ics("UID:a@x\nDTSTART;TZID=../../etc/passwd:20300107T100000"),
        ics("UID:a@x\nDTSTART:20300107T100000Z\nBEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM"),
        ics("UID:a@x\nDTSTART:20300107T100000Z\nDTEND;VALUE=DATE:20300108"),
        ics(BERLIN),
        "BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 5000 + "END:VEVENT\r\n" * 5000 + "END:VCALENDAR\r\n",
        event("a@x").replace("END:VEVENT", "SUMMARY:\x00\r\nEND:VEVENT"),
    ],
)
def test_what_is_not_an_object_is_refused_and_nothing_is_stored(ours: Ours, client: Client, text: str) -> None:
    changes = len(ours.changes)
    assert put(client, "bad.ics", text).status == 403
    assert len(ours.changes) == changes


def test_a_zone_that_only_the_object_knows(client: Client) -> None:
    """The same name means another zone in another object: neither sees the other's."""
    for name, offset in (("east", "+0500"), ("west", "-0500")):
        zone = BERLIN.replace("Europe/Berlin", "Office").split("BEGIN:STANDARD")[0].replace("+0100", offset)
        zone = zone.replace("+0200", offset) + "END:VTIMEZONE"
        body = ics(zone, f"UID:{name}@x\nDTSTART;TZID=Office:20300701T120000\nDTEND;TZID=Office:20300701T130000")
        assert put(client, f"{name}.ics", body).status == 201
    for name, hour in (("east", "07"), ("west", "17")):
        within = time_range(f"20300701T{hour}0000Z", f"20300701T{hour}3000Z")
        found = client.ask("REPORT", WORK, query(within), Depth="1").responses()
        assert list(found) == [f"{WORK}{name}.ics"]


def test_depth(client: Client) -> None:
    put(client, "a.ics", event("a@x"))
    refused(client.ask("PROPFIND", "/", Depth="infinity"), f"{D}propfind-finite-depth")
    refused(client.ask("PROPFIND", "/ann/"), f"{D}propfind-finite-depth")
    assert len(client.ask("PROPFIND", WORK, Depth="infinity").responses()) == 2
    assert client.ask("PROPFIND", WORK, Depth="7").status == 400


def test_protected_properties_stay_and_nothing_else_is_set_then(client: Client) -> None:
    update = f"<D:propertyupdate {DAV}><D:set><D:prop><D:displayname>New</D:displayname><D:getetag>1</D:getetag>"
    reply = client.ask("PROPPATCH", WORK, update + "</D:prop></D:set></D:propertyupdate>")
    assert "403" in reply.text
    assert "424" in reply.text
    [props] = client.ask("PROPFIND", WORK, propfind("D:displayname"), Depth="0").responses().values()
    assert props[f"{D}displayname"].text == "work"


def test_asking_for_all_or_only_names(client: Client) -> None:
    body = f"<D:propfind {DAV}><D:propname/></D:propfind>"
    [named] = client.ask("PROPFIND", WORK, body, Depth="0").responses().values()
    assert {f"{D}sync-token", f"{C}supported-calendar-data", "{http://calendarserver.org/ns/}getctag"} <= set(named)
    [everything] = client.ask("PROPFIND", WORK, Depth="0").responses().values()
    assert f"{D}displayname" in everything
    assert f"{C}supported-calendar-data" not in everything


def test_the_ctag_and_token_follow_every_change(client: Client) -> None:
    def state() -> str:
        asked = propfind("CS:getctag", "D:sync-token")
        [props] = client.ask("PROPFIND", WORK, asked, Depth="0").responses().values()
        return "".join(element.text or "" for element in props.values())

    seen = [state()]
    put(client, "a.ics", event("a@x"))
    seen.append(state())
    put(client, "a.ics", event("a@x", "20300108T100000Z", "20300108T110000Z"))
    seen.append(state())
    client.ask("DELETE", WORK + "a.ics")
    seen.append(state())
    client.ask("GET", WORK + "a.ics")
    assert len(set(seen)) == 4
    assert state() == seen[-1]


def test_a_sync_in_small_steps(client: Client) -> None:
    for number in range(5):
        put(client, f"{number}.ics", event(f"{number}@x"))
    found, token = set(), ""
    for _ in range(3):
        reply = client.ask("REPORT", WORK, sync(token, "<D:limit><D:nresults>2</D:nresults></D:limit>"))
        token = reply.text.partition("sync-token>")[2].partition("<")[0]
        found |= {href for href in reply.responses() if href != WORK}
        assert (" 507 " in reply.text) == (len(found) < 5)
    assert len(found) == 5
    for bad in ("data:,99", "data:,-1", "data:,x", "1"):
        refused(client.ask("REPORT", WORK, sync(bad)), f"{D}valid-sync-token")


def test_a_range_without_an_end(client: Client) -> None:
    put(client, "w.ics", ics(BERLIN, WEEKLY.format(zone="Europe/Berlin")))
    put(client, "e.ics", event("e@x", "20300107T100000Z", "20300107T110000Z", "RRULE:FREQ=YEARLY"))
    for start, found in (("20300301T000000Z", 2), ("20400301T000000Z", 1)):
        filter = f'<C:comp-filter name="VEVENT"><C:time-range start="{start}"/></C:comp-filter>'
        assert len(client.ask("REPORT", WORK, query(filter), Depth="1").responses()) == found


def test_parts_of_objects(client: Client) -> None:
    put(client, "w.ics", ics(BERLIN, WEEKLY.format(zone="Europe/Berlin")))
    part = '<C:comp name="VEVENT"><C:prop name="UID"/></C:comp>'
    data = f'<C:calendar-data><C:comp name="VCALENDAR">{part}</C:comp></C:calendar-data>'
    [props] = client.ask("REPORT", WORK, query('<C:comp-filter name="VEVENT"/>', data)).responses().values()
    text = props[f"{C}calendar-data"].text or ""
    assert "UID:weekly@x" in text
    assert "SUMMARY" not in text
    assert "VTIMEZONE" not in text


def test_to_dos_journals_and_alarms_are_filtered(client: Client) -> None:
    put(client, "todo.ics", ics("BEGIN:VTODO\nUID:t@x\nDUE:20300110T100000Z\nEND:VTODO"))
    put(client, "bare.ics", ics("BEGIN:VTODO\nUID:u@x\nEND:VTODO"))
    put(client, "journal.ics", ics("BEGIN:VJOURNAL\nUID:j@x\nDTSTART;VALUE=DATE:20300110\nEND:VJOURNAL"))
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT30M\nEND:VALARM"
    put(client, "alarm.ics", event("a@x", "20300110T100000Z", "20300110T110000Z", alarm))

    def find(filter: str) -> list[str]:
        reply = client.ask("REPORT", WORK, query(filter), Depth="1")
        return sorted(href.removeprefix(WORK) for href in reply.responses())

    assert find(time_range("20300110T000000Z", "20300111T000000Z", "VTODO")) == ["bare.ics", "todo.ics"]
    assert find(time_range("20300111T000000Z", "20300112T000000Z", "VTODO")) == ["bare.ics"]
    assert find(time_range("20300110T000000Z", "20300111T000000Z", "VJOURNAL")) == ["journal.ics"]
    ring = '<C:comp-filter name="VALARM"><C:time-range start="{}" end="{}"/></C:comp-filter></C:comp-filter>'
    ring = '<C:comp-filter name="VEVENT">' + ring
    assert find(ring.format("20300110T093000Z", "20300110T093100Z")) == ["alarm.ics"]
    assert find(ring.format("20300110T100000Z", "20300110T100100Z")) == []


@pytest.mark.parametrize(
    ("filter", "condition"),
    [
        ('<C:comp-filter name="VEVENT"><C:time-range start="yesterday"/></C:comp-filter>', f"{C}valid-filter"),
        ('<C:comp-filter name="VEVENT"><C:time-range/></C:comp-filter>', f"{C}valid-filter"),
        ('<C:comp-filter name="VEVENT"><C:odd/></C:comp-filter>', f"{C}supported-filter"),
        ('<C:comp-filter name="VODD"/>', f"{C}supported-filter"),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY">'
            '<C:text-match collation="i;odd">x</C:text-match>'
            "</C:prop-filter></C:comp-filter>",
            f"{C}supported-collation",
        ),
    ],
)
def test_filters_that_cannot_be(client: Client, filter: str, condition: str) -> None:
    refused(client.ask("REPORT", WORK, query(filter), Depth="1"), condition)


def test_copies(client: Client) -> None:
    client.ask("MKCALENDAR", "/ann/second/")
    put(client, "a.ics", event("a@x"))
    refused(client.ask("COPY", WORK + "a.ics", Destination=WORK + "b.ics"), f"{C}no-uid-conflict")
    assert client.ask("COPY", WORK + "a.ics", Destination="/ann/second/a.ics").status == 201
    assert client.ask("COPY", WORK + "a.ics", Destination="/ann/second/a.ics", Overwrite="F").status == 412
    assert client.ask("MOVE", WORK + "a.ics", Destination="/ann/second/a.ics").status == 204
    assert client.ask("GET", WORK + "a.ics").status == 404
    assert client.ask("COPY", "/ann/second/a.ics", Destination="/ann/none/a.ics").status == 409
    assert client.ask("COPY", "/ann/second/a.ics", Destination="http://elsewhere.example/a").status == 502


# -- clients that mean no good ---------------------------------------------------------------------------------------


def test_paths_do_not_climb(client: Client) -> None:
    for path in (
        "/ann/work/%2e%2e/%2e%2e/etc/passwd",
        "/ann/work/..%2f..%2fbob/secret.ics",
        "/ann/%2e%2e/bob/",
        "/ann/work/%00.ics",
        "/ann/work/%ff.ics",
        "/ann/work/%0d%0aX:1.ics",
    ):
        for method in ("GET", "PUT", "DELETE", "PROPFIND", "MKCALENDAR"):
            reply = client.ask(method, path, event("a@x") if method == "PUT" else b"", Depth="0", **ICS)
            assert reply.status in (400, 403, 404), (method, path, reply.status)
    assert client.ask("PROPFIND", WORK, Depth="1").text.count("<D:response>") == 1


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
        '<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>',
        "<a>" * 5000 + "</a>" * 5000,
        "<a>" + "x" * 3_000_000 + "</a>",
        "\x00",
        '<?xml version="1.0" encoding="no-such-thing"?><a/>',
    ],
)
def test_xml_that_nobody_needs_to_send(client: Client, body: str) -> None:
    for method in ("PROPFIND", "REPORT", "PROPPATCH"):
        assert client.ask(method, WORK, body, Depth="0").status == 400
    assert client.ask("PROPFIND", WORK, Depth="0").status == 207


def test_names_and_texts_that_are_not_plain(client: Client) -> None:
    path = "/ann/work/%C3%A4%20%26%20%3Cb%3E.ics"
    assert (
        client.ask(
            "PUT", path, event("ä&<b>\"'@x", "20300107T100000Z", "20300107T110000Z", "SUMMARY:]]>&<x>"), **ICS
        ).status
        == 201
    )
    [[href, props]] = client.ask("REPORT", WORK, query('<C:comp-filter name="VEVENT"/>')).responses().items()
    assert client.ask("GET", href).text == (props[f"{C}calendar-data"].text or "").replace("\r\n", "\n").replace(
        "\n", "\r\n"
    )


def test_ten_thousand_events(ours: Ours, client: Client) -> None:
    add = ours.calendar.add_event
    for number in range(10_000):
        add("ann/work", f"Event {number}", datetime(2030, 1, 1 + number % 28, number % 24), uid=f"{number}@x")
    reply = client.ask("REPORT", WORK, query(time_range("20300105T000000Z", "20300106T000000Z")), Depth="1")
    assert len(reply.responses()) == sum(1 for number in range(10_000) if number % 28 == 4)
    assert len(client.ask("PROPFIND", WORK, propfind("D:getetag"), Depth="1").responses()) == 10_001
    assert client.ask("GET", WORK + "9999@x.ics").status == 200
    assert len(ours.calendar.list_events("ann/work", date(2030, 1, 5), date(2030, 1, 6))) == 357
