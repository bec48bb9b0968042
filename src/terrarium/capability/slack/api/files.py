"""Methods `files.*` of the Web API."""

from __future__ import annotations

from typing import Any

from terrarium.capability.slack.api.call import Call
from terrarium.core.errors import Refused

LARGEST = 2**40


def get_upload_url(call: Call) -> dict[str, Any]:
    """`files.getUploadURLExternal`."""
    length = call.whole("length", 0, 0, LARGEST)
    id, secret = call.chat.files.begin(call.member, call.text("filename"), length)
    return {"upload_url": f"{call.origin}/upload/v1/{secret}", "file_id": id}


def complete_upload(call: Call) -> dict[str, Any]:
    """`files.completeUploadExternal`."""
    told = call.structure("files", list, "invalid_arguments") or []
    files: list[tuple[str, str | None]] = []
    for one in told:
        id, title = (one.get("id"), one.get("title")) if isinstance(one, dict) else (None, None)
        if not isinstance(id, str) or not isinstance(title, (str, type(None))) or len(title or "") > 255:
            raise Refused("each file needs an id, and may have a title", code="invalid_arguments")
        files.append((id, title))
    rooms = [call.text("channel_id")] if call.has("channel_id") else call.names("channels")
    if len(rooms) > 1:
        raise Refused("share a file in one conversation", code="invalid_arguments")
    for room in rooms:
        call.chat.channels.get(room, call.member)
    thread = call.ts("thread_ts") if call.has("thread_ts") else None
    call.chat.share(call.member, files, rooms[0] if rooms else None, call.text("initial_comment", ""), thread)
    return {"files": [call.view.file(id, call.chat.files.get(id)) for id, _ in files]}


def info(call: Call) -> dict[str, Any]:
    """`files.info`."""
    id = call.text("file")
    shown = call.view.file(id, call.chat.files.get(id, call.member))
    return {"file": shown, "comments": [], "response_metadata": {"next_cursor": ""}}


def list_all(call: Call) -> dict[str, Any]:
    """`files.list`."""
    found = list(call.chat.files.all(call.member))
    if call.has("user"):
        user = call.user()
        found = [one for one in found if one[1]["user"] == user.id]
    if call.has("channel"):
        channel, _ = call.channel()
        found = [one for one in found if any(share["channel"] == channel for share in one[1]["shares"])]
    if call.has("ts_from"):
        found = [one for one in found if one[1]["created"].timestamp() >= float(call.ts("ts_from"))]
    if call.has("ts_to"):
        found = [one for one in found if one[1]["created"].timestamp() <= float(call.ts("ts_to"))]
    count, page = call.whole("count", 100, 1, 1000), call.whole("page", 1, 1, 1000)
    shown = [call.view.file(*one) for one in found[(page - 1) * count : page * count]]
    paging = {"count": count, "total": len(found), "page": page, "pages": -(-len(found) // count)}
    return {"files": shown, "paging": paging}


def delete(call: Call) -> dict[str, Any]:
    """`files.delete`."""
    call.chat.files.delete(call.text("file"), call.member)
    return {}


def files_upload(call: Call) -> dict[str, Any]:
    """`files.upload`, which Slack has withdrawn."""
    raise Refused("use files.getUploadURLExternal and files.completeUploadExternal", code="method_deprecated")


METHODS = {
    "files.completeUploadExternal": complete_upload,
    "files.delete": delete,
    "files.getUploadURLExternal": get_upload_url,
    "files.info": info,
    "files.list": list_all,
    "files.upload": files_upload,
}
