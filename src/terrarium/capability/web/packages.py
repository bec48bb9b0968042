"""A package index (PEP 503 and 691) over the distributions that a site holds below /packages/."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from terrarium.capability.web.shelf import INDEX, PACKAGES, Shelf

_JSON = "application/vnd.pypi.simple.v1+json"
_ENDINGS = (".whl", ".tar.gz", ".zip")


def answer(shelf: Shelf, host: str, path: str, accept: str) -> tuple[int, bytes, dict[str, str]] | None:
    """The (status, body, headers) of a page of the index, or None where the path is no part of it."""
    if not f"{path}/".startswith(INDEX):
        return None
    if not path.endswith("/"):
        return 301, b"", {"location": quote(f"{path}/")}
    name = path[len(INDEX) :].rstrip("/")
    as_json = _JSON in accept
    if not name:
        names = sorted({project for project, _ in _all(shelf, host)})
        told = {"meta": {"api-version": "1.0"}, "projects": [{"name": one} for one in names]}
        return _page(told, [(f"{one}/", one) for one in names], as_json)
    if normal(name) != name:
        return 301, b"", {"location": quote(f"{INDEX}{normal(name)}/")}
    files = [(file, _digest(shelf, host, file)) for _, file in _all(shelf, host, name)]
    if not files:
        return 404, b"there is no such package\n", {"content-type": "text/plain"}
    told = {
        "meta": {"api-version": "1.0"},
        "name": name,
        "files": [
            {"filename": file, "url": quote(PACKAGES + file), "hashes": {"sha256": digest}} for file, digest in files
        ],
    }
    return _page(told, [(f"{quote(PACKAGES + file)}#sha256={digest}", file) for file, digest in files], as_json)


def normal(name: str) -> str:
    """The name of a project as indexes write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _all(shelf: Shelf, host: str, project: str | None = None) -> Iterator[tuple[str, str]]:
    """(project, file name) of every distribution."""
    for path in shelf.paths(host, PACKAGES):
        file = path[len(PACKAGES) :]
        if "/" not in file and file.endswith(_ENDINGS):
            found = _project(file)
            if project in (None, found):
                yield found, file


def _digest(shelf: Shelf, host: str, file: str) -> str:
    page = shelf.page(host, f"{PACKAGES}{file}")
    return str(page["digest"]) if page else ""


def _project(file: str) -> str:
    if file.endswith(".whl"):
        return normal(file.partition("-")[0])
    stem = file.removesuffix(".zip").removesuffix(".tar.gz")
    return normal(stem.rpartition("-")[0] or stem)


def _page(told: object, links: list[tuple[str, str]], as_json: bool) -> tuple[int, bytes, dict[str, str]]:
    if as_json:
        return 200, json.dumps(told).encode(), {"content-type": _JSON, "vary": "accept"}
    lines = "".join(f'<a href="{html.escape(target)}">{html.escape(text)}</a><br>\n' for target, text in links)
    page = f'<!doctype html>\n<meta name="pypi:repository-version" content="1.0">\n{lines}'
    return 200, page.encode(), {"content-type": "text/html; charset=utf-8", "vary": "accept"}
