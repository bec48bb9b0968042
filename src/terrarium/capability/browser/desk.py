"""What browsers keep, as rows: cookies, stored items, databases, tabs, visited pages and downloads of each agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.capability.browser.kept import Kept
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import Value

VISITS_LIMIT = 10_000  # pages of one agent that are kept
_TO_CHROMIUM = {"http_only": "httpOnly", "same_site": "sameSite"}
_FROM_CHROMIUM = {theirs: ours for ours, theirs in _TO_CHROMIUM.items()}


class Desk:
    """The rows of all browsers of a world.

    Args:
        site: Where the capability stands.
        store: Its rows.
    """

    def __init__(self, site: Site, store: Rows) -> None:
        self.store = store
        self._site = site

    def keep(self, agent: str, kept: Kept) -> None:
        """Write down what an agent's browser keeps now."""
        self._sync("cookie", agent, {_place(cookie): _fields(cookie) for cookie in kept.cookies})
        stored = {
            f"{origin}/{key}": {"origin": origin, "key": key, "value": value}
            for origin, items in kept.storage.items()
            for key, value in items.items()
        }
        self._sync("storage", agent, stored)
        contents = {
            f"{origin}/{name}": {"origin": origin, "name": name, "content": content}
            for origin, found in kept.databases.items()
            for name, content in found.items()
        }
        self._sync("database", agent, contents)
        tabs = {
            f"{place:02d}": {"url": url, "title": title, "current": place == kept.current}
            for place, (url, title) in enumerate(kept.tabs)
        }
        self._sync("tab", agent, tabs)
        said = {} if kept.answer == (False, "") else {"answer": {"accept": kept.answer[0], "text": kept.answer[1]}}
        self._sync("dialog", agent, said)
        actor, now = self._site.actor(), self._site.clock.now
        for url in kept.visits:
            number = self._next("visit", agent)
            if number > VISITS_LIMIT:
                break
            fields = {"url": url, "at": now, "by": actor}
            self.store.change(actor, "visit", f"{agent}/{number:05d}", None, fields, trace=True)
        for name, url, content in kept.files:
            blob = self.store.blobs.put(content)
            file = {"name": name, "url": url, "size": len(content), "blob": blob}
            self.store.insert(actor, "download", f"{agent}/{self._next('download', agent):05d}", file)

    def kept(self, agent: str) -> Kept:
        """What the browser of an agent continues with."""
        storage: dict[str, dict[str, str]] = {}
        for item in self.table("storage", agent):
            storage.setdefault(str(item["origin"]), {})[str(item["key"])] = str(item["value"])
        databases: dict[str, dict[str, str]] = {}
        for found in self.table("database", agent):
            databases.setdefault(str(found["origin"]), {})[str(found["name"])] = str(found["content"])
        tabs = self.table("tab", agent)
        answers = [(bool(answer["accept"]), str(answer["text"])) for answer in self.table("dialog", agent)]
        return Kept(
            cookies=[_cookie(cookie) for cookie in self.table("cookie", agent)],
            storage=storage,
            databases=databases,
            tabs=[(str(tab["url"]), str(tab["title"])) for tab in tabs],
            current=next((place for place, tab in enumerate(tabs) if tab["current"]), 0),
            answer=answers[0] if answers else (False, ""),
        )

    def set_cookie(self, agent: str, cookie: Mapping[str, Any]) -> None:
        """Add a cookie, or replace it."""
        key, fields = f"{agent}/{_place(cookie)}", _fields(cookie)
        self.store.change(self._site.actor(), "cookie", key, self.store.get("cookie", key), fields)

    def table(self, table: str, agent: str) -> list[Fields]:
        """The rows of an agent in a table, in order."""
        return [row.fields for row in self.store.table(table, f"{agent}/")]

    def download(self, agent: str, name: str) -> bytes:
        """The content of the last download of that name.

        Raises:
            NotFound: There is none; says what there is.
        """
        files = self.table("download", agent)
        for file in reversed(files):
            if file["name"] == name:
                return self.store.blobs.get(str(file["blob"]))
        there = ", ".join(sorted({str(file["name"]) for file in files})) or "none"
        raise NotFound(f"there is no download {name[:200]!r}; there are: {there}")

    def downloads(self, agent: str) -> list[dict[str, Value]]:
        """`name`, `url` and `size` of each, oldest first."""
        return [{key: file[key] for key in ("name", "url", "size")} for file in self.table("download", agent)]

    def _next(self, table: str, agent: str) -> int:
        last = self.store.last(table, f"{agent}/")
        return int(last.rpartition("/")[2]) + 1 if last else 1

    def _sync(self, table: str, agent: str, wanted: Mapping[str, Mapping[str, Value]]) -> None:
        actor = self._site.actor()
        there = {row.key: row.fields for row in self.store.table(table, f"{agent}/")}
        now = {f"{agent}/{key}": fields for key, fields in wanted.items()}
        for key in sorted(there.keys() | now.keys()):
            before, after = there.get(key), now.get(key)
            if before != after:
                self.store.change(actor, table, key, before, after)


def _place(cookie: Mapping[str, Any]) -> str:
    return f"{cookie['domain']}{cookie['path']} {cookie['name']}"


def _fields(cookie: Mapping[str, Any]) -> dict[str, Value]:
    return {_FROM_CHROMIUM.get(key, key): value for key, value in cookie.items()}


def _cookie(fields: Fields) -> dict[str, Any]:
    return {_TO_CHROMIUM.get(key, key): value for key, value in fields.items()}
