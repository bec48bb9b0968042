"""Files and who may use them, as the part of Drive v3 that clients of spreadsheets need."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from terrarium.capability.google_sheets.account import ROLES, permission_id
from terrarium.capability.google_sheets.book import Book
from terrarium.capability.google_sheets.desk import FOLDER, SHEET, Desk
from terrarium.capability.google_sheets.fault import Fault, bad, forbidden
from terrarium.capability.google_sheets.mask import Mask, parse
from terrarium.capability.google_sheets.permission import file_of, permissions_of
from terrarium.capability.google_sheets.query import parse as parse_query
from terrarium.capability.google_sheets.shape import ANY, BOOL, STR, read
from terrarium.capability.google_sheets.spreadsheet import URL, copy_book, create
from terrarium.capability.google_sheets.values import Values
from terrarium.core.rows import Fields

FILE = {
    **dict.fromkeys(("id", "name", "mimeType", "description", "kind", "createdTime", "modifiedTime"), STR),
    **{"parents": [STR], "trashed": BOOL, "starred": BOOL, "properties": ANY, "appProperties": ANY},
}
USUAL: Mask = {"kind": {}, "id": {}, "name": {}, "mimeType": {}}


def resource(desk: Desk, id: str, fields: Fields) -> dict[str, Any]:
    """The File message."""
    role = desk.role(id)
    rank = ROLES.index(role) if role else -1
    mine = fields["owner"] == desk.me.address
    permissions = permissions_of(desk, id)
    told: dict[str, Any] = {
        "kind": "drive#file",
        "id": id,
        "name": fields["name"],
        "mimeType": fields["mime"],
        "parents": list(fields["parents"]),
        "trashed": fields["trashed"],
        "explicitlyTrashed": fields["trashed"],
        "starred": False,
        "spaces": ["drive"],
        "createdTime": _time(fields["created"]),
        "modifiedTime": _time(fields["modified"]),
        "owners": [_user(desk, fields["owner"])],
        "lastModifyingUser": _user(desk, fields["by"]),
        "ownedByMe": mine,
        "shared": len(permissions) > 1,
        "version": "1",
        "capabilities": {
            "canEdit": rank >= 2,
            "canComment": rank >= 1,
            "canShare": rank >= 2,
            "canDelete": rank >= 3,
            "canTrash": rank >= 3,
            "canCopy": True,
            "canRename": rank >= 2,
            "canDownload": True,
        },
        "webViewLink": URL.format(id) if fields["mime"] == SHEET else f"https://drive.google.com/drive/folders/{id}",
    }
    if not mine:
        told["sharedWithMeTime"] = told["createdTime"]
    if fields.get("description"):
        told["description"] = fields["description"]
    if rank >= 2:
        told["permissions"] = permissions
        told["permissionIds"] = [one["id"] for one in permissions]
    return told


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _user(desk: Desk, address: str) -> dict[str, Any]:
    account = desk.office.accounts.named(address)
    return {
        "kind": "drive#user",
        "displayName": account.name if account else address,
        "emailAddress": address,
        "permissionId": permission_id(address),
        "me": address == desk.me.address,
    }


def list_files(desk: Desk, q: str, order: str, size: int, token: str | None) -> dict[str, Any]:
    """`files.list`.

    Raises:
        Fault: The query, the order or the page is none.
    """
    test = parse_query(q)
    if not 1 <= size <= 1000:
        raise Fault(400, "Invalid value for pageSize: between 1 and 1000", "invalidParameter")
    start = 0
    if token:
        if not token.isascii() or not token.isdigit() or len(token) > 6:
            raise Fault(400, "Invalid Value", "invalid")
        start = int(token)
    found = []
    for id, fields in desk.files():
        told = {"permissions": [], **resource(desk, id, fields)}
        told["sharedWithMe"] = not told["ownedByMe"]
        if test(told):
            found.append(told)
    found.sort(key=lambda file: file["id"])
    found.sort(key=lambda file: file["modifiedTime"], reverse=True)
    for part in reversed([part.split() for part in order.split(",") if part.strip()][:10]):
        key = {"name_natural": "name", "recency": "modifiedTime", "viewedByMeTime": "modifiedTime"}.get(
            part[0], part[0]
        )
        if key == "folder":
            found.sort(key=lambda file: file["mimeType"] != FOLDER, reverse="desc" in part[1:])
        elif key in ("name", "modifiedTime", "createdTime"):
            found.sort(key=lambda file, key=key: file[key].casefold(), reverse="desc" in part[1:])  # type: ignore[misc]
        else:
            raise Fault(400, f"Sorting by {part[0][:60]!r} is not possible", "invalid")
    told = {"kind": "drive#fileList", "incompleteSearch": False, "files": found[start : start + size]}
    if start + size < len(found):
        told["nextPageToken"] = str(start + size)
    for file in told["files"]:
        del file["sharedWithMe"]
    return told


def make(desk: Desk, body: Any) -> str:
    """`files.create`: a spreadsheet or a folder; gives its id.

    Raises:
        Fault: It cannot be.
    """
    told = read(body, FILE)
    mime, name = told.get("mimeType", SHEET), told.get("name", "Untitled")
    parents = told.get("parents")
    for parent in parents or []:
        if parent != "root":
            file_of(desk, parent, "writer")
    parents = None if parents is None else [parent for parent in parents if parent != "root"][:1]
    if mime == FOLDER:
        return desk.add(name, FOLDER, parents)
    if mime != SHEET:
        raise Fault(400, f"Only spreadsheets and folders can be made here, not {mime[:100]!r}", "badRequest")
    return create(desk, {"properties": {"title": name}}, parents)


def copy(desk: Desk, id: str, body: Any) -> str:
    """`files.copy`.

    Raises:
        Fault: It cannot be seen, or is a folder.
    """
    told = read(body, FILE)
    fields = file_of(desk, id)
    if fields["mime"] != SHEET:
        raise Fault(403, "This file cannot be copied by the user.", "cannotCopyFile")
    parents = told.get("parents")
    for parent in parents or []:
        file_of(desk, parent, "writer")
    return copy_book(desk, id, told.get("name") or f"Copy of {fields['name']}", parents)


def update(desk: Desk, id: str, body: Any, add: str, remove: str) -> None:
    """`files.update`: rename, describe, put into the bin, move.

    Raises:
        Fault: It cannot be, or not by this account.
    """
    told = read(body, FILE)
    trashing = "trashed" in told
    fields = dict(file_of(desk, id, "owner" if trashing else "writer"))
    if id == desk.office.accounts.folder:
        raise forbidden()
    if "name" in told:
        desk.check_name(told["name"])
        fields["name"] = told["name"]
    if "description" in told:
        if len(told["description"]) > 10_000:
            raise bad("The description is too long.")
        fields["description"] = told["description"]
    if trashing:
        fields["trashed"] = told["trashed"]
    gone = {part.strip() for part in remove.split(",") if part.strip()}
    parents = [parent for parent in fields["parents"] if parent not in gone]
    for parent in (part.strip() for part in add.split(",")):
        if parent and parent not in parents and parent != "root":
            if file_of(desk, parent, "writer")["mime"] != FOLDER:
                raise Fault(403, "A file can only be put into a folder.", "parentNotAFolder")
            _no_circle(desk, id, parent)
            parents.append(parent)
    if len(parents) > 1:
        raise Fault(403, "A file has at most one parent. Use removeParents too.", "multipleParentsNotSupported")
    fields["parents"] = parents
    if fields != desk.fetch(id):
        desk.draft.put("file", id, {**fields, "modified": desk.now, "by": desk.me.address})


def _no_circle(desk: Desk, id: str, parent: str) -> None:
    pending, steps = [parent], 0
    while pending:
        one = pending.pop()
        steps += 1
        if one == id or steps > 18:
            raise Fault(403, "A folder cannot be put into itself, nor deeper than 18 folders.", "invalidParents")
        pending.extend((desk.fetch(one) or {"parents": []})["parents"])


def delete(desk: Desk, id: str) -> None:
    """`files.delete`: for good.

    Raises:
        Fault: It is not there, or not this account's own.
    """
    file_of(desk, id, "owner")
    if id == desk.office.accounts.folder:
        raise forbidden()
    desk.discard(id)


def export(desk: Desk, id: str, mime: str) -> tuple[bytes, str]:
    """`files.export`: the first sheet as text; gives it and its type.

    Raises:
        Fault: It is no spreadsheet, or in no such form.
    """
    fields = file_of(desk, id)
    marks = {"text/csv": ",", "text/tab-separated-values": "\t"}
    if fields["mime"] != SHEET or mime not in marks:
        raise Fault(400, "The requested conversion is not supported; text/csv is.", "badRequest")
    book = Book(desk, id)
    sheet = book.sheets()[0]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=marks[mime], lineterminator="\r\n").writerows(
        _squared(Values(book).table(sheet, sheet.all))
    )
    return out.getvalue().encode("utf-8").removesuffix(b"\r\n"), mime


def _squared(table: list[list[Any]]) -> list[list[Any]]:
    width = max(map(len, table), default=0)
    if width * len(table) > 2_000_000:
        raise Fault(403, "This file is too large to be exported.", "exportSizeLimitExceeded")
    return [line + [""] * (width - len(line)) for line in table]


def mask_of(text: str | None, usual: Mask) -> Mask:
    """What of an answer is wanted.

    Raises:
        Fault: The mask is none.
    """
    return usual if text is None else parse(text)


def about(desk: Desk) -> Mapping[str, Any]:
    """`about.get`."""
    return {"kind": "drive#about", "user": _user(desk, desk.me.address)}


def dumps(told: Any) -> bytes:
    """An answer as it is sent."""
    return json.dumps(told, separators=(",", ":")).encode("ascii")
