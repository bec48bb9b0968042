"""What a task says of a site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrarium.capability.web.shelf import PACKAGES, PAGE_LIMIT, PAGES_LIMIT, bytes_of, path_of
from terrarium.core.capability import Traits
from terrarium.core.errors import Refused, unknown_key

_KEYS = ("app", "files", "folder", "listing", "packages", "stateless", "wsgi")
_FLAGS = ("listing", "packages", "stateless", "wsgi")
_UNCLAIMED = Traits(deterministic=False, snapshots=False, sees_writes=False)


def settings_of(host: str, told: Any, beside: Path) -> dict[str, Any]:
    """What is kept of a site, and as `pages` its pages by path.

    Args:
        host: Its name.
        told: A folder, or a table.
        beside: Where folders are looked for.

    Raises:
        ConfigError: An unknown key.
        Refused: A bad value.
    """
    if isinstance(told, str):
        told = {"folder": told}
    if not isinstance(told, Mapping):
        raise Refused(f"the site {host} must be a folder or a table, not {str(told)[:80]!r}")
    for key in told:
        if key not in _KEYS:
            raise unknown_key(f"the site {host}", str(key), _KEYS)
    flags = {key: _one("True or False", key, told.get(key, False), bool) for key in _FLAGS}
    app = told.get("app")
    if app is not None and ":" not in _one("text", "app", app, str):
        raise Refused(f"app names an application as `module:name`, not {app!r}")
    pages: dict[str, bytes] = {}
    if told.get("folder") is not None:
        prefix = PACKAGES.rstrip("/") if flags["packages"] else ""
        found = _files(beside / _one("text", "folder", told["folder"], str))
        pages = {prefix + path: content for path, content in found.items()}
    files = told.get("files") or {}
    if not isinstance(files, Mapping):
        raise Refused(f"files must be a table of path and content, not {str(files)[:80]!r}")
    pages |= {path_of(path): bytes_of(content) for path, content in files.items()}
    return {**flags, "app": app, "pages": pages}


def claimed(sites: Sequence[Mapping[str, Any]]) -> Traits:
    """What may be claimed of a world with these sites."""
    return _UNCLAIMED if any(site.get("app") and not site.get("stateless") for site in sites) else Traits()


def _files(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their paths on a site; links are left out.

    Raises:
        Refused: It is none, or holds too much.
    """
    try:
        there = folder.is_dir()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise Refused(f"there is no folder {str(folder)[:200]}")
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        if len(found) >= PAGES_LIMIT or file.stat().st_size > PAGE_LIMIT:
            raise Refused(f"{folder} holds too many files, or a file over {PAGE_LIMIT} bytes: {file.name}")
        found[path_of("/" + file.relative_to(folder).as_posix())] = file.read_bytes()
    return found


def _one(what: str, key: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Refused(f"{key} must be {what}, not {str(value)[:80]!r}")
    return value
