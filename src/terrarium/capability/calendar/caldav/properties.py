"""The properties of resources: what PROPFIND and REPORT can ask for (RFC 4918, 4791, 3744, 6578, 6638)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from terrarium.capability.calendar.caldav.resource import Resource, Resources
from terrarium.capability.calendar.edit import zone_text
from terrarium.capability.calendar.parsing import COMPONENTS, SIZE
from terrarium.capability.calendar.rule import INSTANCES
from terrarium.capability.webdav.xml import CS, ICAL, c, href, tag
from terrarium.core.rows import Fields

Ask = Callable[[Resources, Resource], "str | None"]
"""Gives an element, or None where the resource has no such property."""

SYNC = "data:,"
"""What a sync token begins with; the number of the last change follows."""
_REPORTS = (
    c("calendar-query"),
    c("calendar-multiget"),
    c("free-busy-query"),
    "DAV:sync-collection",
)
_SHOWN = {  # what `allprop` gives; CalDAV's own properties are not among them (RFC 4791, section 5.2)
    "DAV:creationdate",
    "DAV:displayname",
    "DAV:getcontentlength",
    "DAV:getcontenttype",
    "DAV:getetag",
    "DAV:getlastmodified",
    "DAV:resourcetype",
}


def value(resources: Resources, resource: Resource, name: str) -> str | None:
    """The property of that name as an element, or None."""
    ask = PROPERTIES.get(name)
    if ask is not None:
        return ask(resources, resource)
    if resource.kind == "calendar":
        dead: str | None = resources.shelf.calendar(resource.key)["properties"].get(name)
        return dead
    return None


def names(resources: Resources, resource: Resource, *, shown: bool = False) -> list[str]:
    """The names of a resource's properties; `shown`: of those that `allprop` gives."""
    found = [name for name in PROPERTIES if not shown or name in _SHOWN]
    if resource.kind == "calendar":
        found += sorted(resources.shelf.calendar(resource.key)["properties"])
    return [name for name in found if value(resources, resource, name) is not None]


def token(number: int) -> str:
    """The sync token of a state."""
    return f"{SYNC}{number}"


def privileges(resource: Resource) -> list[str]:
    """What may be done with a resource, as names of privileges."""
    found = ["DAV:read", "DAV:read-current-user-privilege-set"]
    if resource.kind in ("calendar", "home"):
        found.append(c("read-free-busy"))
    if resource.access == "write" and resource.kind != "root":
        found += ["DAV:write", "DAV:write-content", "DAV:write-properties", "DAV:bind", "DAV:unbind"]
    if resource.kind == "outbox":
        found += [c("schedule-send"), c("schedule-send-freebusy")]
    return found


# -- what each one is -------------------------------------------------------------------------------------------------


def _row(resources: Resources, resource: Resource) -> Fields | None:
    return resources.shelf.store.get("calendar", resource.key) if resource.kind in ("calendar", "inbox") else None


def _resourcetype(_: Resources, resource: Resource) -> str:
    kinds = {
        "home": tag("DAV:principal"),
        "calendar": tag(c("calendar")),
        "inbox": tag(c("schedule-inbox")),
        "outbox": tag(c("schedule-outbox")),
    }
    inside = tag("DAV:collection") + kinds.get(resource.kind, "") if resource.is_collection else ""
    return tag("DAV:resourcetype", inside)


def _displayname(resources: Resources, resource: Resource) -> str | None:
    if resource.kind == "home":
        return tag("DAV:displayname", text=resources.desk.people.person(resource.owner).name)
    row = _row(resources, resource)
    return None if row is None else tag("DAV:displayname", text=row["name"])


def _etag(_: Resources, resource: Resource) -> str | None:
    return tag("DAV:getetag", text=resource.item.etag) if resource.item is not None else None


def _length(_: Resources, resource: Resource) -> str | None:
    item = resource.item
    return tag("DAV:getcontentlength", text=str(len(item.fields["text"].encode()))) if item is not None else None


def _type(_: Resources, resource: Resource) -> str | None:
    item = resource.item
    if item is None:
        return tag("DAV:getcontenttype", text="text/calendar; charset=utf-8") if resource.kind == "calendar" else None
    told = f"text/calendar; charset=utf-8; component={item.fields['component'].lower()}"
    return tag("DAV:getcontenttype", text=told)


def _modified(resources: Resources, resource: Resource) -> str | None:
    from terrarium.http.date import http_date

    row = resource.item.fields if resource.item is not None else None
    return None if row is None else tag("DAV:getlastmodified", text=http_date(row["written"]))


def _created(resources: Resources, resource: Resource) -> str | None:
    row = _row(resources, resource)
    return None if row is None else tag("DAV:creationdate", text=f"{row['created']:%Y-%m-%dT%H:%M:%SZ}")


def _principal(name: str, resources: Resources, resource: Resource) -> str | None:
    return tag(name, href(resources.home()))


def _owner(resources: Resources, resource: Resource) -> str | None:
    if resource.kind == "root":
        return None
    owner = resource.key.partition("/")[0] or resource.owner
    return tag("DAV:owner", href(resources.home(owner)))


def _of_home(
    name: str, inside: Callable[[Resources, Resource], str], resources: Resources, resource: Resource
) -> str | None:
    return tag(name, inside(resources, resource)) if resource.kind == "home" else None


def _addresses(resources: Resources, resource: Resource) -> str:
    person = resources.desk.people.person(resource.owner)
    return href(f"mailto:{person.address}") + href(resource.path)


def _of_row(name: str, field: str, resources: Resources, resource: Resource) -> str | None:
    row = _row(resources, resource)
    return None if row is None or row[field] is None else tag(name, text=row[field])


def _timezone(resources: Resources, resource: Resource) -> str | None:
    row = _row(resources, resource)
    if row is None or row["timezone"] is None or row["timezone"] == "UTC":
        return None
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Terrarium//Calendar//EN", zone_text(row["timezone"])]
    return tag(c("calendar-timezone"), text="\r\n".join([*lines, "END:VCALENDAR", ""]))


def _components(resources: Resources, resource: Resource) -> str | None:
    row = _row(resources, resource)
    kinds = row["components"] if row is not None else COMPONENTS if resource.kind == "inbox" else None
    return kinds and tag(c("supported-calendar-component-set"), "".join(tag(c("comp"), name=kind) for kind in kinds))


def _number(name: str, told: Callable[[int], str], resources: Resources, resource: Resource) -> str | None:
    if resource.kind not in ("calendar", "inbox"):
        return None
    row = _row(resources, resource)
    return tag(name, text=told(row["number"] if row is not None else 0))


def _of_calendar(name: str, inside: str, _: Resources, resource: Resource) -> str | None:
    return tag(name, inside) if resource.kind in ("calendar", "inbox") else None


def _reports(_: Resources, resource: Resource) -> str | None:
    if resource.kind not in ("calendar", "inbox"):
        return tag("DAV:supported-report-set")
    each = (tag("DAV:supported-report", tag("DAV:report", tag(name))) for name in _REPORTS)
    return tag("DAV:supported-report-set", "".join(each))


def _privileges(_: Resources, resource: Resource) -> str:
    inside = "".join(tag("DAV:privilege", tag(name)) for name in privileges(resource))
    return tag("DAV:current-user-privilege-set", inside)


def _transparency(resources: Resources, resource: Resource) -> str | None:
    row = _row(resources, resource) if resource.kind == "calendar" else None
    if row is None:
        return None
    return tag(c("schedule-calendar-transp"), tag(c("transparent" if row["transparent"] else "opaque")))


def _default(resources: Resources, resource: Resource) -> str | None:
    if resource.kind != "inbox":
        return None
    own = [key for key, _ in resources.shelf.calendars(resource.owner)]
    preferred = f"{resource.owner}/default"
    key = preferred if preferred in own or not own else own[0]
    return tag(c("schedule-default-calendar-URL"), href(f"{resources.home()}{key.partition('/')[2]}/"))


def _schedule_tag(_: Resources, resource: Resource) -> str | None:
    item = resource.item
    if item is None or not item.fields["organizer"]:
        return None
    return tag(c("schedule-tag"), text=f'"{item.fields["tag"]}"')


def _data(_: Resources, resource: Resource) -> str | None:
    return tag(c("calendar-data"), text=resource.item.fields["text"]) if resource.item is not None else None


def _path(kind: str) -> Callable[[Resources, Resource], str]:
    return lambda resources, resource: href(f"{resource.path}{kind}/")


PROPERTIES: dict[str, Ask] = {
    "DAV:resourcetype": _resourcetype,
    "DAV:displayname": _displayname,
    "DAV:getetag": _etag,
    "DAV:getcontentlength": _length,
    "DAV:getcontenttype": _type,
    "DAV:getlastmodified": _modified,
    "DAV:creationdate": _created,
    "DAV:current-user-principal": partial(_principal, "DAV:current-user-principal"),
    "DAV:principal-collection-set": lambda _, resource: tag("DAV:principal-collection-set", href("/")),
    "DAV:principal-URL": partial(_of_home, "DAV:principal-URL", lambda _, resource: href(resource.path)),
    "DAV:owner": _owner,
    "DAV:current-user-privilege-set": _privileges,
    "DAV:supported-report-set": _reports,
    "DAV:sync-token": partial(_number, "DAV:sync-token", token),
    f"{{{CS}}}getctag": partial(_number, f"{{{CS}}}getctag", str),
    c("calendar-home-set"): partial(_of_home, c("calendar-home-set"), lambda _, resource: href(resource.path)),
    c("calendar-user-address-set"): partial(_of_home, c("calendar-user-address-set"), _addresses),
    c("schedule-inbox-URL"): partial(_of_home, c("schedule-inbox-URL"), _path("inbox")),
    c("schedule-outbox-URL"): partial(_of_home, c("schedule-outbox-URL"), _path("outbox")),
    c("calendar-user-type"): partial(_of_home, c("calendar-user-type"), lambda *_: "INDIVIDUAL"),
    c("calendar-description"): partial(_of_row, c("calendar-description"), "description"),
    f"{{{ICAL}}}calendar-color": partial(_of_row, f"{{{ICAL}}}calendar-color", "color"),
    f"{{{ICAL}}}calendar-order": partial(_of_row, f"{{{ICAL}}}calendar-order", "order"),
    c("calendar-timezone"): _timezone,
    c("supported-calendar-component-set"): _components,
    c("supported-calendar-data"): partial(
        _of_calendar,
        c("supported-calendar-data"),
        tag(c("calendar-data"), content_type="text/calendar", version="2.0"),
    ),
    c("supported-collation-set"): partial(
        _of_calendar,
        c("supported-collation-set"),
        "".join(
            tag(c("supported-collation"), text=name) for name in ("i;ascii-casemap", "i;octet", "i;unicode-casemap")
        ),
    ),
    c("max-resource-size"): partial(_of_calendar, c("max-resource-size"), str(SIZE)),
    c("max-instances"): partial(_of_calendar, c("max-instances"), str(INSTANCES)),
    c("schedule-calendar-transp"): _transparency,
    c("schedule-default-calendar-URL"): _default,
    c("schedule-tag"): _schedule_tag,
}
"""Every live property: its name, and how a resource has it."""

WRITABLE = {
    "DAV:displayname": "name",
    c("calendar-description"): "description",
    f"{{{ICAL}}}calendar-color": "color",
    f"{{{ICAL}}}calendar-order": "order",
}
"""The live properties of calendars that are texts which clients may set, and their fields."""
