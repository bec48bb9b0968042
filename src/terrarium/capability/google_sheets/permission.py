"""Who may use a file: Drive's permissions, given, changed and taken away."""

from __future__ import annotations

from typing import Any

from terrarium.capability.google_sheets.account import ROLES, permission_id
from terrarium.capability.google_sheets.desk import Desk
from terrarium.capability.google_sheets.fault import Fault, forbidden
from terrarium.capability.google_sheets.mask import Mask
from terrarium.capability.google_sheets.shape import BOOL, STR, read
from terrarium.core.rows import Fields

PERMISSION = {
    **dict.fromkeys(("id", "role", "type", "emailAddress", "domain", "kind", "displayName", "value"), STR),
    "allowFileDiscovery": BOOL,
    "withLink": BOOL,
}
USUAL_PERMISSION: Mask = {"kind": {}, "id": {}, "type": {}, "role": {}}


def not_found(id: str) -> Fault:
    """What Drive says of a file that is not there, or not for this account."""
    return Fault(404, f"File not found: {id[:200]}.", "notFound")


def file_of(desk: Desk, id: str, need: str = "reader") -> Fields:
    """A file, with Drive's own words where there is none.

    Raises:
        Fault: It is not there, or not for this.
    """
    try:
        fields = desk.file(id, need)
    except Fault as fault:
        if fault.code == 404:
            raise not_found(id) from None
        said = "The user does not have sufficient permissions for this file."
        raise Fault(403, said, "insufficientFilePermissions") from None
    if need != "reader" and id == desk.office.accounts.folder and desk.account is not None and need == "owner":
        raise forbidden()
    return fields


def permissions_of(desk: Desk, id: str) -> list[dict[str, Any]]:
    """The Permission messages of a file."""
    return [_permission(desk, key, fields) for key, fields in sorted(desk.permissions(id).items())]


def _permission(desk: Desk, key: str, fields: Fields) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": "drive#permission", "id": key, "type": fields["type"], "role": fields["role"]}
    if fields["type"] == "anyone":
        return {**told, "allowFileDiscovery": False}
    account = desk.office.accounts.named(fields["address"])
    name = account.name if account else fields["address"]
    return {**told, "emailAddress": fields["address"], "displayName": name, "deleted": False}


def grant(desk: Desk, id: str, body: Any, transfer: bool = False) -> dict[str, Any]:
    """`permissions.create`; gives the Permission.

    Raises:
        Fault: It cannot be, or not by this account.
    """
    told = read(body, PERMISSION)
    role, kind = told.get("role", ""), told.get("type", "")
    if role not in ROLES or kind not in ("user", "group", "anyone"):
        raise Fault(
            400, "The permission needs a role (reader, commenter, writer, owner) and a type (user, group, anyone)"
        )
    if kind == "anyone":
        if role == "owner":
            raise Fault(400, "Anyone cannot be the owner.", "invalidSharingRequest")
        file_of(desk, id, "writer")
        _own(desk, id)
        desk.grant(id, {"type": "anyone", "role": role}, "anyoneWithLink")
        return _permission(desk, "anyoneWithLink", {"type": "anyone", "role": role})
    account = desk.office.accounts.named(told.get("emailAddress", told.get("value", "")))
    if account is None or "@" not in told.get("emailAddress", told.get("value", "")):
        raise Fault(
            400, "The specified emailAddress is invalid or not applicable for the given permission type.", "invalid"
        )
    return set_role(desk, id, account.address, role, transfer=transfer, kind=kind)


def set_role(
    desk: Desk, id: str, address: str, role: str, *, transfer: bool = False, kind: str = "user"
) -> dict[str, Any]:
    """Give somebody a role on a file, or another one.

    Raises:
        Fault: It cannot be, or not by this account.
    """
    fields = file_of(desk, id, "owner" if role == "owner" else "writer")
    _own(desk, id)
    key = permission_id(address)
    if role == "owner" and not transfer:
        raise Fault(403, "The transferOwnership parameter must be enabled when the role is 'owner'.", "forbidden")
    if role == "owner" and fields["owner"] != address:
        before = {"type": "user", "role": "writer", "address": fields["owner"]}
        desk.grant(id, before, permission_id(fields["owner"]))
        desk.draft.update("file", id, owner=address)
    elif fields["owner"] == address and role != "owner":
        raise Fault(403, "The owner of a file keeps it; make another one the owner.", "cannotModifyOwner")
    told = {"type": kind, "role": role, "address": address}
    desk.grant(id, told, key)
    account = desk.office.accounts.named(address)
    if account is not None and account.agent is not None:
        desk.news.append((account.agent, f"{desk.me.address} shared {fields['name'][:200]!r} with you ({role})."))
    return _permission(desk, key, told)


def _own(desk: Desk, id: str) -> None:
    if id == desk.office.accounts.folder:
        raise Fault(403, "The sharing of this folder is set by the world.", "forbidden")


def change_permission(desk: Desk, id: str, key: str, body: Any, transfer: bool) -> dict[str, Any]:
    """`permissions.update`.

    Raises:
        Fault: It is not there, or cannot be.
    """
    told = read(body, PERMISSION)
    file_of(desk, id, "writer")
    before = desk.permissions(id).get(key)
    if before is None:
        raise Fault(404, f"Permission not found: {key[:100]}.", "notFound")
    if told.get("role") not in ROLES:
        raise Fault(400, "The permission needs a role: reader, commenter, writer or owner.")
    if before["type"] == "anyone":
        return grant(desk, id, {"type": "anyone", "role": told["role"]})
    return set_role(desk, id, before["address"], told["role"], transfer=transfer, kind=before["type"])


def revoke(desk: Desk, id: str, key: str) -> None:
    """`permissions.delete`.

    Raises:
        Fault: It is not there, the owner's, or another's and this account may not.
    """
    mine = key == desk.me.permission and desk.account is not None
    file_of(desk, id, "reader" if mine else "writer")
    _own(desk, id)
    found = desk.permissions(id).get(key)
    if found is None:
        raise Fault(404, f"Permission not found: {key[:100]}.", "notFound")
    if found["role"] == "owner":
        raise Fault(403, "The owner of a file keeps it.", "cannotRemoveOwner")
    desk.draft.put("permission", f"{id}/{key}", None)
