"""The HTTP server of Google Sheets: tokens, Sheets v4 and Drive v3. An ASGI application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from terrarium.capability.google_sheets import drive_api, sheets_api
from terrarium.capability.google_sheets.account import Account
from terrarium.capability.google_sheets.book import Book
from terrarium.capability.google_sheets.desk import Desk, Office
from terrarium.capability.google_sheets.drive import dumps
from terrarium.capability.google_sheets.fault import Fault
from terrarium.capability.google_sheets.key import LASTS, Keys, Token
from terrarium.capability.google_sheets.mask import parse, pick
from terrarium.capability.google_sheets.request import Request, request_of
from terrarium.capability.google_sheets.shape import load
from terrarium.core.aside import aside
from terrarium.core.network import Caller
from terrarium.http.body import body_of

_SCOPES = "https://www.googleapis.com/auth/"
_SHEETS = {"spreadsheets", "drive", "drive.file"}
_SHEETS_READ = {"spreadsheets.readonly", "drive.readonly"}
_DRIVE = {"drive", "drive.file"}
_DRIVE_READ = {"drive.readonly", "drive.metadata", "drive.metadata.readonly"}
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SMALL_BODY, _SMALL_STATE = 16 * 1024, 20_000

Answered = tuple[int, bytes, str]


class SheetsServer:
    """Serves the files of a world to Google's clients.

    Args:
        office: The files.
        keys: Whose token is whose.
    """

    def __init__(self, office: Office, keys: Keys) -> None:
        self._office = office
        self._keys = keys
        self._counted: tuple[int, Counter[str]] = (-1, Counter())

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request (ASGI 3)."""
        if scope["type"] != "http":
            raise NotImplementedError("this application speaks HTTP only")
        body = await body_of(receive)
        if body is None:
            return
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        async with self._office.site.request(caller):
            status, content, kind = await self._answer(scope, headers, body, caller)
        told = [(b"content-type", kind.encode("latin-1")), (b"content-length", b"%d" % len(content))]
        if status == 401:
            told.append((b"www-authenticate", b'Bearer realm="https://accounts.google.com/", error="invalid_token"'))
        await send({"type": "http.response.start", "status": status, "headers": told})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, scope: MutableMapping[str, Any], headers: dict[str, str], body: bytes, caller: Caller
    ) -> Answered:
        in_drive = False
        try:
            request = request_of(scope["method"], scope["raw_path"], scope["query_string"], headers, body)
            if request.parts in (["token"], ["o", "oauth2", "token"], ["oauth2", "v4", "token"]):
                return self._token(request, caller)
            in_drive = request.parts[:2] == ["drive", "v3"]
            if not in_drive and request.parts[:2] != ["v4", "spreadsheets"]:
                raise Fault(404, "Not Found", "notFound")
            desk = self._office.desk(self._account(request, in_drive, caller))
            work = partial(drive_api.answer if in_drive else _sheets, desk, request)
            answer = work() if self._light(desk, request) else await aside(work)
            desk.commit(self._office.site.actor())
        except Fault as fault:
            return fault.code, dumps(fault.drive() if in_drive else fault.sheets()), _JSON
        if answer is None:
            return 204, b"", _JSON
        return (200, *answer) if isinstance(answer, tuple) else (200, dumps(answer), _JSON)

    def _light(self, desk: Desk, request: Request) -> bool:
        """Whether it takes so little that the engine's loop can wait for it."""
        usage = self._office.usage
        if len(request.body) > _SMALL_BODY or usage.totals()["cells"] > _SMALL_STATE:
            return False
        if request.parts[:1] != ["v4"] or len(request.parts) < 3:
            return request.parts[-1:] != ["export"]
        if request.parts[2].endswith((":batchUpdate", ":getByDataFilter")):
            return False
        id = request.parts[2]
        if not usage.of(id)["formulas"]:
            return True
        try:
            return request.method == "GET" and Book(desk, id).warm()
        except Fault:
            return True

    # -- who asks -------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> int:
        return int(self._office.site.clock.micros // 1_000_000)

    def _account(self, request: Request, in_drive: bool, caller: Caller) -> Account:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if not text:
            kind, text = "bearer", request.one("access_token") or ""
        token = self._keys.token(text.strip(), self._now) if kind.lower() == "bearer" and text else None
        account = self._office.accounts.named(token.address) if token is not None else None
        if token is None or account is None or self._strange(account, caller):
            raise Fault(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, "
                "login cookie or other valid authentication credential.",
                "authError",
            )
        self._check_scopes(token, in_drive, request.method == "GET")
        self._count(account)
        return account

    def _strange(self, account: Account, caller: Caller) -> bool:
        """Whether an account is not that of the agent that the connection comes from."""
        own = self._office.accounts.agents.get(caller.agent or "")
        return own is not None and own.address != account.address

    def _check_scopes(self, token: Token, in_drive: bool, looks: bool) -> None:
        given = {scope.removeprefix(_SCOPES) for scope in token.scopes}
        needed = _DRIVE if in_drive else _SHEETS
        if looks:
            needed = needed | (_DRIVE_READ if in_drive else _SHEETS_READ)
        if not given & needed:
            raise Fault(403, "Request had insufficient authentication scopes.", "insufficientPermissions")

    def _count(self, account: Account) -> None:
        limit = self._office.accounts.requests_per_minute
        if not limit:
            return
        minute = self._now // 60
        if self._counted[0] != minute:
            self._counted = (minute, Counter())
        self._counted[1][account.address] += 1
        if self._counted[1][account.address] > limit:
            raise Fault(429, f"Quota exceeded: {limit} requests per minute per user.", "rateLimitExceeded")

    def _token(self, request: Request, caller: Caller) -> Answered:
        """OAuth 2.0: an access token for an assertion or a refresh token (RFC 6749, RFC 7523)."""
        if request.method != "POST":
            return 405, dumps({"error": "invalid_request"}), _JSON
        try:
            if request.headers.get("content-type", "").startswith("application/json"):
                told: Any = load(request.body)
            else:
                fields = parse_qs(request.body.decode("utf-8"), max_num_fields=50)
                told = {name: values[-1] for name, values in fields.items()}
        except (ValueError, Fault):
            told = None
        if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
            return 400, dumps({"error": "invalid_request", "error_description": "Bad Request"}), _JSON
        kind = told.get("grant_type")
        scopes = [f"{_SCOPES}spreadsheets", f"{_SCOPES}drive"]
        account: Account | None = None
        if kind == _ASSERTION:
            found = self._keys.asserted(told.get("assertion", ""))
            if isinstance(found, str):
                return 400, dumps({"error": "invalid_grant", "error_description": found}), _JSON
            account, scopes = found
            if not scopes:
                said = "Invalid OAuth scope or ID token audience provided."
                return 400, dumps({"error": "invalid_scope", "error_description": said}), _JSON
        elif kind == "refresh_token":
            account = self._keys.refreshed(
                told.get("refresh_token", ""), told.get("client_id", ""), told.get("client_secret", "")
            )
        else:
            said = "Invalid grant_type: " + str(kind)[:60]
            return 400, dumps({"error": "unsupported_grant_type", "error_description": said}), _JSON
        if account is None or self._strange(account, caller):
            return 400, dumps({"error": "invalid_grant", "error_description": "Bad Request"}), _JSON
        answer = {
            "access_token": self._keys.access(account, scopes, self._now),
            "expires_in": LASTS - 1,
            "token_type": "Bearer",
            "scope": " ".join(scopes),
        }
        return 200, dumps(answer), _JSON


_JSON = "application/json; charset=UTF-8"


def _sheets(desk: Desk, request: Request) -> Any:
    told = sheets_api.answer(desk, request)
    fields = request.one("fields")
    return told if fields is None else pick(told, parse(fields))
