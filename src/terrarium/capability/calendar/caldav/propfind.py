"""PROPFIND and PROPPATCH (RFC 4918, sections 9.1 and 9.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import tostring

from terrarium.capability.calendar.caldav.properties import PROPERTIES, WRITABLE, names, value
from terrarium.capability.calendar.caldav.resource import Resource, Resources
from terrarium.capability.calendar.moment import known_zone
from terrarium.capability.calendar.parsing import COMPONENTS
from terrarium.capability.webdav.answer import Answer, Failed
from terrarium.capability.webdav.multistatus import multistatus, propstat, response
from terrarium.capability.webdav.xml import c, clark, href, short, tag
from terrarium.core.errors import Refused
from terrarium.core.values import Value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DEAD = 50, 10_000  # how many properties of their own clients may keep on a calendar, and how long


def propfind(resources: Resources, resource: Resource, depth: str, root: Element | None) -> Answer:
    """The properties of a resource, and of what lies in it where `depth` is 1.

    Raises:
        Failed: 403 for an infinite depth above a calendar (the default where none is given), 400 for a bad body.
    """
    if depth not in ("0", "1", "infinity"):
        raise Failed(400, message="Depth is 0, 1 or infinity")
    if depth == "infinity" and resource.kind in ("root", "home"):
        told = "say `Depth: 0` or `Depth: 1`; without it the whole tree is meant"
        raise Failed(403, "DAV:propfind-finite-depth", told)
    answer = _asked(resources, root)
    found = [resource, *(resources.inside(resource) if depth != "0" else ())]
    return multistatus(answer(each) for each in found)


def _asked(resources: Resources, root: Element | None) -> Callable[[Resource], str]:
    """How one resource answers what a body asks for; no body asks for `allprop`."""
    if root is not None and root.tag != clark("DAV:propfind"):
        raise Failed(400, message="the body must be a DAV:propfind")
    kinds = [element.tag for element in root] if root is not None else [clark("DAV:allprop")]
    if clark("DAV:propname") in kinds:
        return lambda each: response(each.path, [tag(name) for name in names(resources, each)])
    prop = root.find(clark("DAV:prop")) if root is not None else None
    if prop is not None:
        wanted = list(dict.fromkeys(short(element.tag) for element in prop))
        return lambda each: asked(resources, each, wanted)
    if clark("DAV:allprop") not in kinds:
        raise Failed(400, message="a DAV:propfind asks for prop, propname or allprop")
    include = root.find(clark("DAV:include")) if root is not None else None
    more = [short(element.tag) for element in include] if include is not None else []

    def everything(each: Resource) -> str:
        wanted = [*names(resources, each, shown=True), *more]
        return asked(resources, each, list(dict.fromkeys(wanted)))

    return everything


def asked(resources: Resources, resource: Resource, wanted: Sequence[str]) -> str:
    """The `DAV:response` of a resource to a list of names."""
    found, missing = [], []
    for name in wanted:
        element = value(resources, resource, name)
        if element is None:
            missing.append(name)
        else:
            found.append(element)
    return response(resource.path, found, missing)


# -- setting ----------------------------------------------------------------------------------------------------------


def proppatch(resources: Resources, resource: Resource, root: Element | None) -> Answer:
    """Set and remove properties of a calendar: all of them, or none.

    Raises:
        Failed: 400 for a bad body, 403 where nothing may be set.
    """
    if root is None or root.tag != clark("DAV:propertyupdate"):
        raise Failed(400, message="the body must be a DAV:propertyupdate")
    asked = [(short(element.tag), element if set_ else None) for set_, element in _instructions(root)]
    writable = resource.kind == "calendar" and resource.access == "write"
    settings: dict[str, Value] = {}
    refused: dict[str, str] = {}
    if writable:
        settings, refused = settings_of(asked, resources.shelf.calendar(resource.key)["properties"])
    else:
        refused = {name: "" for name, _ in asked}
    if writable and not refused:
        try:
            resources.shelf.alter(resource.key, **settings)
        except Refused as error:
            raise Failed(409, message=str(error)) from None
    stats = []
    for name in dict.fromkeys(name for name, _ in asked):
        status = 200 if not refused else 403 if name in refused else 424
        told = tag("DAV:error", tag("DAV:cannot-modify-protected-property")) if refused.get(name) == "protected" else ""
        stats.append(propstat(status, tag(name), told))
    return multistatus([f"<D:response>{href(resource.path)}{''.join(stats)}</D:response>"])


def settings_of(
    asked: Sequence[tuple[str, Element | None]], dead: dict[str, str], *, new: bool = False
) -> tuple[dict[str, Value], dict[str, str]]:
    """Fields of a calendar from properties to be set (or, with None, removed), and those that cannot be, with why.

    Args:
        asked: Names and elements.
        dead: The properties that clients keep there.
        new: The calendar is being made, when its components may be chosen.
    """
    settings: dict[str, Value] = {}
    refused: dict[str, str] = {}
    kept = dict(dead)
    for name, element in asked:
        text = "" if element is None else "".join(element.itertext())
        if name in WRITABLE:
            settings[WRITABLE[name]] = text if element is not None else ("" if WRITABLE[name] == "name" else None)
        elif name == c("calendar-timezone"):
            zone = next(iter(re.findall(r"^TZID(?:;[^:]*)?:(.*?)\r?$", text, re.MULTILINE)), "")
            if element is not None and known_zone(zone) is None:
                refused[name] = "zone"
            settings["timezone"] = zone if element is not None else None
        elif name == c("schedule-calendar-transp"):
            settings["transparent"] = element is not None and element.find(c("transparent")) is not None
        elif name == c("supported-calendar-component-set") and new and element is not None:
            kinds = [comp.get("name", "").upper() for comp in element.iter(c("comp"))]
            settings["components"] = [kind for kind in COMPONENTS if kind in kinds]
            if not settings["components"]:
                refused[name] = "components"
        elif name == "DAV:resourcetype" and new:
            continue
        elif name in PROPERTIES:
            refused[name] = "protected"
        elif element is None:
            kept.pop(name, None)
        else:
            element.tail = None
            written = tostring(element, encoding="unicode")
            if len(kept) >= _DEAD[0] or len(written) > _DEAD[1]:
                refused[name] = "size"
            kept[name] = written
    if kept != dead:
        settings["properties"] = kept
    return settings, refused


def _instructions(root: Element) -> list[tuple[bool, Element]]:
    found = []
    for step in root:
        for prop in step.findall(clark("DAV:prop")):
            if step.tag in (clark("DAV:set"), clark("DAV:remove")):
                found += [(step.tag == clark("DAV:set"), element) for element in prop]
    return found
