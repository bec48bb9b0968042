"""Objects and bodies that CalDAV tests send."""

from __future__ import annotations

DAV = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"'
C = "{urn:ietf:params:xml:ns:caldav}"
D = "{DAV:}"

WEEKLY = """UID:weekly@x
DTSTAMP:20300107T090000Z
DTSTART;TZID={zone}:20300304T090000
DTEND;TZID={zone}:20300304T100000
RRULE:FREQ=WEEKLY;COUNT=10
SUMMARY:Standup"""

BERLIN = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE"""

NEW_YORK = """BEGIN:VTIMEZONE
TZID:America/New_York
BEGIN:DAYLIGHT
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
TZNAME:EDT
DTSTART:20070311T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
TZNAME:EST
DTSTART:20071104T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
END:STANDARD
END:VTIMEZONE"""


def ics(*components: str, method: str | None = None) -> str:
    """A VCALENDAR; a component that does not say what it is is a VEVENT."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN", *([f"METHOD:{method}"] if method else [])]
    for component in components:
        inner = component.strip().splitlines()
        lines += inner if inner[0].startswith("BEGIN:") else ["BEGIN:VEVENT", *inner, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def event(uid: str, start: str = "20300107T100000Z", end: str = "20300107T110000Z", *more: str) -> str:
    """A small event."""
    return ics("\n".join([f"UID:{uid}", "DTSTAMP:20300101T000000Z", f"DTSTART:{start}", f"DTEND:{end}", *more]))


def propfind(*names: str) -> str:
    """A PROPFIND for properties, each `D:name` or `C:name`."""
    return f"<D:propfind {DAV}><D:prop>{''.join(f'<{name}/>' for name in names)}</D:prop></D:propfind>"


def query(filter: str, data: str = "<C:calendar-data/>") -> str:
    """A calendar-query."""
    inner = f'<C:filter><C:comp-filter name="VCALENDAR">{filter}</C:comp-filter></C:filter>'
    return f"<C:calendar-query {DAV}><D:prop><D:getetag/>{data}</D:prop>{inner}</C:calendar-query>"


def time_range(start: str, end: str, component: str = "VEVENT") -> str:
    """A filter for a component in a range."""
    return f'<C:comp-filter name="{component}"><C:time-range start="{start}" end="{end}"/></C:comp-filter>'


def sync(token: str = "", more: str = "") -> str:
    """A sync-collection."""
    inner = f"<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{more}<D:prop><D:getetag/></D:prop>"
    return f"<D:sync-collection {DAV}>{inner}</D:sync-collection>"
