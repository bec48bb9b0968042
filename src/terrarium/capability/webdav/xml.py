"""XML of DAV: read safely, written as text. Names are in Clark's notation, with DAV's own namespace as `DAV:name`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CALDAV = "urn:ietf:params:xml:ns:caldav"
CARDDAV = "urn:ietf:params:xml:ns:carddav"
CS = "http://calendarserver.org/ns/"
ICAL = "http://apple.com/ns/ical/"
SIZE = 2 * 1024 * 1024
_DEPTH = 100

_PREFIXES = {"DAV:": "D", CALDAV: "C", CARDDAV: "CR", CS: "CS", ICAL: "I"}
_DECLARED = "".join(f' xmlns:{prefix}="{space}"' for space, prefix in _PREFIXES.items())
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class BrokenXml(ValueError):
    """A body that is not XML, or XML that nobody needs to send."""


def c(name: str) -> str:
    """A name of CalDAV's."""
    return f"{{{CALDAV}}}{name}"


def card(name: str) -> str:
    """A name of CardDAV's."""
    return f"{{{CARDDAV}}}{name}"


def read(body: bytes) -> Element:
    """The root of a body. Names of DAV's namespace are `{DAV:}name` in it.

    Raises:
        BrokenXml: It is not well-formed, over 2 MiB, nested over 100 deep, or declares entities.
    """
    from xml.etree.ElementTree import ParseError, TreeBuilder

    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

    class Shallow(TreeBuilder):
        depth = 0

        def start(self, name: str, attributes: dict[str, str], /) -> Element:
            self.depth += 1
            if self.depth > _DEPTH:
                raise BrokenXml(f"the body is nested over {_DEPTH} deep")
            return super().start(name, attributes)

        def end(self, name: str, /) -> Element:
            self.depth -= 1
            return super().end(name)

    if len(body) > SIZE:
        raise BrokenXml(f"the body has over {SIZE} bytes")
    try:
        parser = DefusedXMLParser(target=Shallow(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
        parser.feed(body)
        root: Element = parser.close()
        return root
    except DefusedXmlException:
        raise BrokenXml("the body declares a document type or entities, which are not read here") from None
    except (ParseError, ValueError, LookupError) as error:
        raise BrokenXml(f"the body is not XML: {error}") from None


def clark(name: str) -> str:
    """A name as `read` has it, from how this package writes it: `DAV:href` is `{DAV:}href`."""
    return f"{{DAV:}}{name[4:]}" if name.startswith("DAV:") else name


def short(name: str) -> str:
    """The inverse of `clark`."""
    return f"DAV:{name[6:]}" if name.startswith("{DAV:}") else name


def tag(name: str, /, inside: str = "", text: str | None = None, **attributes: str) -> str:
    """An element as text.

    Args:
        name: `DAV:href`, `{namespace}name`, or a name without one.
        inside: Elements in it, as text.
        text: Text in it.
        attributes: Its attributes; `_` in names stands for `-`.
    """
    space, local = ("DAV:", name[4:]) if name.startswith("DAV:") else _split(name)
    told = "".join(f" {key.replace('_', '-')}={quoteattr(plain(value))}" for key, value in attributes.items())
    prefix = _PREFIXES.get(space)
    if prefix is not None:
        opened = f"{prefix}:{local}"
    elif space:
        opened, told = f"x:{local}", f" xmlns:x={quoteattr(space)}{told}"
    else:
        opened = local
    if text is not None:
        inside = escape(plain(text), {"\r": "&#13;"}) + inside
    return f"<{opened}{told}>{inside}</{opened}>" if inside else f"<{opened}{told}/>"


def document(name: str, inside: str) -> str:
    """A whole document."""
    opened = tag(name, "\n")
    start, _, end = opened.partition("\n")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{start[:-1]}{_DECLARED}>{inside}{end}\n'


def href(path: str) -> str:
    """A `DAV:href`."""
    return f"<D:href>{escape(path)}</D:href>"


def plain(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def _split(name: str) -> tuple[str, str]:
    if name.startswith("{"):
        space, _, local = name[1:].partition("}")
        return space, local
    return "", name
