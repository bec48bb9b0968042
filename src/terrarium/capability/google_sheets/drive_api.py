"""The paths of the Drive API (v3) that clients of spreadsheets use, each with what it does."""

from __future__ import annotations

from typing import Any

from terrarium.capability.google_sheets import drive, permission
from terrarium.capability.google_sheets.desk import Desk
from terrarium.capability.google_sheets.fault import Fault
from terrarium.capability.google_sheets.mask import pick
from terrarium.capability.google_sheets.request import Request
from terrarium.capability.google_sheets.shape import load


def answer(desk: Desk, request: Request) -> Any:
    """What a request to `/drive/v3` gives: a message, (bytes, type) for a file, or None for nothing.

    Raises:
        Fault: It cannot be done.
    """
    parts, method = request.parts[2:], request.method
    if parts == ["about"] and method == "GET":
        return pick(drive.about(desk), drive.mask_of(request.one("fields"), {}))
    if not parts or parts[0] != "files" or len(parts) > 4:
        raise Fault(404, "Not Found", "notFound")
    if len(parts) == 1:
        return _files(desk, request)
    id = parts[1]
    if len(parts) == 2:
        return _file(desk, request, id)
    if parts[2] == "permissions":
        return _permissions(desk, request, id, parts[3:])
    if parts[2:] == ["copy"] and method == "POST":
        copy = drive.copy(desk, id, load(request.body))
        return _shown(desk, request, copy)
    if parts[2:] == ["comments"] and method == "GET":
        permission.file_of(desk, id)
        return {"kind": "drive#commentList", "comments": []}  # nobody can comment here
    if parts[2:] == ["export"] and method == "GET":
        return drive.export(desk, id, request.one("mimeType") or "")
    raise Fault(404, "Not Found", "notFound")


def _shown(desk: Desk, request: Request, id: str) -> Any:
    fields = permission.file_of(desk, id)
    return pick(drive.resource(desk, id, fields), drive.mask_of(request.one("fields"), drive.USUAL))


def _files(desk: Desk, request: Request) -> Any:
    if request.method == "POST":
        return _shown(desk, request, drive.make(desk, load(request.body)))
    if request.method != "GET":
        raise Fault(404, "Not Found", "notFound")
    size = request.one("pageSize") or "100"
    if not size.isascii() or not size.isdigit() or len(size) > 5:
        raise Fault(400, "Invalid value for pageSize: between 1 and 1000", "invalidParameter")
    found = drive.list_files(
        desk, request.one("q") or "", request.one("orderBy") or "", int(size), request.one("pageToken")
    )
    fields = request.one("fields")
    if fields is None:
        return {**found, "files": pick(found["files"], drive.USUAL)}
    return pick(found, drive.mask_of(fields, {}))


def _file(desk: Desk, request: Request, id: str) -> Any:
    if request.method == "GET":
        if request.one("alt") == "media":
            said = "Only files with binary content can be downloaded. Use Export with Docs Editors files."
            permission.file_of(desk, id)
            raise Fault(403, said, "fileNotDownloadable")
        return _shown(desk, request, id)
    if request.method == "DELETE":
        drive.delete(desk, id)
        return None
    if request.method == "PATCH":
        add, remove = request.one("addParents") or "", request.one("removeParents") or ""
        drive.update(desk, id, load(request.body), add, remove)
        return _shown(desk, request, id)
    raise Fault(404, "Not Found", "notFound")


def _permissions(desk: Desk, request: Request, id: str, rest: list[str]) -> Any:
    fields = request.one("fields")
    method = request.method
    if not rest:
        if method == "POST":
            made = permission.grant(desk, id, load(request.body), request.flag("transferOwnership"))
            return pick(made, drive.mask_of(fields, permission.USUAL_PERMISSION))
        if method == "GET":
            permission.file_of(desk, id, "writer")
            found = permission.permissions_of(desk, id)
            if fields is None:
                found = pick(found, permission.USUAL_PERMISSION)
                return {"kind": "drive#permissionList", "permissions": found}
            return pick({"kind": "drive#permissionList", "permissions": found}, drive.mask_of(fields, {}))
    elif len(rest) == 1:
        if method == "DELETE":
            permission.revoke(desk, id, rest[0])
            return None
        if method == "PATCH":
            made = permission.change_permission(
                desk, id, rest[0], load(request.body), request.flag("transferOwnership")
            )
            return pick(made, drive.mask_of(fields, permission.USUAL_PERMISSION))
        if method == "GET":
            permission.file_of(desk, id, "writer")
            for one in permission.permissions_of(desk, id):
                if one["id"] == rest[0]:
                    return pick(one, drive.mask_of(fields, permission.USUAL_PERMISSION))
            raise Fault(404, f"Permission not found: {rest[0][:100]}.", "notFound")
    raise Fault(404, "Not Found", "notFound")
