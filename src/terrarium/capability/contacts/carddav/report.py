"""REPORT: addressbook-query, addressbook-multiget (RFC 6352, section 8) and sync-collection (RFC 6578)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from terrarium.capability.contacts.books import Item
from terrarium.capability.contacts.carddav.properties import SYNC, properties, token
from terrarium.capability.contacts.carddav.resource import Resource, Resources
from terrarium.capability.contacts.vcard import Card, Line, parse, unescaped
from terrarium.capability.webdav.answer import Answer, Failed
from terrarium.capability.webdav.multistatus import multistatus, response, status_line
from terrarium.capability.webdav.path import path_of
from terrarium.capability.webdav.text_match import text_match
from terrarium.capability.webdav.xml import CARDDAV, card, clark, href, short, tag

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DATA = card("address-data")
_HREFS = 20_000
_CUT = tag("DAV:error", tag("DAV:number-of-matches-within-limits"))
_FILTERS = 50  # property filters of one query
Test = Callable[[Card], bool]


def report(resources: Resources, resource: Resource, root: Element | None) -> Answer:
    """Answer a REPORT.

    Raises:
        Failed: 403 for a report that is not known here, 400 for a bad body, and what each report has.
    """
    kinds = {
        card("addressbook-query"): _query,
        card("addressbook-multiget"): _multiget,
        clark("DAV:sync-collection"): _sync,
    }
    kind = None if root is None else kinds.get(root.tag)
    if root is None or kind is None or resource.kind not in ("book", "card", "home"):
        raise Failed(403, "DAV:supported-report", "that is not a report known here")
    return kind(resources, resource, root)


def _query(resources: Resources, resource: Resource, root: Element) -> Answer:
    test = _test_of(root.find(card("filter")))
    show = _shown(resources, root)
    books = [resource] if resource.kind != "home" else list(resources.inside(resource))
    found = [
        show(each)
        for book in books
        for each in ([book] if book.kind == "card" else resources.inside(book))
        if each.item is not None and test(parse(each.item.fields["text"]))
    ]
    most = _whole(root.findtext(f"{card('limit')}/{card('nresults')}"))
    if most is not None and len(found) > most:
        found, cut = found[:most], f"<D:response>{href(resource.path)}{status_line(507)}{_CUT}</D:response>"
        return multistatus(found, cut)
    return multistatus(found)


def _multiget(resources: Resources, resource: Resource, root: Element) -> Answer:
    show = _shown(resources, root)
    hrefs = root.findall(clark("DAV:href"))
    if not hrefs or len(hrefs) > _HREFS:
        raise Failed(400, message=f"an addressbook-multiget names 1 to {_HREFS} hrefs")
    return multistatus(_one(resources, (element.text or "").strip(), show) for element in hrefs)


def _one(resources: Resources, path: str, show: Callable[[Resource], str]) -> str:
    try:
        found = resources.find(path_of(path))
    except (Failed, ValueError):
        found = None
    if found is None or found.item is None:
        return f"<D:response>{href(path)}{status_line(404)}</D:response>"
    return show(found)


def _sync(resources: Resources, resource: Resource, root: Element) -> Answer:
    if resource.kind != "book":
        raise Failed(403, "DAV:supported-report", "sync-collection is for address books")
    if (root.findtext(clark("DAV:sync-level")) or "1").strip() not in ("0", "1", "infinite"):
        raise Failed(400, message="sync-level is 1 or infinite")
    given, current = (root.findtext(clark("DAV:sync-token")) or "").strip(), resources.books.get(resource.key)["number"]
    since = _whole(given.removeprefix(SYNC)) if given.startswith(SYNC) else None
    if given and (since is None or since > current):
        raise Failed(403, "DAV:valid-sync-token", "that is not a token of this book; begin again without one")
    changes = resources.books.changed_since(resource.key, since or 0)
    changes = [change for change in changes if change[2] or since]
    most, cut = _whole(root.findtext(f"{clark('DAV:limit')}/{clark('DAV:nresults')}")), ""
    if most and most < len(changes):
        changes, current = changes[:most], changes[most - 1][0]
        cut = f"<D:response>{href(resource.path)}{status_line(507)}{_CUT}</D:response>"
    show, found = _shown(resources, root), []
    for _, name, there in changes:
        item = resources.books.card(resource.key, name) if there else None
        path = resources.of(resource, Item(resource.key, name, {})).path
        gone = f"<D:response>{href(path)}{status_line(404)}</D:response>"
        found.append(gone if item is None else show(resources.of(resource, item)))
    return multistatus(found, cut + tag("DAV:sync-token", text=token(current)))


def _shown(resources: Resources, root: Element) -> Callable[[Resource], str]:
    """How a card is shown to what the body asks for."""
    prop = root.find(clark("DAV:prop"))
    wanted = [short(one.tag) for one in prop] if prop is not None else ["DAV:getetag", "DAV:getcontenttype"]
    data = prop.find(_DATA) if prop is not None else None
    asked = [one.get("name", "") for one in data if one.tag == card("prop")] if data is not None else []

    def show(each: Resource) -> str:
        assert each.item is not None
        there = properties(resources, each)
        if _DATA in wanted:
            text = each.item.fields["text"]
            there[_DATA] = tag(_DATA, text=parse(text).written(asked) if asked else text)
        names = list(dict.fromkeys(wanted))
        return response(each.path, [there[n] for n in names if n in there], [n for n in names if n not in there])

    return show


# -- filters ----------------------------------------------------------------------------------------------------------


def _test_of(element: Element | None) -> Test:
    """The test of a `filter`; none lets everything through."""
    if element is None or not len(element):
        return lambda _: True
    if len(element) > _FILTERS:
        raise Failed(403, card("supported-filter"), f"a query has at most {_FILTERS} filters")
    return _joined(element, [_of_property(one) for one in element])


def _of_property(element: Element) -> Test:
    name = element.get("name", "").upper().rpartition(".")[2]
    if element.tag != card("prop-filter") or not name:
        raise Failed(403, card("supported-filter"), "a filter has prop-filter elements with names")
    if element.find(card("is-not-defined")) is not None:
        return lambda whole: not whole.all(name)
    if len(element) > _FILTERS:
        raise Failed(403, card("supported-filter"), f"a prop-filter has at most {_FILTERS} tests")
    tests = [_of_line(one) for one in element]
    every = element.get("test", "anyof") == "allof"

    def holds(line: Line) -> bool:
        return (all if every else any)(test(line) for test in tests) if tests else True

    return lambda whole: any(holds(line) for line in whole.all(name))


def _of_line(element: Element) -> Callable[[Line], bool]:
    if element.tag == card("text-match"):
        match = text_match(element, CARDDAV, "i;unicode-casemap")
        return lambda line: match(unescaped(line.value))
    name = element.get("name", "").upper()
    if element.tag != card("param-filter") or not name:
        raise Failed(403, card("supported-filter"), f"{element.tag[-40:]} is not known in a prop-filter")
    if element.find(card("is-not-defined")) is not None:
        return lambda line: not line.parameter(name)
    inner = element.find(card("text-match"))
    if inner is None:
        return lambda line: bool(line.parameter(name))
    test = text_match(inner, CARDDAV, "i;unicode-casemap")
    return lambda line: any(test(one) for one in line.parameter(name))


def _joined(element: Element, tests: list[Test]) -> Test:
    every = element.get("test", "anyof") == "allof"
    return lambda whole: (all if every else any)(test(whole) for test in tests)


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
