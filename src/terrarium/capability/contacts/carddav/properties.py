"""The properties of resources: what PROPFIND and REPORT can ask for (RFC 4918, 6352, 3744, 6578)."""

from __future__ import annotations

from collections.abc import Sequence

from terrarium.capability.contacts.carddav.resource import Resource, Resources
from terrarium.capability.contacts.vcard import SIZE
from terrarium.capability.webdav.multistatus import response
from terrarium.capability.webdav.xml import CS, card, href, tag
from terrarium.http.date import http_date

SYNC = "data:,"
"""What a sync token begins with; the number of the last change follows."""
_REPORTS = (card("addressbook-query"), card("addressbook-multiget"), "DAV:sync-collection")
_RIGHTS = ("read", "write", "write-content", "write-properties", "bind", "unbind", "read-current-user-privilege-set")
_KINDS = {"home": tag("DAV:principal"), "book": tag(card("addressbook")), "root": ""}
_SHOWN = (
    "DAV:displayname",
    "DAV:getcontentlength",
    "DAV:getcontenttype",
    "DAV:getetag",
    "DAV:getlastmodified",
    "DAV:resourcetype",
)


def properties(resources: Resources, resource: Resource) -> dict[str, str]:
    """All live properties of a resource, by name, as elements."""
    rights = "".join(tag("DAV:privilege", tag(f"DAV:{name}")) for name in _RIGHTS)
    found = {
        "DAV:current-user-principal": href(resources.home),
        "DAV:principal-collection-set": href("/"),
        "DAV:current-user-privilege-set": rights,
        "DAV:supported-report-set": "",
    }
    if resource.kind == "card":
        return _finished({**found, "DAV:owner": href(resources.home), "DAV:resourcetype": ""}, _of_card(resource))
    found["DAV:resourcetype"] = tag("DAV:collection") + _KINDS[resource.kind]
    if resource.kind == "root":
        return _finished(found)
    found["DAV:owner"] = href(resources.home)
    if resource.kind == "home":
        person = resources.person
        found |= {"DAV:principal-URL": href(resource.path), card("addressbook-home-set"): href(resource.path)}
        return _finished(found, {"DAV:displayname": person.name})
    fields = resources.books.get(resource.key)
    texts = {"DAV:displayname": fields["name"], card("max-resource-size"): str(SIZE)}
    texts |= {"DAV:sync-token": token(fields["number"]), f"{{{CS}}}getctag": str(fields["number"])}
    if fields["description"]:
        texts[card("addressbook-description")] = fields["description"]
    kinds = (tag(card("address-data-type"), content_type="text/vcard", version=one) for one in ("3.0", "4.0"))
    found[card("supported-address-data")] = "".join(kinds)
    collations = ("i;ascii-casemap", "i;octet", "i;unicode-casemap")
    found[card("supported-collation-set")] = "".join(tag(card("supported-collation"), text=one) for one in collations)
    each = (tag("DAV:supported-report", tag("DAV:report", tag(name))) for name in _REPORTS)
    found["DAV:supported-report-set"] = "".join(each)
    return _finished(found, texts)


def answered(resources: Resources, resource: Resource, wanted: Sequence[str] | None) -> str:
    """The `DAV:response` of a resource to a list of names; None: to `allprop`."""
    there = properties(resources, resource)
    if wanted is None:
        return response(resource.path, [there[name] for name in _SHOWN if name in there])
    found = [there[name] for name in wanted if name in there]
    return response(resource.path, found, [name for name in wanted if name not in there])


def token(number: int) -> str:
    """The sync token of a state."""
    return f"{SYNC}{number}"


def _of_card(resource: Resource) -> dict[str, str]:
    assert resource.item is not None
    fields = resource.item.fields
    return {
        "DAV:getetag": resource.item.etag,
        "DAV:getcontenttype": "text/vcard; charset=utf-8",
        "DAV:getcontentlength": str(len(fields["text"].encode())),
        "DAV:getlastmodified": http_date(fields["written"]),
    }


def _finished(insides: dict[str, str], texts: dict[str, str] | None = None) -> dict[str, str]:
    """Elements by name: from what stands in them, and from texts."""
    made = {name: tag(name, inside) for name, inside in insides.items()}
    return made | {name: tag(name, text=text) for name, text in (texts or {}).items()}
