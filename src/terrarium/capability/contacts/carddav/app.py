"""The CardDAV server of the address books: requests in, answers out. An ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from terrarium.capability.calendar.person import People
from terrarium.capability.contacts.books import Books
from terrarium.capability.contacts.carddav.properties import answered, properties
from terrarium.capability.contacts.carddav.report import report
from terrarium.capability.contacts.carddav.resource import Resource, Resources
from terrarium.capability.contacts.vcard import SIZE, parse
from terrarium.capability.webdav.answer import Answer, Failed
from terrarium.capability.webdav.condition import check, not_modified
from terrarium.capability.webdav.credentials import credentials
from terrarium.capability.webdav.exchange import exchange
from terrarium.capability.webdav.multistatus import multistatus, propstat, response
from terrarium.capability.webdav.xml import BrokenXml, card, clark, href, read, short, tag
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller
from terrarium.core.person import Person
from terrarium.http.date import http_date

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_METHODS = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, MKCOL"
_LOOKING = ("GET", "HEAD", "PROPFIND", "REPORT")
_DAV = "1, 3, access-control, addressbook, extended-mkcol"
_WRITABLE = {"DAV:displayname": "name", card("addressbook-description"): "description"}
_KINDS = ("text/vcard", "text/x-vcard", "text/directory", "text/plain", "application/octet-stream", "")


class CardDav:
    """Serves address books to CardDAV clients.

    Args:
        books: The address books.
        people: Who may log in.
    """

    def __init__(self, books: Books, people: People) -> None:
        self._books = books
        self._people = people

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request (ASGI 3)."""
        await exchange(self._books.site, self._answer, _LOOKING, _DAV, scope, receive, send)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes, caller: Caller) -> Answer:
        try:
            if path.rstrip("/") == "/.well-known/carddav":
                return Answer(301, headers={"location": "/"})
            if method == "OPTIONS":
                return Answer(200, headers={"allow": _METHODS})
            person = self._person(headers.get("authorization"), caller)
            if person is None:
                told = {"www-authenticate": 'Basic realm="contacts", charset="UTF-8"'}
                return Answer(401, b"log in with name and password\n", {"content-type": "text/plain", **told})
            resources = Resources(self._books, self._people, person)
            return self._do(method, resources, resources.find(path), headers, body)
        except Failed as failed:
            return failed.answer()
        except BrokenXml as error:
            return Failed(400, message=str(error)).answer()
        except NotFound as error:
            return Failed(404, message=str(error)).answer()
        except Refused as error:
            return Failed(403, message=str(error)).answer()

    def _do(
        self, method: str, resources: Resources, resource: Resource, headers: dict[str, str], body: bytes
    ) -> Answer:
        if method == "PUT":
            return self._put(resource, headers, body)
        if method == "MKCOL":
            return self._make(resources, resource, _xml(body))
        if not resource.there:
            raise Failed(404, message="there is nothing here")
        if method == "DELETE":
            return self._delete(resource, headers)
        if method == "PROPFIND":
            return _propfind(resources, resource, headers.get("depth", "infinity").strip().lower(), _xml(body))
        if method == "PROPPATCH":
            return self._proppatch(resource, _xml(body))
        if method == "REPORT":
            return report(resources, resource, _xml(body))
        if method in ("GET", "HEAD"):
            return self._get(resource, headers)
        return Answer(405, b"that is not done here\n", {"allow": _METHODS, "content-type": "text/plain"})

    def _get(self, resource: Resource, headers: dict[str, str]) -> Answer:
        kind = {"content-type": "text/vcard; charset=utf-8"}
        if resource.item is not None:
            told = {"etag": resource.item.etag, "last-modified": http_date(resource.item.fields["written"])}
            if not_modified(headers, resource.item.etag):
                return Answer(304, b"", told)
            return Answer(200, resource.item.fields["text"].encode(), kind | told)
        if resource.kind == "book":
            whole = "".join(item.fields["text"] for item in self._books.cards(resource.key))
            return Answer(200, whole.encode(), kind)
        text = "This is a CardDAV server; clients ask it with PROPFIND and REPORT.\n"
        return Answer(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})

    def _put(self, resource: Resource, headers: dict[str, str], body: bytes) -> Answer:
        if resource.kind != "card":
            raise Failed(405, message="only cards inside an address book can be put")
        item = resource.item
        check(headers, None if item is None else item.etag)
        kind = headers.get("content-type", "text/vcard").partition(";")[0].strip().lower()
        if kind not in _KINDS:
            raise Failed(403, card("supported-address-data"), f"a card is text/vcard, not {kind[:60]}")
        if len(body) > SIZE:
            raise Failed(403, card("max-resource-size"), f"a card has at most {SIZE} bytes")
        try:
            text = body.decode("utf-8-sig")
            parsed = parse(text)
        except UnicodeDecodeError:
            raise Failed(403, card("valid-address-data"), "a card is UTF-8") from None
        except Refused as error:
            raise Failed(403, card("valid-address-data"), str(error)) from None
        held = self._books.with_uid(resource.key, parsed.uid)
        if (held is not None and held.name != resource.name) or (item and item.fields["uid"] != parsed.uid):
            name = held.name if held is not None else resource.name
            inside = href(f"{resource.path.rpartition('/')[0]}/{name}")
            raise Failed(403, card("no-uid-conflict"), "a UID names one card, and a card keeps its own", inside)
        stored = self._books.put(resource.key, resource.name, parsed, text)
        return Answer(201 if item is None else 204, b"", {"etag": stored.etag})

    def _delete(self, resource: Resource, headers: dict[str, str]) -> Answer:
        if resource.item is not None:
            check(headers, resource.item.etag)
            self._books.remove(resource.item)
        elif resource.kind == "book":
            self._books.discard(resource.key)
        else:
            raise Failed(403, message="that cannot be deleted")
        return Answer(204)

    def _make(self, resources: Resources, resource: Resource, root: Element | None) -> Answer:
        """Make an address book (RFC 5689)."""
        if resource.kind != "book" or resource.there:
            raise Failed(405, message="an address book cannot be made here")
        asked = [] if root is None else [one for one in root.iter(clark("DAV:prop")) for one in one]
        kinds = [one for one in asked if one.tag == clark("DAV:resourcetype")]
        if not any(one.find(card("addressbook")) is not None for one in kinds):
            raise Failed(403, "DAV:valid-resourcetype", "only address books can be made here: say so in resourcetype")
        texts = {short(one.tag): "".join(one.itertext()) for one in asked}
        owner, _, slug = resource.key.partition("/")
        description = texts.get(card("addressbook-description")) or None
        self._books.create(owner, slug, texts.get("DAV:displayname") or slug, description)
        return Answer(201, headers={"cache-control": "no-cache"})

    def _proppatch(self, resource: Resource, root: Element | None) -> Answer:
        """Set the name or the description of a book: all that is asked for, or nothing."""
        if root is None or root.tag != clark("DAV:propertyupdate"):
            raise Failed(400, message="the body must be a DAV:propertyupdate")
        asked = {
            short(one.tag): "".join(one.itertext()) if step.tag == clark("DAV:set") else None
            for step in root
            for prop in step.findall(clark("DAV:prop"))
            for one in prop
        }
        refused = [name for name in asked if name not in _WRITABLE or resource.kind != "book"]
        refused += [name for name, text in asked.items() if name == "DAV:displayname" and not (text or "").strip()]
        if not refused:
            self._books.alter(resource.key, **{_WRITABLE[name]: text for name, text in asked.items()})
        stats = [propstat(200 if not refused else 403 if one in refused else 424, tag(one)) for one in asked]
        return multistatus([f"<D:response>{href(resource.path)}{''.join(stats)}</D:response>"])

    def _person(self, authorization: str | None, caller: Caller) -> Person | None:
        """Who asks: whom they log in as; without a login, the agent that the connection comes from."""
        people = self._people
        if (authorization or "").partition(" ")[0].lower() == "basic":
            told = credentials(authorization or "")
            return None if told is None else people.login(*told, caller.agent)
        if people.confined:
            return people.present(caller.agent)
        if people.shared:
            return people.person(people.username)
        return people.agents.get(caller.agent or "") or people.person(people.username)


def _propfind(resources: Resources, resource: Resource, depth: str, root: Element | None) -> Answer:
    """The properties of a resource, and of what lies in it where `depth` is 1."""
    if depth not in ("0", "1", "infinity"):
        raise Failed(400, message="Depth is 0, 1 or infinity")
    if depth == "infinity" and resource.kind in ("root", "home"):
        raise Failed(403, "DAV:propfind-finite-depth", "say `Depth: 0` or `Depth: 1`")
    if root is not None and root.tag != clark("DAV:propfind"):
        raise Failed(400, message="the body must be a DAV:propfind")
    found = [resource, *(resources.inside(resource) if depth != "0" else ())]
    if root is not None and root.find(clark("DAV:propname")) is not None:
        return multistatus(response(one.path, [tag(name) for name in properties(resources, one)]) for one in found)
    prop = root.find(clark("DAV:prop")) if root is not None else None
    wanted = None if prop is None else list(dict.fromkeys(short(one.tag) for one in prop))
    return multistatus(answered(resources, one, wanted) for one in found)


def _xml(body: bytes) -> Element | None:
    return read(body) if body.strip() else None
