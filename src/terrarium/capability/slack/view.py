"""The objects of the Web API: conversations, messages, users and files as clients of Slack read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from terrarium.capability.slack.channels import IM, MPIM, PRIVATE, PUBLIC, Channels, sees
from terrarium.capability.slack.files import Files
from terrarium.capability.slack.messages import Messages
from terrarium.capability.slack.team import Member
from terrarium.core.errors import NotFound
from terrarium.core.rows import Fields

FILES_HOST = "files.slack.com"


class View:
    """What one member is shown.

    Args:
        channels: The conversations.
        messages: The messages.
        files: The files.
        viewer: Who looks.
        origin: Where files are fetched, `https://files.slack.com`.
    """

    def __init__(
        self,
        channels: Channels,
        messages: Messages,
        files: Files,
        viewer: Member,
        origin: str = f"https://{FILES_HOST}",
    ) -> None:
        self._channels = channels
        self._messages = messages
        self._files = files
        self._viewer = viewer
        self._origin = origin
        self._team = channels.team

    @property
    def url(self) -> str:
        """Where the team is on the web."""
        return f"https://{self._team.domain}.slack.com/"

    def user(self, member: Member) -> dict[str, Any]:
        """A `user` object."""
        clock = self._channels.site.clock
        now = clock.now.astimezone(clock.zone)
        offset = now.utcoffset()
        profile = {
            "real_name": member.real_name,
            "real_name_normalized": member.real_name,
            "display_name": member.name,
            "display_name_normalized": member.name,
            "email": member.address,
            "title": "",
            "phone": "",
            "status_text": "",
            "status_emoji": "",
            "team": self._team.id,
        }
        return {
            "id": member.id,
            "team_id": self._team.id,
            "name": member.name,
            "deleted": False,
            "real_name": member.real_name,
            "tz": str(clock.zone),
            "tz_label": now.tzname() or "UTC",
            "tz_offset": int(offset.total_seconds()) if offset else 0,
            "profile": profile,
            "is_admin": False,
            "is_owner": False,
            "is_bot": False,
            "is_app_user": False,
            "updated": clock.start // 1_000_000,
        }

    def channel(self, id: str, fields: Fields) -> dict[str, Any]:
        """A `conversation` object."""
        kind, members = fields["kind"], fields["members"]
        found: dict[str, Any] = {
            "id": id,
            "created": _seconds(fields["created"]),
            "creator": fields["creator"],
            "is_channel": kind == PUBLIC,
            "is_group": kind == PRIVATE,
            "is_im": kind == IM,
            "is_mpim": kind == MPIM,
            "is_private": kind != PUBLIC,
            "is_archived": fields["archived"],
            "is_general": fields["name"] == "general",
            "is_shared": False,
            "is_org_shared": False,
            "is_ext_shared": False,
            "unlinked": 0,
            "context_team_id": self._team.id,
        }
        if kind == IM:
            other = [one for one in members if one != self._viewer.id] or members
            return found | {"user": other[0], "is_user_deleted": False, "priority": 0}
        name = fields["name"] or "mpdm-" + "--".join(self._team.shown(one) for one in members) + "-1"
        told = {what: fields[what] | {"last_set": _seconds(fields[what]["last_set"])} for what in ("topic", "purpose")}
        return found | {
            "name": name,
            "name_normalized": name,
            "is_member": self._viewer.id in members,
            "num_members": len(members),
            "previous_names": [],
            **told,
        }

    def message(self, channel: str, ts: str, fields: Fields, metadata: bool = False) -> dict[str, Any]:
        """A `message` object."""
        found: dict[str, Any] = {
            "type": "message",
            "user": fields["user"],
            "text": fields["text"],
            "ts": ts,
            "team": self._team.id,
        }
        if fields["deleted"]:
            found |= {"subtype": "tombstone", "hidden": True, "user": "USLACKBOT"}
        if fields["broadcast"]:
            found["subtype"] = "thread_broadcast"
        found |= {name: list(fields[name]) for name in ("blocks", "attachments") if fields[name]}
        if fields["edited"] is not None:
            found["edited"] = dict(fields["edited"])
        if fields["reactions"]:
            found["reactions"] = [{**one, "count": len(one["users"])} for one in fields["reactions"]]
        if fields["pinned"] is not None:
            found["pinned_to"] = [channel]
        if fields["files"]:
            found |= {"files": [self.shared(id) for id in fields["files"]], "upload": True}
        if metadata and fields["metadata"] is not None:
            found["metadata"] = dict(fields["metadata"])
        if fields["thread"] is not None:
            return found | {"thread_ts": fields["thread"], "parent_user_id": self._author(channel, fields["thread"])}
        replies = self._messages.replies(channel, ts)
        if replies:
            users = list(dict.fromkeys(reply["user"] for _, reply in replies))
            found |= {
                "thread_ts": ts,
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": replies[-1][0],
                "reply_users": users[:5],
                "is_locked": False,
                "subscribed": self._viewer.id in users,
            }
        return found

    def shared(self, id: str) -> dict[str, Any]:
        """A file that a message names; of a deleted one there is no more than that."""
        try:
            return self.file(id, self._files.get(id))
        except NotFound:
            return {"id": id, "mode": "tombstone"}

    def file(self, id: str, fields: Fields) -> dict[str, Any]:
        """A `file` object."""
        name, kinds = fields["name"], {PUBLIC: "channels", PRIVATE: "groups"}
        places: dict[str, list[str]] = {"channels": [], "groups": [], "ims": []}
        shares: dict[str, dict[str, Any]] = {}
        for share in fields["shares"]:
            room = self._channels.store.get("channel", share["channel"])
            if room is None or not sees(room, self._viewer):
                continue
            places[kinds.get(room["kind"], "ims")].append(share["channel"])
            where = shares.setdefault("public" if room["kind"] == PUBLIC else "private", {})
            where.setdefault(share["channel"], []).append({"ts": share["ts"], "team_id": self._team.id})
        path = f"{self._origin}/files-pri/{self._team.id}-{id}"
        return {
            "id": id,
            "created": _seconds(fields["created"]),
            "timestamp": _seconds(fields["created"]),
            "name": name,
            "title": fields["title"],
            "mimetype": fields["mimetype"],
            "filetype": name.rpartition(".")[2].lower() if "." in name else "text",
            "pretty_type": name.rpartition(".")[2].upper() if "." in name else "Plain Text",
            "user": fields["user"],
            "user_team": self._team.id,
            "size": fields["size"],
            "mode": "hosted",
            "editable": False,
            "is_external": False,
            "is_public": bool(places["channels"]),
            "public_url_shared": False,
            "url_private": f"{path}/{quoted(name)}",
            "url_private_download": f"{path}/download/{quoted(name)}",
            "permalink": f"{self.url}files/{fields['user']}/{id}/{quoted(name)}",
            "comments_count": 0,
            "shares": shares,
            **places,
        }

    def permalink(self, channel: str, ts: str, fields: Mapping[str, Any]) -> str:
        """The address of a message on the web."""
        link = f"{self.url}archives/{channel}/p{ts.replace('.', '')}"
        return link if fields["thread"] is None else f"{link}?thread_ts={fields['thread']}&cid={channel}"

    def _author(self, channel: str, ts: str) -> str:
        return str(self._messages.get(channel, ts)["user"])


def quoted(part: str) -> str:
    """A name as part of an address."""
    from urllib.parse import quote

    return quote(part, safe="")


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0
