"""The web server of the workspace: api.notion.com over HTTP. An ASGI application."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from terrarium.capability.notion.account import Account
from terrarium.capability.notion.api import Api
from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.render import VERSIONS
from terrarium.core.capability import Site
from terrarium.core.network import Caller

BODY = 500_000  # bytes of a JSON body
_DEPTH = 40  # of brackets in it
_PARTS = 20  # of a form
_PREFIX = "/v1/"
_FILES = "/files/"
_PAIR = re.compile("[\ud800-\udfff]")


class NotionServer:
    """Serves a workspace to Notion's clients.

    Args:
        site: Whose requests these are.
        api: What they can do.
    """

    def __init__(self, site: Site, api: Api) -> None:
        self._site = site
        self._api = api
        self._count = 0

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request (ASGI 3)."""
        if scope["type"] != "http":
            raise NotImplementedError("this application speaks HTTP only")
        request = Request(scope, receive)
        body = await request.body()
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        async with self._site.request(caller):
            response = self._answer(request, body, caller)
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes, caller: Caller) -> Response:
        self._count += 1
        request_id = f"00000000-0000-4000-8000-{self._count:012x}"
        try:
            path: str = request.scope["path"]
            if path.startswith(_FILES) and request.method == "GET":
                return self._file(path[len(_FILES) :])
            found = self._do(request, body, caller)
        except ApiError as error:
            headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
            return _json(error.body(request_id), error.status, request_id, headers)
        return _json({**found, "request_id": request_id}, 200, request_id, {})

    def _do(self, request: Request, body: bytes, caller: Caller) -> dict[str, Any]:
        path = request.scope["raw_path"].decode("latin-1")
        if not path.startswith(_PREFIX):
            raise ApiError("invalid_request_url", "Invalid request URL.")
        account = self._account(request.headers.get("authorization", ""), caller)
        version = request.headers.get("notion-version")
        if version is None:
            raise ApiError(
                "missing_version",
                "Notion-Version header failed validation: Notion-Version header should be defined, instead was "
                "`undefined`.",
            )
        if version not in VERSIONS:
            known = ", ".join(f'`"{one}"`' for one in VERSIONS)
            raise ApiError(
                "validation_error",
                f"Notion-Version header failed validation: Notion-Version header should be one of {known}, instead was "
                f'`"{version[:40]}"`.',
            )
        self._api.trouble(account)
        query = request.scope["query_string"].decode("latin-1")
        asked = _queried(query) if query else {}
        kind = request.headers.get("content-type", "")
        file, parsed = None, None
        if body and kind.startswith("multipart/form-data"):
            parsed, file = _form(body, kind)
        elif body:
            parsed = parsed_json(body)
        return self._api.call(account, version, request.method, path[len(_PREFIX) :], asked, parsed, file)

    def _account(self, header: str, caller: Caller) -> Account:
        scheme, _, token = header.partition(" ")
        account = self._api.accounts.login(token.strip(), caller) if scheme.lower() == "bearer" else None
        if account is None:
            raise ApiError("unauthorized", "API token is invalid.")
        return account

    def _file(self, id: str) -> Response:
        upload = self._api.store.get("upload", id)
        if upload is None or upload["status"] != "uploaded":
            return Response(b"not found\n", 404, media_type="text/plain")
        parts = sorted(upload["blobs"].items(), key=lambda entry: int(entry[0]))
        data = b"".join(self._api.store.rows.blobs.get(part["digest"]) for _, part in parts)
        kind = upload["content_type"] or "application/octet-stream"
        safe = kind if kind.isascii() and kind.isprintable() else "application/octet-stream"
        return Response(data, 200, media_type=safe, headers={"x-content-type-options": "nosniff"})


def parsed_json(body: bytes) -> Any:
    """A JSON body.

    Raises:
        ApiError: It is none, too large, too deep, or has text that cannot be kept.
    """
    if len(body) > BODY:
        raise ApiError("validation_error", f"body failed validation: a body may have {BODY} bytes.")
    try:
        text = body.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ApiError("invalid_json", "Error parsing JSON body.") from None
    if text.count("[") + text.count("{") > _DEPTH and _depth(found) > _DEPTH:
        raise ApiError("validation_error", f"body failed validation: it may be nested {_DEPTH} deep.")
    if "\\u" in text and (_PAIR.search(shown := json.dumps(found, ensure_ascii=False)) or "\\u0000" in shown):
        raise ApiError("validation_error", "body failed validation: text cannot have half pairs or the character 0.")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _finite(word: str) -> float:
    found = float(word)
    if not math.isfinite(found):
        raise ValueError(word)
    return found


def _depth(value: Any) -> int:
    levels, row = 0, [value]
    while row:
        levels += 1
        row = [
            item
            for one in row
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    return levels


def _queried(text: str) -> dict[str, list[str]]:
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise ApiError("validation_error", "query failed validation: it cannot be read.") from None
    return found


def _form(body: bytes, kind: str) -> tuple[dict[str, Any], tuple[str, str, bytes] | None]:
    """The fields and the file of a `multipart/form-data` body (RFC 7578)."""
    found = re.search(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', kind)
    if found is None:
        raise ApiError("validation_error", "body failed validation: the form has no boundary.")
    fields: dict[str, Any] = {}
    file = None
    border = b"--" + (found[1] or found[2]).encode("latin-1")
    for part in (b"\r\n" + body).split(b"\r\n" + border, _PARTS)[1:]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").splitlines()
        told = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        said = told.get("content-disposition", "")
        name = re.search(r'\bname="([^"]*)"', said)
        filename = re.search(r'\bfilename="([^"]*)"', said)
        if name is None:
            continue
        if name[1] == "file":
            file = (filename[1] if filename else "file", told.get("content-type", ""), content)
        else:
            fields[name[1]] = content.decode("utf-8", "replace")[:1000]
    return fields, file


def _json(found: dict[str, Any], status: int, request_id: str, headers: dict[str, str]) -> Response:
    data = json.dumps(found, separators=(",", ":")).encode("ascii")
    told = {"content-type": "application/json; charset=utf-8", "x-notion-request-id": request_id, **headers}
    return Response(data, status, headers=told)
