"""The answer of a site to a request: pages, folders, ranges, what has not changed since."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from terrarium.capability.web import packages
from terrarium.capability.web.shelf import Shelf
from terrarium.core.rows import Fields
from terrarium.http.date import http_date

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_LISTED = 1000  # names in one listing


@dataclass(frozen=True)
class Answer:
    """What goes back: a status, headers and a body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request; header names are in small letters, `path` is decoded and has no query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def answer(shelf: Shelf, host: str, asked: Asked) -> Answer:
    """What a site without an application says."""
    page, path = _found(shelf, host, asked)
    if page is not None:
        return _page(shelf, asked, page)
    known = shelf.page(host, asked.path)
    if known is not None:
        return _said(405, "this cannot be done here", {"allow": str(known["method"] or "GET, HEAD")})
    if asked.method not in ("GET", "HEAD"):
        return _said(404, "there is nothing here")
    site = shelf.site(host)
    if site["packages"]:
        found = packages.answer(shelf, host, asked.path, asked.headers.get("accept", ""))
        if found is not None:
            status, body, headers = found
            return Answer(status, body, headers)
    if not path.endswith("/") and _is_folder(shelf, host, f"{path}/", site):
        return Answer(301, headers={"location": quote(f"{path}/")})
    if site["listing"] and path.endswith("/") and next(shelf.paths(host, path), None) is not None:
        return _listing(shelf, host, path)
    missing = shelf.page(host, "/404.html")
    if missing is not None:
        return Answer(404, shelf.content(missing), {"content-type": str(missing["type"])})
    return _said(404, "there is nothing here")


def _found(shelf: Shelf, host: str, asked: Asked) -> tuple[Fields | None, str]:
    """The page that a request is for, if there is one, and the path."""
    names = [f"{asked.path}?{asked.query}"] if asked.query else []
    names.append(asked.path)
    if asked.path.endswith("/"):
        names.append(f"{asked.path}index.html")
    for name in names:
        page = shelf.page(host, name)
        if page is None:
            continue
        fits = page["method"] in (None, asked.method) or (page["method"] == "GET" and asked.method == "HEAD")
        answers = page["method"] is not None or page["status"] != 200 or asked.method in ("GET", "HEAD")
        if fits and answers:
            return page, asked.path
    return None, asked.path


def _is_folder(shelf: Shelf, host: str, path: str, site: Fields) -> bool:
    if shelf.page(host, f"{path}index.html") is not None:
        return True
    return bool(site["listing"]) and next(shelf.paths(host, path), None) is not None


def _page(shelf: Shelf, asked: Asked, page: Fields) -> Answer:
    headers = {"content-type": str(page["type"]), **page["headers"]}
    if page["status"] != 200 or asked.method not in ("GET", "HEAD"):
        return Answer(page["status"], shelf.content(page), headers)
    tag, modified = f'"{page["digest"][:32]}"', page["modified"]
    headers = {"accept-ranges": "bytes", "etag": tag, "last-modified": http_date(modified), **headers}
    if _unchanged(asked.headers, tag, modified):
        return Answer(304, headers={name: headers[name] for name in ("etag", "last-modified")})
    body = shelf.content(page)
    wanted = asked.headers.get("range", "")
    if asked.method == "GET" and wanted and asked.headers.get("if-range", tag) in (tag, headers["last-modified"]):
        return _part(body, wanted, headers)
    return Answer(200, body, headers)


def _unchanged(headers: Mapping[str, str], tag: str, modified: datetime) -> bool:
    if "if-none-match" in headers:
        tags = [one.strip().removeprefix("W/") for one in headers["if-none-match"].split(",")]
        return tag in tags or "*" in tags
    try:
        since = parsedate_to_datetime(headers["if-modified-since"])
        return modified <= (since if since.tzinfo else since.replace(tzinfo=UTC))
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def _part(body: bytes, wanted: str, headers: Mapping[str, str]) -> Answer:
    """One range of a body (RFC 9110, section 14); what is none, or several, is answered with everything."""
    asked = _RANGE.fullmatch(wanted.strip())
    if asked is None or asked[1] == asked[2] == "":
        return Answer(200, body, headers)
    if asked[1] == "":
        start, end = max(0, len(body) - int(asked[2])), len(body) - 1
    else:
        start, end = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
    if start >= len(body) or (asked[2] and asked[1] and int(asked[2]) < start) or end < start:
        return Answer(416, headers={"content-range": f"bytes */{len(body)}"})
    return Answer(206, body[start : end + 1], {**headers, "content-range": f"bytes {start}-{end}/{len(body)}"})


def _listing(shelf: Shelf, host: str, path: str) -> Answer:
    names: dict[str, None] = {} if path == "/" else {"../": None}
    for found in shelf.paths(host, path):
        name, slash, _ = found[len(path) :].partition("?")[0].partition("/")
        names[name + slash] = None
        if len(names) > _LISTED:
            break
    lines = [f'<li><a href="{html.escape(quote(name))}">{html.escape(name)}</a></li>' for name in names if name]
    title = html.escape(f"Index of {path}")
    text = f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n" + "\n".join(lines) + "\n</ul>\n"
    return Answer(200, text.encode(), {"content-type": "text/html; charset=utf-8"})


def _said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, f"{text}\n".encode(), {"content-type": "text/plain; charset=utf-8", **(headers or {})})
