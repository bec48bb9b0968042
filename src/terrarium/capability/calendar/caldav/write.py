"""Requests that change calendars: PUT, DELETE, MKCALENDAR, MKCOL, COPY, MOVE; and POST to the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from terrarium.capability.calendar.busy import busy_periods, busy_text
from terrarium.capability.calendar.caldav.propfind import settings_of
from terrarium.capability.calendar.caldav.resource import Resource, Resources
from terrarium.capability.calendar.diary import Diary
from terrarium.capability.calendar.moment import micros
from terrarium.capability.calendar.occurrence import Range
from terrarium.capability.calendar.parsing import SIZE, addresses, fields_of, parse
from terrarium.capability.calendar.rule import TooMany
from terrarium.capability.calendar.shelf import Shelved
from terrarium.capability.webdav.answer import Answer, Failed, xml_answer
from terrarium.capability.webdav.condition import check
from terrarium.capability.webdav.xml import c, clark, document, href, short, tag
from terrarium.core.errors import Refused

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Headers = Mapping[str, str]


def put(diary: Diary, resource: Resource | None, headers: Headers, body: bytes) -> Answer:
    """Store an object (RFC 4791, section 5.3.2).

    Raises:
        Failed: 412 for a stale tag, 403 with the condition that does not hold, 409 where no calendar is.
    """
    if resource is None:
        raise Failed(409, message="there is no such calendar to put it in")
    if resource.kind != "object":
        raise Failed(405, message="only objects inside a calendar can be put")
    _writable(resource)
    _match(headers, resource.item)
    kind = headers.get("content-type", "text/calendar").partition(";")[0].strip().lower()
    if kind not in ("text/calendar", "application/octet-stream", "text/plain", ""):
        raise Failed(403, c("supported-calendar-data"), f"an object is text/calendar, not {kind[:60]}")
    if len(body) > SIZE:
        raise Failed(403, c("max-resource-size"), f"an object has at most {SIZE} bytes")
    try:
        text = body.decode("utf-8-sig")
        parsed = parse(text)
    except UnicodeDecodeError:
        raise Failed(403, c("valid-calendar-data"), "an object is UTF-8") from None
    except TooMany as error:
        raise Failed(403, c("max-instances"), str(error)) from None
    except Refused as error:
        raise Failed(403, c("valid-calendar-data"), str(error)) from None
    if parsed.method is not None:
        raise Failed(403, c("valid-calendar-object-resource"), "an object of a calendar has no METHOD")
    fields = fields_of(parsed)
    if fields["component"] not in diary.shelf.calendar(resource.key)["components"]:
        raise Failed(403, c("supported-calendar-component"), f"this calendar takes no {fields['component']}")
    held = diary.shelf.with_uid(resource.key, fields["uid"])
    if held is not None and held.name != resource.name:
        inside = href(f"{resource.path.rpartition('/')[0]}/{held.name}")
        raise Failed(403, c("no-uid-conflict"), "another object has that UID", inside)
    if resource.item is not None and resource.item.fields["uid"] != fields["uid"]:
        raise Failed(403, c("no-uid-conflict"), "an object keeps its UID", href(resource.path))
    try:
        stored = diary.write(resource.key, resource.name, text)
    except Refused as error:
        raise Failed(403, c("valid-calendar-object-resource"), str(error)) from None
    told = {"etag": stored.etag} if stored.fields["text"].encode() == body else {}
    if stored.fields["organizer"]:
        told["schedule-tag"] = f'"{stored.fields["tag"]}"'
    return Answer(201 if resource.item is None else 204, b"", told)


def delete(diary: Diary, resource: Resource | None, headers: Headers) -> Answer:
    """Remove an object or a calendar.

    Raises:
        Failed: 404, 412 for a stale tag, 403 where it may not be.
    """
    if resource is None or (resource.kind == "object" and resource.item is None):
        raise Failed(404, message="there is nothing here")
    if resource.kind == "object" and resource.item is not None:
        _writable(resource)
        _match(headers, resource.item)
        if headers.get("schedule-reply", "T").strip().upper() == "F":
            diary.shelf.remove(resource.item)
        else:
            diary.delete(resource.item)
    elif resource.kind == "calendar" and resource.key.startswith(f"{resource.owner}/"):
        _writable(resource)
        diary.shelf.discard(resource.key)
    else:
        raise Failed(403, message="that cannot be deleted")
    return Answer(204)


def make(diary: Diary, resources: Resources, path: str, method: str, root: Element | None) -> Answer:
    """Make a calendar: MKCALENDAR (RFC 4791, section 5.3.1) or extended MKCOL (RFC 5689).

    Raises:
        Failed: 405 or 403 where something is there already or a calendar cannot be, 403 for properties that cannot.
    """
    person, slug = resources.slug_at(path)
    if resources.find(path) is not None:
        if method == "MKCOL":
            raise Failed(405, message="there is something here already")
        raise Failed(403, "DAV:resource-must-be-null", "there is something here already")
    outer = clark("DAV:mkcol") if method == "MKCOL" else c("mkcalendar")
    if root is not None and root.tag != outer:
        raise Failed(400 if method == "MKCALENDAR" else 415, message=f"the body must be a {outer}")
    asked = []
    for step in root.findall(clark("DAV:set")) if root is not None else ():
        asked += [(short(element.tag), element) for prop in step.findall(clark("DAV:prop")) for element in prop]
    kinds = [element for name, element in asked if name == "DAV:resourcetype"]
    if method == "MKCOL" and not any(element.find(c("calendar")) is not None for element in kinds):
        raise Failed(403, "DAV:valid-resourcetype", "only calendars can be made here: say so in DAV:resourcetype")
    settings, refused = settings_of(asked, {}, new=True)
    if refused:
        told = ", ".join(sorted(refused))
        condition = c("supported-calendar-component") if c("supported-calendar-component-set") in refused else None
        raise Failed(403, condition or "DAV:cannot-modify-protected-property", f"these cannot be set: {told[:300]}")
    name = settings.pop("name", None)
    try:
        diary.shelf.create(person, slug, name or slug, **settings)
    except Refused as error:
        raise Failed(403, c("calendar-collection-location-ok"), str(error)) from None
    return Answer(201, headers={"cache-control": "no-cache"})


def copy_or_move(diary: Diary, resources: Resources, source: Resource | None, headers: Headers, move: bool) -> Answer:
    """COPY or MOVE an object to another calendar or name.

    Raises:
        Failed: 404, 403 for collections, 409 and 412 as RFC 4918 has them.
    """
    if source is None or (source.kind == "object" and source.item is None):
        raise Failed(404, message="there is nothing here")
    if source.item is None:
        raise Failed(403, message="only objects can be copied and moved")
    if move:
        _writable(source)
        _match(headers, source.item)
    named = headers.get("destination")
    if not named:
        raise Failed(400, message="a Destination header says where to")
    url = urlsplit(named)
    if url.netloc and url.netloc.lower() != headers.get("host", url.netloc).lower():
        raise Failed(502, message="the destination is on another server")
    try:
        target = resources.find(url.path)
    except Failed as error:
        raise Failed(409, message="there is no such calendar to put it in") if error.status == 404 else error from None
    if target is None or target.kind != "object":
        raise Failed(409 if target is None else 403, message="the destination must be an object in a calendar")
    _writable(target)
    if target.key == source.key and target.name == source.name:
        raise Failed(403, message="source and destination are the same")
    if target.item is not None and headers.get("overwrite", "T").strip().upper() == "F":
        raise Failed(412, message="there is something at the destination")
    held = diary.shelf.with_uid(target.key, source.item.fields["uid"])
    if held is not None and held.name != target.name and not (move and target.key == source.key):
        raise Failed(403, c("no-uid-conflict"), "another object there has that UID", href(held.name))
    if source.item.fields["component"] not in diary.shelf.calendar(target.key)["components"]:
        raise Failed(403, c("supported-calendar-component"), "that calendar does not take it")
    there = target.item
    if there is not None:
        diary.shelf.remove(there)
    if move:
        diary.shelf.remove(source.item)
    diary.copy(source.item, target.key, target.name)
    return Answer(204 if there is not None else 201)


def post(diary: Diary, resources: Resources, resource: Resource | None, body: bytes) -> Answer:
    """Ask the outbox when people are busy (RFC 6638, section 5).

    Raises:
        Failed: 405 elsewhere, 403 for what is not such a question.
    """
    if resource is None or resource.kind != "outbox":
        raise Failed(405, message="only an outbox takes POST")
    try:
        parsed = parse(body.decode("utf-8-sig"))
    except (Refused, UnicodeDecodeError) as error:
        raise Failed(403, c("valid-calendar-data"), str(error)) from None
    main = parsed.main
    if parsed.method != "REQUEST" or main.name != "VFREEBUSY" or "DTSTART" not in main or "DTEND" not in main:
        raise Failed(403, c("valid-scheduling-message"), "an outbox takes VFREEBUSY with METHOD:REQUEST")
    people = resources.desk.people
    asker = [entry["address"] for entry in addresses(main, "ORGANIZER")]
    if asker != [resources.desk.person.address.lower()]:
        raise Failed(403, c("organizer-allowed"), "the ORGANIZER must be you")
    within = Range(micros(main["DTSTART"].dt), micros(main["DTEND"].dt))
    found = []
    for entry in addresses(main, "ATTENDEE")[:100]:
        person = people.at(entry["address"])
        told = tag(c("recipient"), href(f"mailto:{entry['address']}"))
        if person is None:
            told += tag(c("request-status"), text="3.7;Invalid calendar user")
        else:
            text = busy_text(
                busy_periods(diary.shelf, person, within, resources.allowance),
                within,
                diary.site.clock.now,
                method="REPLY",
                uid=str(main.get("UID", "")),
                organizer=f"mailto:{asker[0]}",
                attendee=f"mailto:{entry['address']}",
            )
            told += tag(c("request-status"), text="2.0;Success") + tag(c("calendar-data"), text=text)
        found.append(tag(c("response"), told))
    return xml_answer(200, document(c("schedule-response"), "".join(found)))


# -- conditions -------------------------------------------------------------------------------------------------------


def _match(headers: Headers, item: Shelved | None) -> None:
    """Check If-Match, If-None-Match and If-Schedule-Tag-Match (RFC 6638, section 3.2.10)."""
    check(headers, None if item is None else item.etag)
    plan = headers.get("if-schedule-tag-match")
    if plan is not None and (item is None or plan.strip().strip('"') != item.fields["tag"]):
        raise Failed(412, message="it has been changed by somebody else since (If-Schedule-Tag-Match)")


def _writable(resource: Resource) -> None:
    if resource.access != "write":
        inside = tag("DAV:resource", href(resource.path) + tag("DAV:privilege", tag("DAV:write")))
        raise Failed(403, "DAV:need-privileges", "this calendar is shared for reading only", inside)
