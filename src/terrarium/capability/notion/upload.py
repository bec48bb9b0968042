"""Requests about file uploads: announced, sent in one or many parts, completed."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.ask import Ask
from terrarium.capability.notion.store import Fields

PART = 20 * 1024 * 1024  # bytes
PARTS = 20


def create(ask: Ask) -> dict[str, Any]:
    """`POST /file_uploads`."""
    mode = ask.body.get("mode", "single_part")
    if mode == "external_url":
        raise ApiError("validation_error", "There is no way to an external URL from here: send the file.")
    if mode not in ("single_part", "multi_part"):
        raise invalid("body.mode", "`single_part` or `multi_part`", mode)
    name, kind = ask.body.get("filename"), ask.body.get("content_type")
    parts = ask.body.get("number_of_parts", 1 if mode == "single_part" else None)
    if mode == "multi_part" and name is None:
        raise invalid("body.filename", "defined")
    id = ask.store.new_id()
    fields: dict[str, Any] = {
        "status": "pending",
        "filename": None if name is None else check.text(name, "body.filename", 900),
        "content_type": None if kind is None else check.text(kind, "body.content_type", 200),
        "parts": check.whole(parts, "body.number_of_parts", 1, PARTS),
        "mode": mode,
        "length": None,
        "blobs": {},
        **ask.store.stamp(ask.account.bot),
    }
    ask.store.put("upload", id, fields)
    return ask.render.upload(id, fields)


def send(ask: Ask) -> dict[str, Any]:
    """`POST /file_uploads/{id}/send`: a part, as `multipart/form-data`."""
    id, fields = _own(ask)
    if fields["status"] != "pending":
        raise ApiError("validation_error", f"The file upload has the status {fields['status']}.")
    if ask.file is None:
        raise ApiError("validation_error", "body failed validation: body.file should be defined: multipart/form-data.")
    name, kind, data = ask.file
    if not data or len(data) > PART:
        raise ApiError("validation_error", f"A part has 1 to {PART} bytes, not {len(data)}.")
    number = ask.body.get("part_number")
    if fields["mode"] == "multi_part":
        if not isinstance(number, str) or not number.isascii() or not number.isdecimal() or len(number) > 4:
            raise invalid("body.part_number", "a whole number", number)
        check.whole(int(number), "body.part_number", 1, fields["parts"])
    else:
        number = "1"
    blobs = dict(fields["blobs"])
    known = blobs.get(number, {"length": 0})
    blobs[number] = {"digest": ask.store.rows.blobs.put(data), "length": len(data)}
    changes: dict[str, Any] = {
        "blobs": blobs,
        "length": sum(part["length"] for part in blobs.values()),
        "filename": fields["filename"] or name[:900],
        "content_type": fields["content_type"] or kind[:200],
        "edited": ask.store.now,
    }
    if fields["mode"] == "single_part":
        changes["status"] = "uploaded"
    ask.store.set("upload", id, **changes)
    ask.store.size += len(data) - known["length"]
    return ask.render.upload(id, ask.store.get("upload", id) or {})


def complete(ask: Ask) -> dict[str, Any]:
    """`POST /file_uploads/{id}/complete`, once all parts are there."""
    id, fields = _own(ask)
    if fields["mode"] != "multi_part" or fields["status"] != "pending" or len(fields["blobs"]) < fields["parts"]:
        raise ApiError("validation_error", f"{len(fields['blobs'])} of {fields['parts']} parts were sent.")
    ask.store.set("upload", id, status="uploaded", edited=ask.store.now)
    return ask.render.upload(id, ask.store.get("upload", id) or {})


def retrieve(ask: Ask) -> dict[str, Any]:
    """`GET /file_uploads/{id}`."""
    return ask.render.upload(*_own(ask))


def listing(ask: Ask) -> dict[str, Any]:
    """`GET /file_uploads`: one's own, the newest first."""
    wanted = ask.query.get("status", [None])[0]
    rows = [row for row in ask.store.rows.table("upload") if row.fields["created_by"] == ask.account.bot]
    rows = [row for row in rows if wanted is None or row.fields["status"] == wanted]
    rows.sort(key=lambda row: row.fields["created"], reverse=True)
    found = {row.key: row.fields for row in rows}
    shown, following = ask.cut(list(found))
    return ask.listed("file_upload", [ask.render.upload(id, found[id]) for id in shown], following)


def _own(ask: Ask) -> tuple[str, Fields]:
    id = check.uuid_of(ask.ids[0])
    fields = ask.store.get("upload", id)
    if fields is None or fields["created_by"] != ask.account.bot:
        raise ApiError("object_not_found", f"Could not find file_upload with ID: {id}.")
    return id, fields
