"""Notion for a world: agents and the task program share a workspace of pages and databases."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from terrarium.capability.notion.account import ACCESS, Account, Accounts
from terrarium.capability.notion.api import Api
from terrarium.capability.notion.desk import TROUBLES, Desk, Remote, everything
from terrarium.capability.notion.face import NotionFace
from terrarium.capability.notion.rich_text import of
from terrarium.capability.notion.store import Store
from terrarium.capability.notion.tools import NotionTools
from terrarium.core.capability import EXTERNAL, Equipment, Site, Traits, instance_host, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, Unsupported, unknown_key
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost
from terrarium.http.limits import HttpLimits

HOST = "api.notion.com"
_KEYS = (
    "access",
    "auth_token",
    "backend",
    "base_url",
    "bot_name",
    "host",
    "image",
    "root_page_name",
    "storage_bytes",
    "timeout_ms",
    "tokens",
)
_STAMPS = frozenset({"edited", "edited_by"})  # of whatever holds what was changed


class Notion(NotionFace):
    """A Notion workspace at api.notion.com, for every client of Notion's, of the versions 2022-06-28 to 2026-03-11.

    Each agent has an integration of its own: a bot, whose token is in `NOTION_TOKEN` of its sandbox, and behind it the
    agent's person. What an integration makes is `created_by` the bot. Results are Notion's own objects, of the version
    2025-09-03.

    Configuration:
        access (text or table, default "write"): What agents may do with pages that were not shared with them in
            particular: `write`, `read` or `none`; or a table of it by agent.
        tokens (table, default {}): Tokens of agents. Such a token is good for whoever has it; the one that an agent
            has otherwise, only for itself.
        bot_name (text, default "Terrarium"): What the task program's own integration is called.
        root_page_name (text, default "Terrarium"): The title of the session page, in which pages are made that name no
            parent.
        host (text, default "api.notion.com"): Where it is served; of an instance, `<instance>.api.notion.com`.
        storage_bytes (number, default 67108864): What the workspace may hold, roughly, before agents' requests are
            refused.
        backend (text, default "emulated"): `api` is the real Notion: your own account, over the Internet; so it is
            where there is an `auth_token`.
        auth_token (text, default NOTION_TOKEN of the environment): Of `api`: the token of an integration.
        base_url (text, default "https://api.notion.com"): Of `api`: where it is.
        timeout_ms (number, default 60000): Of `api`: for one request.
        image (anything, ignored): Configurations written for containers have it.
    """

    def __init__(self) -> None:
        self._host: WebHost | None = None
        self._remote: Remote | None = None
        self._store: Store | None = None

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """Less, of somebody's real workspace."""
        return EXTERNAL if _backend(config) == "api" else Traits()

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, an agent that is not there, or a value that cannot be one.
            Refused: Its host is served already.
            CapabilityFault: The state cannot be read, or the real Notion cannot be used.
        """
        config = site.config
        for key in config:
            if key not in _KEYS:
                raise unknown_key(site.name, str(key), _KEYS)
        self._site = site
        backend = _backend(config)
        if backend not in ("emulated", "api"):
            raise ConfigError(f"{site.name}: backend is 'emulated' or 'api', not {str(backend)[:40]!r}")
        root = _text(site, "root_page_name", "Terrarium")
        self._accounts = Accounts(site)
        if backend == "api":
            await self._open_remote(site, root)
            return
        limit = _number(site, "storage_bytes", 64 * 1024 * 1024)
        self._store = Store(site, site.rows(), root, self._accounts.task.bot, limit)
        self._api = Api(site, self._store, self._accounts)
        self._client = Desk(self._api, self._accounts.task)
        self._session = self._store.session
        await self._serve(site)

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do, as its integration.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        client = self._client if self._store is None else Desk(self._api, account)
        return NotionTools(client, self._session, remote=self._remote is not None).tools(self._site.name)

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            block: `container/place`: a block, in the page or block that holds it; `place` gives the order.
            comment: The id: a comment on a page or block.
            data_source: The id: the columns of a table of pages.
            database: The id: a database.
            page: The id: a page, its properties by id of column. The session page has a row once it was changed.
            share: `agent/id`: what an agent may do with a page or database, and what is in it.
            trouble: The agent: requests of it that will be refused.
            upload: The id: a file that was uploaded.
        """
        return iter(()) if self._store is None else self._store.rows.all()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without the times at which what holds them was edited, and blocks that stand for a new page."""
        new = {c.key for c in changes if c.table in ("page", "database") and c.before is None}
        kept = [
            c for c in changes if c.table != "trouble" and not (c.kind == "changed" and _STAMPS.issuperset(c.fields))
        ]
        return [c for c in kept if not (c.table == "block" and c.before is None and (c.after or {})["id"] in new)]

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: It is the real Notion.
        """
        if self._store is None:
            raise Unsupported(f"{self._site.name}: somebody's real workspace cannot be saved")
        self._store.rows.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; of the real Notion, archive the session page. Idempotent."""
        host, self._host = self._host, None
        if host is not None:
            await host.close()
        remote = self._remote
        if remote is not None:
            self._remote = None
            try:
                remote.call("PATCH", f"pages/{self._session}", None, {"in_trash": True})
            finally:
                remote.close()
        if self._store is not None:
            self._store.rows.close()

    def equipment(self, agent: str) -> Equipment:
        """The token of the agent's integration, for clients in its sandbox.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        if self._store is None:
            return Equipment()
        token = self._accounts.token(str(account.agent))
        return Equipment(env={"NOTION_TOKEN": token, "NOTION_API_KEY": token})

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where clients find it: `api_url`, `bot_name`, `session_page_id`, and `secrets` for the first agent."""
        bot = self._accounts.task
        info: dict[str, Value] = {"api_url": self._url, "bot_name": bot.name, "session_page_id": self._session}
        if self._store is None or not self._site.agents:
            return {**info, "secrets": {"env": {}}}
        return {**info, "secrets": {"env": dict(self.equipment(self._site.agents[0]).env)}}

    # -- who may do what ------------------------------------------------------------------------------------------

    @reads
    def user(self, agent: str = "agent") -> dict[str, Value]:
        """Who an agent is: `id` of its person, `bot_id`, which stands in `created_by`, `name`, `email`.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        person = self._accounts.users[str(account.person)]
        email = person["person"]["email"]
        return {"id": account.person, "bot_id": account.bot, "name": person["name"], "email": email}

    @writes(silent=True)
    def share(self, page_id: str, agent: str, access: str = "write") -> None:
        """Let an agent change a page or database and all in it (`write`), only read it (`read`) or not see it (`none`).

        What is said of a page nearer wins over what is said of one further up, and over the setting `access`.

        Raises:
            NotFound: There is no such page, database or agent.
            Refused: There is no such access.
            Unsupported: It is the real Notion.
        """
        if access not in ACCESS:
            raise Refused(f"access is one of {', '.join(ACCESS)}, not {str(access)[:40]!r}")
        store, account = self._emulated("share"), self._account(agent)
        id = str(self._call("GET", f"blocks/{page_id}")["id"])
        store.put("share", f"{account.agent}/{id}", {"access": access})

    @writes(silent=True)
    def fail_requests(
        self, agent: str, requests: int = 1, code: str = "rate_limited", retry_after: int | None = 1
    ) -> None:
        """Have the next requests of an agent's programs refused; its tools are not concerned.

        Args:
            agent: Whose.
            requests: How many, 1 to 1000.
            code: `rate_limited`, `conflict_error`, `internal_server_error` or `service_unavailable`.
            retry_after: Seconds that `rate_limited` tells to wait.

        Raises:
            NotFound: There is no such agent.
            Refused: There is no such code, or the numbers cannot be.
            Unsupported: It is the real Notion.
        """
        if code not in TROUBLES:
            raise Refused(f"code is one of {', '.join(TROUBLES)}, not {str(code)[:40]!r}")
        if not 1 <= requests <= 1000 or (retry_after is not None and not 0 <= retry_after <= 3600):
            raise Refused("requests is 1 to 1000, retry_after 0 to 3600 seconds")
        after = retry_after if code == "rate_limited" else None
        store = self._emulated("fail_requests")
        store.put("trouble", str(self._account(agent).agent), {"left": requests, "code": code, "retry_after": after})

    # -- inside ---------------------------------------------------------------------------------------------------

    def _account(self, agent: str) -> Account:
        found = self._accounts.by_agent.get(str(agent))
        if found is None:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._accounts.by_agent)}")
        return found

    def _emulated(self, what: str) -> Store:
        if self._store is None:
            raise Unsupported(f"{what} needs the emulated Notion")
        return self._store

    async def _serve(self, site: Site) -> None:
        host = _text(site, "host", instance_host(site.name, HOST))
        self._url = f"https://{host}"
        self._app: Any = None
        limits = HttpLimits(body_bytes=21 * 1024 * 1024)
        self._host = WebHost(site, [host], self._answer, limits=limits, name="notion")
        await self._host.open()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """One request; the libraries for it are loaded with the first."""
        if self._app is None:
            from terrarium.capability.notion.app import NotionServer

            self._app = NotionServer(self._site, self._api)
        await self._app.serve(scope, receive, send)

    async def _open_remote(self, site: Site, root: str) -> None:
        self.traits = EXTERNAL  # type: ignore[misc]
        token = site.config.get("auth_token") or os.environ.get("NOTION_TOKEN")
        if not isinstance(token, str) or not token:
            raise ConfigError(f"{site.name}: backend 'api' needs auth_token, or NOTION_TOKEN in the environment")
        self._url = _text(site, "base_url", f"https://{HOST}")
        remote = Remote(token, self._url, _number(site, "timeout_ms", 60_000) / 1000)
        from terrarium.core.aside import aside

        def begin() -> str:
            pages = everything(remote, "POST", "search", {"query": root, "filter": _PAGES})
            found = [page for page in pages if not page["in_trash"] and _title(page) == root]
            if not found:
                raise CapabilityFault(
                    f"{site.name}: the integration sees no page {root!r}: make one and share it, or set root_page_name"
                )
            name = f"_terrarium_{site.rng.token(f'{site.name}/session', 8)}"
            parent = {"type": "page_id", "page_id": found[0]["id"]}
            body = {"parent": parent, "properties": {"title": {"title": of(name)}}}
            return str(remote.call("POST", "pages", None, body)["id"])

        try:
            self._session = await aside(begin)
        except Exception as error:
            remote.close()
            if isinstance(error, CapabilityFault):
                raise
            raise CapabilityFault(f"{site.name}: the real Notion refused: {error}") from error
        self._remote = self._client = remote


_PAGES = {"property": "object", "value": "page"}


def _backend(config: Mapping[str, Value]) -> Value:
    return config.get("backend", "api" if "auth_token" in config else "emulated")


def _title(page: Mapping[str, Any]) -> str:
    for value in page["properties"].values():
        if value["type"] == "title":
            return "".join(item["plain_text"] for item in value["title"])
    return ""


def _text(site: Site, key: str, default: str) -> str:
    value = site.config.get(key, default)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ConfigError(f"{site.name}: {key} must be a short text, not {value!r:.60}")
    return value


def _number(site: Site, key: str, default: int) -> int:
    value = site.config.get(key, default)
    if type(value) is not int or not 0 < value < 2**40:
        raise ConfigError(f"{site.name}: {key} must be a whole number above 0, not {value!r:.60}")
    return value
