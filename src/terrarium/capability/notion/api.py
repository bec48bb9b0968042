"""The interface of api.notion.com: paths and methods to what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from terrarium.capability.notion import block, comment, database, page, search, upload
from terrarium.capability.notion.account import Account, Accounts
from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.ask import Ask
from terrarium.capability.notion.render import OLD, VERSIONS, Render
from terrarium.capability.notion.store import Store
from terrarium.core.capability import Site

Handler = Callable[[Ask], dict[str, Any]]

ROUTES: dict[tuple[str, ...], Handler] = {
    ("POST", "pages"): page.create,
    ("GET", "pages", "*"): page.retrieve,
    ("PATCH", "pages", "*"): page.update,
    ("POST", "pages", "*", "move"): page.move,
    ("GET", "pages", "*", "properties", "*"): page.property_item,
    ("GET", "pages", "*", "markdown"): page.get_markdown,
    ("PATCH", "pages", "*", "markdown"): page.set_markdown,
    ("GET", "blocks", "*"): block.retrieve,
    ("PATCH", "blocks", "*"): block.update,
    ("DELETE", "blocks", "*"): block.delete,
    ("GET", "blocks", "*", "children"): block.children,
    ("PATCH", "blocks", "*", "children"): block.append,
    ("POST", "databases"): database.create,
    ("GET", "databases", "*"): database.retrieve,
    ("PATCH", "databases", "*"): database.update,
    ("POST", "databases", "*", "query"): database.query,
    ("POST", "data_sources"): database.create_source,
    ("GET", "data_sources", "*"): database.retrieve_source,
    ("PATCH", "data_sources", "*"): database.update_source,
    ("POST", "data_sources", "*", "query"): database.query,
    ("GET", "data_sources", "*", "templates"): database.templates,
    ("POST", "search"): search.search,
    ("GET", "users"): comment.users,
    ("GET", "users", "me"): comment.me,
    ("GET", "users", "*"): comment.user,
    ("POST", "comments"): comment.create,
    ("GET", "comments"): comment.listing,
    ("GET", "comments", "*"): comment.retrieve,
    ("PATCH", "comments", "*"): comment.update,
    ("DELETE", "comments", "*"): comment.delete,
    ("POST", "file_uploads"): upload.create,
    ("GET", "file_uploads"): upload.listing,
    ("GET", "file_uploads", "*"): upload.retrieve,
    ("POST", "file_uploads", "*", "send"): upload.send,
    ("POST", "file_uploads", "*", "complete"): upload.complete,
}
_READING = frozenset({search.search, database.query})  # by POST


class Api:
    """The workspace, as the interface gives it.

    Args:
        site: Who is told of what.
        store: The workspace.
        accounts: Who is in it.
    """

    def __init__(self, site: Site, store: Store, accounts: Accounts) -> None:
        self._site = site
        self.store = store
        self.accounts = accounts
        self._renders = {version: Render(store, accounts, version) for version in VERSIONS}

    def call(
        self,
        account: Account,
        version: str,
        method: str,
        path: str,
        query: Mapping[str, Sequence[str]] | None = None,
        body: Any = None,
        file: tuple[str, str, bytes] | None = None,
    ) -> dict[str, Any]:
        """Do what a request asks for.

        Args:
            account: Who asks.
            version: One of `VERSIONS`.
            method: Such as `GET`.
            path: What follows `/v1/`.
            query: What stands behind `?`.
            body: What was sent, parsed; None: nothing.
            file: An uploaded file: (name, type, content).

        Raises:
            ApiError: It is refused; nothing has changed.
        """
        handler, ids = _route(method, path, version)
        if body is None:
            body = {}
        if not isinstance(body, dict):
            raise ApiError("validation_error", "body failed validation: body should be an object.")
        writing = method != "GET" and handler not in _READING
        if writing and account.agent is not None and self.store.size > self.store.limit:
            raise ApiError("validation_error", "The workspace is full: its storage limit is reached.")
        ask = Ask(self.store, self.accounts, account, self._renders[version], ids, query or {}, body, file)
        found = handler(ask)
        for agent, text in ask.told:
            self._site.notify(agent, text)
        return found

    def trouble(self, account: Account) -> None:
        """Refuse a request that the task wants refused.

        Raises:
            ApiError: It does.
        """
        fields = self.store.rows.get("trouble", account.agent or "")
        if fields is None:
            return
        left = {**fields, "left": fields["left"] - 1} if fields["left"] > 1 else None
        self.store.rows.change(self._site.actor(), "trouble", account.agent or "", fields, left, trace=True)
        said = {
            "rate_limited": "You have been rate limited. Please try again in a few minutes.",
            "conflict_error": "Conflict occurred while saving. Please try again.",
            "internal_server_error": "Unexpected error occurred.",
            "service_unavailable": "Public API service is temporarily unavailable, please try again later.",
        }
        raise ApiError(fields["code"], said[fields["code"]], fields["retry_after"])


def _route(method: str, path: str, version: str) -> tuple[Handler, list[str]]:
    parts = path.strip("/").split("/")
    if len(parts) <= 4:
        if parts[0] == "data_sources" and version == OLD:
            raise ApiError("invalid_request_url", "Invalid request URL.")
        exact = ROUTES.get((method, *parts))
        if exact is not None and "*" not in parts:
            return exact, []
        if parts[0] == "databases" and parts[-1] == "query" and version != OLD:
            raise ApiError("invalid_request_url", "Invalid request URL: use the endpoints of data sources.")
        found = ROUTES.get((method, *(part if place % 2 == 0 else "*" for place, part in enumerate(parts))))
        if found is not None:
            return found, [unquote(part) for part in parts[1::2]]
    raise ApiError("invalid_request_url", "Invalid request URL.")
