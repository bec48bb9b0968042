"""What the sites of a world hold, as rows: sites, pages, and who has visited them."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import INLINE_LIMIT, Value

PAGE_LIMIT = 100 * 1024 * 1024  # bytes of one page
TOTAL_LIMIT = 2 * 1024**3  # bytes of the pages of all sites
PAGES_LIMIT = 50_000
SITES_LIMIT = 1000
VISITS = 10_000  # of one site; the oldest go
_PATH_LIMIT = 1000
_HEADERS_LIMIT = 50
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOST = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_OWN = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade"})
_TYPES = {".md": "text/markdown", ".whl": "application/zip", ".toml": "application/toml", ".yaml": "application/yaml"}
PACKAGES = "/packages/"
"""Where the distributions of a package index lie on its site."""
INDEX = "/simple/"
"""Where the index is."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Shelf:
    """The state of the capability.

    Args:
        site: Where it stands.
    """

    def __init__(self, site: Site) -> None:
        self.store: Rows = site.rows()
        self._site = site
        self._total = sum(row.fields["size"] for row in self.store.table("page"))

    # -- sites ----------------------------------------------------------------------------------------------------

    def hosts(self) -> list[str]:
        """The sites there are."""
        return [row.key for row in self.store.table("site")]

    def site(self, host: str) -> Fields:
        """The settings of a site.

        Raises:
            NotFound: There is none.
        """
        found = self.store.get("site", host)
        if found is None:
            raise NotFound(f"there is no site {host!r}; there are: {', '.join(self.hosts()) or 'none'}")
        return found

    def make(self, host: str, **settings: Value) -> None:
        """Make a site, or change the settings of one.

        Raises:
            Refused: There are too many.
        """
        found = self.store.get("site", host)
        if found is not None:
            self.store.update(self._site.actor(), "site", host, **settings)
            return
        if self.store.count("site") >= SITES_LIMIT:
            raise Refused(f"there are {SITES_LIMIT} sites already, and no more may be")
        usual = {"app": None, "down": False, "listing": False, "packages": False, "stateless": False, "wsgi": False}
        self.store.insert(self._site.actor(), "site", host, {**usual, **settings})

    def drop(self, host: str) -> None:
        """Remove a site with its pages and visits."""
        self.site(host)
        for table in ("page", "visit"):
            for row in list(self.store.table(table, f"{host}/")):
                self._remove(table, row.key)
        self.store.delete(self._site.actor(), "site", host)

    # -- pages ----------------------------------------------------------------------------------------------------

    def page(self, host: str, path: str) -> Fields | None:
        """What is at a path, or None."""
        return self.store.get("page", host + path)

    def paths(self, host: str, prefix: str = "/") -> Iterator[str]:
        """The paths of a site that begin with `prefix`, sorted."""
        for row in self.store.table("page", host + prefix):
            yield row.key[len(host) :]

    def content(self, page: Fields) -> bytes:
        """The bytes of a page."""
        content = page["content"]
        return content if isinstance(content, bytes) else self.store.blobs.get(content)

    def put(self, host: str, path: str, content: bytes, **more: Value) -> None:
        """Put a page where there may be one already; its time is the present.

        Raises:
            Refused: It is too large, or there are too many.
        """
        key, size = host + path, len(content)
        before = self.store.get("page", key)
        growth = size - (before["size"] if before else 0)
        if size > PAGE_LIMIT or self._total + growth > TOTAL_LIMIT:
            raise Refused(f"{host}{path}: a page may have {PAGE_LIMIT} bytes, and all of them {TOTAL_LIMIT}")
        if before is None and self.store.count("page") >= PAGES_LIMIT:
            raise Refused(f"there are {PAGES_LIMIT} pages already, and no more may be")
        digest = hashlib.sha256(content).hexdigest()
        large = size > INLINE_LIMIT
        fields = {
            "content": self.store.blobs.put(content) if large else content,
            "digest": digest,
            "headers": {},
            "method": None,
            "modified": self._site.clock.now.replace(microsecond=0),
            "size": size,
            "status": 200,
            "type": type_of(path),
            **more,
        }
        self.store.change(self._site.actor(), "page", key, before, fields)
        self._total += growth

    def remove(self, host: str, path: str) -> None:
        """Remove a page.

        Raises:
            NotFound: There is none.
        """
        if self.page(host, path) is None:
            raise NotFound(f"there is nothing at {host}{path}")
        self._remove("page", host + path)

    def _remove(self, table: str, key: str) -> None:
        if table == "page":
            found = self.store.get(table, key)
            self._total -= found["size"] if found else 0
        self.store.delete(self._site.actor(), table, key)

    # -- visits ---------------------------------------------------------------------------------------------------

    def visited(self, host: str, method: str, path: str, status: int, size: int) -> None:
        """Note down a request; that is no action of the agent's."""
        if self.store.get("site", host) is None:
            return  # it was removed meanwhile
        actor, prefix = self._site.actor(), f"{host}/"
        last = self.store.last("visit", prefix)
        number = int(last.rpartition("/")[2]) + 1 if last else 1
        fields = {
            "agent": actor,
            "bytes": size,
            "method": method,
            "path": path[:_PATH_LIMIT].encode("utf-8", "replace").decode(),
            "status": status,
            "time": self._site.clock.now,
        }
        self.store.change(actor, "visit", f"{prefix}{number:09d}", None, fields, trace=True)
        oldest = f"{prefix}{number - VISITS:09d}"
        before = self.store.get("visit", oldest) if number > VISITS else None
        if before is not None:
            self.store.change(actor, "visit", oldest, before, None, trace=True)

    def visits(self, host: str | None) -> list[dict[str, Value]]:
        """The visits of a site, or of all, in order of time; each also says the `host`."""
        rows = self.store.table("visit", f"{host}/" if host else "")
        found = [{"host": row.key.rpartition("/")[0], **row.fields} for row in rows]
        return sorted(found, key=lambda visit: visit["time"]) if host is None else found


def host_of(host: object) -> str:
    """A host name as it is kept.

    Raises:
        Refused: It cannot be one.
    """
    found = host.lower().rstrip(".") if isinstance(host, str) else ""
    if not _HOST.fullmatch(found) or any(part[2:4] == "--" and part[:4] != "xn--" for part in found.split(".")):
        raise Refused(f"{str(host)[:80]!r} cannot be a host: write a name such as `shop.example`")
    return found


def path_of(path: object) -> str:
    """A path as it is kept: it begins with a slash, and may have a query.

    Raises:
        Refused: It cannot be one.
    """
    found = path if isinstance(path, str) else ""
    if not found.startswith("/") or len(found) > _PATH_LIMIT or not found.isprintable() or "#" in found:
        raise Refused(
            f"{str(path)[:80]!r} cannot be a path: write it as people read it, with a slash first, such as '/a.html'"
        )
    return found


def bytes_of(content: object) -> bytes:
    """Content as bytes; text as UTF-8.

    Raises:
        Refused: It is neither.
    """
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    try:
        if isinstance(content, str):
            return content.encode()
    except UnicodeEncodeError:
        pass
    raise Refused(f"the content of a page is bytes, or text that UTF-8 can hold, not {type(content).__name__}")


def headers_of(headers: object) -> dict[str, str]:
    """Headers of an answer, by their names in small letters.

    Raises:
        Refused: They cannot be headers, or are the server's.
    """
    found: dict[str, str] = {}
    if headers is not None and not isinstance(headers, Mapping):
        raise Refused("headers are a table of names and texts")
    for name, text in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name) or name.lower() in _OWN:
            raise Refused(f"{str(name)[:80]!r} cannot be a header of a page")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable() or len(text) > 4000:
            raise Refused(f"the header {name} must be one line of ASCII text")
        found[name.lower()] = text.strip()
    if len(found) > _HEADERS_LIMIT:
        raise Refused(f"a page may have {_HEADERS_LIMIT} headers")
    return dict(sorted(found.items()))


def type_of(path: str) -> str:
    """The media type of a file by its name."""
    name = path.partition("?")[0]
    ending = Path(name).suffix.lower()
    kind = _TYPES.get(ending) or mimetypes.types_map.get(ending) or "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/javascript", "application/json", "image/svg+xml")
    return f"{kind}; charset=utf-8" if text and kind != "application/json" else kind
