"""REPORT: calendar-query, calendar-multiget, free-busy-query (RFC 4791) and sync-collection (RFC 6578)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from terrarium.capability.calendar.busy import busy_text, calendar_periods, joined
from terrarium.capability.calendar.caldav.data import Shape, shape_of
from terrarium.capability.calendar.caldav.filter import range_of, test_of
from terrarium.capability.calendar.caldav.properties import SYNC, names, token, value
from terrarium.capability.calendar.caldav.resource import Resource, Resources
from terrarium.capability.calendar.moment import known_zone
from terrarium.capability.webdav.answer import Answer, Failed
from terrarium.capability.webdav.multistatus import multistatus, response, status_line
from terrarium.capability.webdav.path import path_of
from terrarium.capability.webdav.xml import c, clark, href, short, tag

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DATA = c("calendar-data")
_HREFS = 20_000


def report(resources: Resources, resource: Resource, depth: str, root: Element | None) -> Answer:
    """Answer a REPORT.

    Raises:
        Failed: 403 for a report that is not known here, 400 for a bad body, and what each report has.
    """
    if root is None:
        raise Failed(400, message="a REPORT needs a body that says which")
    kinds = {
        c("calendar-query"): _query,
        c("calendar-multiget"): _multiget,
        c("free-busy-query"): _free_busy,
        clark("DAV:sync-collection"): _sync,
    }
    kind = kinds.get(root.tag)
    if kind is None or resource.kind == "outbox":
        raise Failed(403, "DAV:supported-report", f"{root.tag[-60:]} is not a report known here")
    return kind(resources, resource, depth, root)


def _query(resources: Resources, resource: Resource, depth: str, root: Element) -> Answer:
    place = _place(resources, resource, root)
    test = test_of(root.find(c("filter")), place, resources.allowance)
    show = _shown(resources, root, place)
    found = []
    for each in _objects(resources, resource, depth):
        if each.item is not None and test(each.item):
            found.append(show(each))
    return multistatus(found)


def _multiget(resources: Resources, resource: Resource, depth: str, root: Element) -> Answer:
    show = _shown(resources, root, _place(resources, resource, root))
    hrefs = root.findall(clark("DAV:href"))
    if not hrefs or len(hrefs) > _HREFS:
        raise Failed(400, message=f"a calendar-multiget names 1 to {_HREFS} hrefs")
    return multistatus(_one(resources, resource, (element.text or "").strip(), show) for element in hrefs)


def _one(resources: Resources, within: Resource, path: str, show: Callable[[Resource], str]) -> str:
    try:
        found = resources.find(path_of(path))
    except (Failed, ValueError):
        found = None
    inside = found is not None and (found.path.startswith(within.path) or found.key == within.key)
    if found is None or found.item is None or not inside:
        return f"<D:response>{href(path)}{status_line(404)}</D:response>"
    return show(found)


def _free_busy(resources: Resources, resource: Resource, depth: str, root: Element) -> Answer:
    element = root.find(c("time-range"))
    if element is None:
        raise Failed(400, message="a free-busy-query needs a time-range")
    within = range_of(element)
    if resource.kind not in ("calendar", "home"):
        raise Failed(403, "DAV:supported-report", "free-busy-query is for calendars and homes")
    collections = [resource] if resource.kind == "calendar" else list(resources.inside(resource))
    keys = [each.key for each in collections if each.kind == "calendar"]
    owner = resources.desk.people.person(resource.key.partition("/")[0] or resource.owner)
    shelf, allowance = resources.shelf, resources.allowance
    periods = joined(period for key in keys for period in calendar_periods(shelf, key, within, allowance, owner))
    text = busy_text(periods, within, shelf.site.clock.now)
    return Answer(200, text.encode(), {"content-type": "text/calendar; charset=utf-8"})


def _sync(resources: Resources, resource: Resource, depth: str, root: Element) -> Answer:
    if resource.kind not in ("calendar", "inbox"):
        raise Failed(403, "DAV:supported-report", "sync-collection is for calendars")
    given, level = _text(root, "DAV:sync-token"), _text(root, "DAV:sync-level") or depth
    if level not in ("1", "infinite", "infinity", "0"):
        raise Failed(400, message="sync-level is 1 or infinite")
    stored = resources.shelf.store.get("calendar", resource.key)
    current = stored["number"] if stored is not None else 0
    since = 0
    if given:
        number = given.removeprefix(SYNC)
        if number == given or not number.isdecimal() or len(number) > 15 or int(number) > current:
            raise Failed(403, "DAV:valid-sync-token", "that is not a token of this calendar; begin again without one")
        since = int(number)
    limit = root.find(f"{clark('DAV:limit')}/{clark('DAV:nresults')}")
    most = int(limit.text) if limit is not None and (limit.text or "").strip().isdecimal() and limit.text else None
    changes = [change for change in resources.shelf.changed_since(resource.key, since) if change[2] or since]
    if most is not None and 0 < most < len(changes):
        changes, current = changes[:most], changes[most - 1][0]
        cut = f"<D:response>{href(resource.path)}{status_line(507)}{_CUT}</D:response>"
    else:
        cut = ""
    show = _shown(resources, root, UTC)
    found = []
    for _, name, there in changes:
        item = resources.shelf.get(resource.key, name) if there else None
        if item is not None:
            found.append(show(resources.of(resource, item)))
        else:
            path = resources.path(resource, name)
            found.append(f"<D:response>{href(path)}{status_line(404)}</D:response>")
    return multistatus(found, cut + tag("DAV:sync-token", text=token(current)))


_CUT = tag("DAV:error", tag("DAV:number-of-matches-within-limits"))


def _shown(resources: Resources, root: Element, place: tzinfo) -> Callable[[Resource], str]:
    """How an object is shown to what the body asks for."""
    prop = root.find(clark("DAV:prop"))
    if prop is None:
        if root.find(clark("DAV:propname")) is not None:
            return lambda each: response(each.path, [tag(name) for name in names(resources, each)])
        wanted = ["DAV:getetag", "DAV:getcontenttype", "DAV:getcontentlength", "DAV:getlastmodified"]
        return partial(_show, resources, wanted, Shape())
    data = prop.find(_DATA)
    shape = shape_of(data, place, resources.allowance) if data is not None else Shape()
    return partial(_show, resources, list(dict.fromkeys(short(element.tag) for element in prop)), shape)


def _show(resources: Resources, wanted: Sequence[str], shape: Shape, each: Resource) -> str:
    assert each.item is not None
    found, missing = [], []
    for name in wanted:
        if name == _DATA:
            element: str | None = tag(_DATA, text=shape.text(each.item))
        else:
            element = value(resources, each, name)
        if element is None:
            missing.append(name)
        else:
            found.append(element)
    return response(each.path, found, missing)


def _objects(resources: Resources, resource: Resource, depth: str) -> list[Resource]:
    """What a query looks at; without a Depth header, a calendar's objects."""
    if resource.kind == "object":
        if resource.item is None:
            raise Failed(404, message="there is nothing here")
        return [resource]
    if depth == "0":
        return []
    inside = list(resources.inside(resource))
    if resource.kind in ("root", "home") and depth == "infinity":
        homes = inside if resource.kind == "home" else [each for home in inside for each in resources.inside(home)]
        return [each for collection in homes for each in resources.inside(collection)]
    return [each for each in inside if each.kind == "object"]


def _place(resources: Resources, resource: Resource, root: Element) -> tzinfo:
    """Where floating times are meant: what the query says, else the calendar, else the world."""
    told = root.find(c("timezone"))
    name = root.findtext(c("timezone-id")) or ""
    if told is not None:
        lines = (told.text or "").replace("\r\n", "\n").split("\n")
        name = next((line.partition(":")[2] for line in lines if line.startswith(("TZID:", "TZID;"))), "")
        if known_zone(name) is None:
            raise Failed(403, c("valid-calendar-data"), "the timezone of the query is not one that is known here")
    if not name and resource.key:
        stored = resources.shelf.store.get("calendar", resource.key)
        name = (stored["timezone"] if stored is not None else None) or ""
    return (known_zone(name) if name else None) or resources.shelf.site.clock.zone


def _text(root: Element, name: str) -> str:
    return (root.findtext(clark(name)) or "").strip()
