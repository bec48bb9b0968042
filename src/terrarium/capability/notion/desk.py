"""Ways to a workspace: in this process, as an account, or over the network, as a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from terrarium.capability.notion.account import Account
from terrarium.capability.notion.api import Api
from terrarium.capability.notion.api_error import STATUS, ApiError
from terrarium.capability.notion.render import CURRENT
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, TerrariumError

TROUBLES = ("rate_limited", "conflict_error", "internal_server_error", "service_unavailable")


class Client(Protocol):
    """Something that does requests of the version 2025-09-03."""

    def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer to a request; `path` is what follows `/v1/`.

        Raises:
            ApiError: It is refused.
        """
        ...


class Desk:
    """The emulated workspace, as one account.

    Args:
        api: The workspace.
        account: Who asks.
    """

    def __init__(self, api: Api, account: Account) -> None:
        self._api = api
        self._account = account

    def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """As `Client.call`."""
        asked = {key: [str(value)] for key, value in (query or {}).items() if value is not None}
        return self._api.call(self._account, CURRENT, method, path, asked, None if body is None else dict(body))


class Remote:
    """The real Notion, or whatever speaks like it.

    Args:
        token: Of an integration.
        base_url: Where it is.
        timeout: Seconds for one request.

    Raises:
        ConfigError: The client library is not installed.
    """

    def __init__(self, token: str, base_url: str, timeout: float) -> None:
        try:
            import notion_client
        except ImportError:
            raise ConfigError("backend 'api' of notion needs a library: pip install 'terrarium[notion]'") from None
        self._client = notion_client.Client(
            auth=token, base_url=base_url, timeout_ms=round(timeout * 1000), notion_version=CURRENT
        )

    def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """As `Client.call`.

        Raises:
            CapabilityFault: It cannot be reached.
        """
        import httpx
        from notion_client.errors import NotionClientErrorBase

        asked = {key: value for key, value in (query or {}).items() if value is not None}
        try:
            found: dict[str, Any] = self._client.request(
                path, method, query=asked or None, body=None if body is None else dict(body)
            )
            return {key: value for key, value in found.items() if key != "request_id"}
        except (NotionClientErrorBase, httpx.HTTPError, OSError) as error:
            code = getattr(error, "code", None)
            word = str(getattr(code, "value", code))
            if word in STATUS and STATUS[word] < 500 and word not in ("rate_limited", "unauthorized"):
                raise ApiError(word, str(error)) from None
            raise CapabilityFault(f"Notion cannot be used: {error}", code=word) from error

    def close(self) -> None:
        """End its connections."""
        self._client.close()


def told(error: ApiError) -> TerrariumError:
    """An error of the interface as the program or an agent gets it."""
    if error.code == "object_not_found":
        return NotFound(error.message, code=error.code)
    return Refused(error.message, code=error.code)


def everything(
    client: Client, method: str, path: str, body: Mapping[str, Any] | None = None, most: int | None = None
) -> list[dict[str, Any]]:
    """All results of a list, page after page, at most `most`."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        paging = {"page_size": 100, "start_cursor": cursor}
        paging = {key: value for key, value in paging.items() if value is not None}
        answer = (
            client.call(method, path, paging)
            if method == "GET"
            else client.call(method, path, None, {**(body or {}), **paging})
        )
        found += answer["results"]
        cursor = answer["next_cursor"]
        if cursor is None or (most is not None and len(found) >= most):
            return found[:most]


def source_of(client: Client, id: str) -> str:
    """The data source that the id of a database, or of a data source, means.

    Raises:
        ApiError: There is none.
    """
    try:
        sources = client.call("GET", f"databases/{id}")["data_sources"]
    except ApiError as error:
        if error.code != "object_not_found":
            raise
        return str(client.call("GET", f"data_sources/{id}")["id"])
    if not sources:
        raise ApiError("object_not_found", f"Database {id} has no data source.")
    return str(sources[0]["id"])


def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises the project's errors in place of the interface's."""

    def call(*args: Any, **named: Any) -> Any:
        try:
            return method(*args, **named)
        except ApiError as error:
            raise told(error) from None

    return call
