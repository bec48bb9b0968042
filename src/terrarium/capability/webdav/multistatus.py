"""Answers about many resources at once (RFC 4918, section 13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from terrarium.capability.webdav.answer import Answer, xml_answer
from terrarium.capability.webdav.xml import document, href, tag

_STATUS = {
    200: "OK",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    424: "Failed Dependency",
    507: "Insufficient Storage",
}


def multistatus(responses: Iterable[str], after: str = "") -> Answer:
    """A 207 of `DAV:response` elements."""
    return xml_answer(207, document("DAV:multistatus", "".join(responses) + after))


def response(path: str, found: Sequence[str], missing: Sequence[str] = ()) -> str:
    """The `DAV:response` of one resource: elements that it has, names of those that it does not."""
    stats = [propstat(200, "".join(found))] if found or not missing else []
    stats += [propstat(404, "".join(tag(name) for name in missing))] if missing else []
    return f"<D:response>{href(path)}{''.join(stats)}</D:response>"


def propstat(status: int, inside: str, error: str = "") -> str:
    """A `DAV:propstat`."""
    return f"<D:propstat><D:prop>{inside}</D:prop>{status_line(status)}{error}</D:propstat>"


def status_line(status: int) -> str:
    """A `DAV:status`."""
    return f"<D:status>HTTP/1.1 {status} {_STATUS[status]}</D:status>"
