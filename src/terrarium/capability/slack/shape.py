"""What task programs and tools get: conversations, messages and files in plain words instead of ids."""

from __future__ import annotations

from terrarium.capability.slack.channels import IM, MPIM
from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.messages import micros_of
from terrarium.capability.slack.team import Member
from terrarium.core.errors import NotFound
from terrarium.core.rows import Fields
from terrarium.core.values import Value, from_micros


def message_shape(chat: Chat, channel: str, ts: str, fields: Fields) -> dict[str, Value]:
    """A message."""
    found: dict[str, Value] = {
        "ts": ts,
        "channel": chat.channels.title(channel),
        "user": chat.team.shown(fields["user"]),
        "text": chat.read(fields["text"]),
        "time": from_micros(micros_of(ts)),
        "thread": fields["thread"],
        "replies": len(chat.messages.replies(channel, ts)) if fields["thread"] is None else 0,
        "reactions": {one["name"]: [chat.team.shown(user) for user in one["users"]] for one in fields["reactions"]},
        "files": [_named(chat, id) for id in fields["files"]],
        "edited": fields["edited"] is not None,
        "pinned": fields["pinned"] is not None,
    }
    return found | {name: list(fields[name]) for name in ("blocks", "attachments") if fields[name]}


def channel_shape(chat: Chat, id: str, fields: Fields, viewer: Member | None = None) -> dict[str, Value]:
    """A conversation; direct messages are called after the others in them."""
    name = chat.channels.title(id)
    if viewer is not None and fields["kind"] in (IM, MPIM):
        others = [one for one in fields["members"] if one != viewer.id] or fields["members"]
        name = ",".join(f"@{chat.team.shown(one)}" for one in others)
    return {
        "id": id,
        "name": name,
        "kind": fields["kind"],
        "members": [chat.team.shown(one) for one in fields["members"]],
        "topic": fields["topic"]["value"],
        "purpose": fields["purpose"]["value"],
        "archived": fields["archived"],
    }


def file_shape(chat: Chat, id: str, fields: Fields) -> dict[str, Value]:
    """A file."""
    return {
        "id": id,
        "name": fields["name"],
        "title": fields["title"],
        "mimetype": fields["mimetype"],
        "size": fields["size"],
        "user": chat.team.shown(fields["user"]),
        "created": fields["created"],
        "shares": [{"channel": chat.channels.title(one["channel"]), "ts": one["ts"]} for one in fields["shares"]],
    }


def user_shape(member: Member) -> dict[str, Value]:
    """Somebody on the team."""
    return {"id": member.id, "name": member.name, "real_name": member.real_name, "email": member.address}


def _named(chat: Chat, id: str) -> dict[str, Value]:
    try:
        return {"id": id, "name": chat.files.get(id)["name"]}
    except NotFound:
        return {"id": id, "name": None}
