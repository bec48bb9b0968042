"""The hosts of the chat as an ASGI application: the Web API, files, incoming webhooks."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from terrarium.capability.slack.api import chat, conversations, files, search, team
from terrarium.capability.slack.api.call import Call, clean, parsed
from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.messages import Draft
from terrarium.capability.slack.team import Member
from terrarium.capability.slack.view import FILES_HOST
from terrarium.core.aside import aside
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller

METHODS: dict[str, Callable[[Call], dict[str, Any]]] = {
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **search.METHODS,
    **team.METHODS,
}
FIELDS = 1000  # of one form
LARGEST = 1024 * 1024  # bytes of the body of a method
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,100})')
_PART_NAME = re.compile(r'(?i:content-disposition):[^\r\n]*?[; ]name="([^"\r\n]{0,200})"')
_FORM = "application/x-www-form-urlencoded"
_LONG = ("conversations.history", "reactions.list", "search.all", "search.files", "search.messages")
_OUR_HOSTS = ("api.slack.com", "slack.com", "www.slack.com")


class Api:
    """Serves one chat to clients of Slack.

    Args:
        chat: What they see and change.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        both = ["GET", "POST"]
        self.app = Starlette(
            routes=[
                Route("/api/{method}", self._method, methods=both),
                Route("/upload/v1/{secret}", self._upload, methods=["POST", "PUT"]),
                Route("/files-pri/{file}/{name}", self._file),
                Route("/files-pri/{file}/download/{name}", self._file),
                Route("/services/{team}/{app}/{secret}", self._webhook, methods=["POST"]),
            ]
        )

    # -- the Web API ----------------------------------------------------------------------------------------------

    async def _method(self, request: Request) -> Response:
        body, name = await request.body(), request.path_params["method"]
        if len(body) > LARGEST:
            return _json({"ok": False, "error": "request_too_large"}, 413)
        caller: Caller = request.scope["extensions"]["terrarium"]["caller"]
        async with self._chat.site.request(caller):
            work = partial(self._answer, name, request, body)
            return await aside(work) if name in _LONG else work()

    def _answer(self, name: str, request: Request, body: bytes) -> Response:
        try:
            arguments = _arguments(request, body)
            if name == "api.test":
                return _api_test(arguments)
            if name not in METHODS:
                return _json({"ok": False, "error": "unknown_method", "req_method": clean(name)[:100]})
            member = self._member(request, arguments)
            wait = self._limited(name)
            if wait is not None:
                return _json({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(wait)})
            call = Call(self._chat, member, arguments, _origin(request))
            return _json({"ok": True, **METHODS[name](call)})
        except (NotFound, Refused) as error:
            told: dict[str, Any] = {"ok": False, "error": error.code or "invalid_arguments"}
            if error.code is None or error.code == "invalid_arguments":
                told["response_metadata"] = {"messages": [f"[ERROR] {error}"]}
            return _json(told)

    def _member(self, request: Request, arguments: Mapping[str, Any]) -> Member:
        """Who calls.

        Raises:
            Refused: There is no token, or nobody has it.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        said = token.strip() if kind.lower() == "bearer" else arguments.get("token")
        if not isinstance(said, str) or not said:
            raise Refused("send a token", code="not_authed")
        member = self._chat.team.by_token(said)
        caller: Caller = request.scope["extensions"]["terrarium"]["caller"]
        # Tokens follow from the seed, which can be guessed: from the sandbox of an agent, only its own is good.
        if member is None or caller.agent not in (None, member.agent):
            raise Refused("nobody has this token", code="invalid_auth")
        return member

    def _limited(self, method: str) -> int | None:
        """How many seconds a client is to wait, where the task wants it to."""
        store = self._chat.store
        for key in (method, "*"):
            found = store.get("ratelimit", key)
            if found is not None:
                after = {**found, "times": found["times"] - 1} if found["times"] > 1 else None
                store.change(self._chat.site.actor(), "ratelimit", key, found, after, trace=True)
                return int(found["seconds"])
        return None

    # -- files ----------------------------------------------------------------------------------------------------

    async def _upload(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            try:
                parts = _parts(request.headers["content-type"], body)
            except Refused as error:
                return Response(str(error), 400)
            body = next((data for name, data in parts if name in ("file", "filename")), b"")
        caller: Caller = request.scope["extensions"]["terrarium"]["caller"]
        async with self._chat.site.request(caller):
            try:
                self._chat.files.receive(request.path_params["secret"], body)
            except NotFound as error:
                return Response(str(error), 404)
            except Refused as error:
                return Response(str(error), 400)
        return Response(f"OK - {len(body)}")

    async def _file(self, request: Request) -> Response:
        caller: Caller = request.scope["extensions"]["terrarium"]["caller"]
        async with self._chat.site.request(caller):
            try:
                member = self._member(request, {})
                id = request.path_params["file"].rpartition("-")[2]
                fields = self._chat.files.get(id, member)
                data = self._chat.files.content(id, member)
            except NotFound as error:
                return Response(str(error), 404)
            except Refused as error:
                return Response(str(error), 403)
        return Response(data, media_type=fields["mimetype"])

    # -- incoming webhooks ----------------------------------------------------------------------------------------

    async def _webhook(self, request: Request) -> Response:
        body, secret = await request.body(), request.path_params["secret"]
        if len(body) > LARGEST:
            return Response("invalid_payload", 413)
        caller: Caller = request.scope["extensions"]["terrarium"]["caller"]
        async with self._chat.site.request(caller):
            rows = self._chat.store.table("webhook")
            found = next(
                (
                    row.fields
                    for row in rows
                    if hmac.compare_digest(row.key.encode(), secret.encode("utf-8", "replace"))
                ),
                None,
            )
            if found is None:
                return Response("no_service", 404)
            member = self._chat.team.members[found["user"]]
            try:
                arguments = _arguments(request, body)
                payload = arguments.get("payload", arguments)
                payload = parsed(payload) if isinstance(payload, str) else payload
                if not isinstance(payload, dict):
                    return Response("invalid_payload", 400)
                call = Call(self._chat, member, payload, _origin(request))
                draft: Draft = call.draft()
                thread = call.ts("thread_ts") if call.has("thread_ts") else None
                self._chat.post(found["channel"], member, draft, thread)
            except (NotFound, Refused) as error:
                gone = error.code == "is_archived"
                return Response(
                    "channel_is_archived" if gone else error.code or "invalid_payload", 410 if gone else 400
                )
            except ValueError:
                return Response("invalid_payload", 400)
        return Response("ok")


def _arguments(request: Request, body: bytes) -> dict[str, Any]:
    """The arguments of a request: those of its query, its form or its JSON.

    Raises:
        Refused: They cannot be read.
    """
    try:
        found: dict[str, Any] = dict(parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=FIELDS))
        kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        if kind == "application/json":
            told = parsed(body) if body.strip() else {}
            if not isinstance(told, dict):
                raise Refused("the body must be an object", code="json_not_object")
            return found | told
        if kind == "multipart/form-data":
            parts = _parts(request.headers["content-type"], body)
            return found | {name: data.decode("utf-8", "replace") for name, data in parts}
        if kind != _FORM and body:
            raise Refused("send a form or JSON", code="invalid_post_type")
        text = body.decode("utf-8", "replace")
        return found | dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS, errors="replace"))
    except Refused:
        raise
    except ValueError:
        told_json = request.headers.get("content-type", "").startswith("application/json")
        raise Refused("the body cannot be read", code="invalid_json" if told_json else "invalid_form_data") from None


def _parts(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    """The fields of a multipart form (RFC 7578).

    Raises:
        Refused: It names no boundary, or has too many fields.
    """
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise Refused("the form names no boundary", code="invalid_form_data")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1", "replace"), FIELDS + 2)
    if len(pieces) > FIELDS + 2:
        raise Refused(f"a form has at most {FIELDS} fields", code="invalid_form_data")
    found: list[tuple[str, bytes]] = []
    for piece in pieces[1:]:
        head, _, data = piece.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head[:4096].decode("utf-8", "replace"))
        if name is not None:
            found.append((name[1], data))
    return found


def _api_test(arguments: Mapping[str, Any]) -> Response:
    shown = {key: value for key, value in arguments.items() if key != "token"}
    error = arguments.get("error")
    told = {"ok": False, "error": error} if error else {"ok": True}
    return _json(told | ({"args": shown} if shown else {}))


def _origin(request: Request) -> str:
    """Where this client fetches and sends files: Slack's own host, or that which it uses instead."""
    host = request.headers.get("host", "slack.com")
    return f"{request.scope['scheme']}://{FILES_HOST if host.lower() in _OUR_HOSTS else host}"


def _json(told: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(told), status, headers, media_type="application/json")
