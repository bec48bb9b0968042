"""Methods `conversations.*` of the Web API."""

from __future__ import annotations

from typing import Any

from terrarium.capability.slack.api.call import Call
from terrarium.capability.slack.channels import IM, MPIM, PRIVATE, PUBLIC
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields

_KINDS = {"public_channel": PUBLIC, "private_channel": PRIVATE, "im": IM, "mpim": MPIM}
_FIRST, _LAST = "0000000000.000000", "9999999999.999999"


def list_all(call: Call) -> dict[str, Any]:
    """`conversations.list`."""
    return _listed(call, call.chat.channels.all(call.member))


def of_user(call: Call) -> dict[str, Any]:
    """`users.conversations`: those that a user is in."""
    user = call.user() if call.has("user") else call.member
    return _listed(call, (one for one in call.chat.channels.all(call.member) if user.id in one[1]["members"]))


def _listed(call: Call, rooms: Any) -> dict[str, Any]:
    kinds = call.names("types") or ["public_channel"]
    for kind in kinds:
        if kind not in _KINDS:
            raise Refused(f"there are no conversations of type {kind[:40]!r}", code="invalid_types")
    wanted = {_KINDS[kind] for kind in kinds}
    hidden = call.flag("exclude_archived")
    found = [one for one in rooms if one[1]["kind"] in wanted and not (hidden and one[1]["archived"])]
    page, following = call.page(found, lambda one: one[0])
    shown = [call.view.channel(id, fields) for id, fields in page]
    return {"channels": shown, "response_metadata": {"next_cursor": following}}


def info(call: Call) -> dict[str, Any]:
    """`conversations.info`."""
    id, fields = call.channel()
    shown = call.view.channel(id, fields)
    if call.member.id in fields["members"]:
        shown["last_read"] = call.chat.channels.last_read(id, call.member)
        if fields["kind"] in (IM, MPIM):
            unread = call.chat.messages.unread(id, call.member)
            shown |= {"unread_count": unread, "unread_count_display": unread}
    if not call.flag("include_num_members"):
        shown.pop("num_members", None)
    return {"channel": shown}


def history(call: Call) -> dict[str, Any]:
    """`conversations.history`: the newest first."""
    id, _ = call.channel()
    messages = call.chat.messages
    found = _between(call, messages.history(id))[::-1]
    page, following = call.page(found, lambda one: one[0])
    metadata = call.flag("include_all_metadata")
    told: dict[str, Any] = {
        "messages": [call.view.message(id, ts, fields, metadata) for ts, fields in page],
        "has_more": bool(following),
        "pin_count": len(messages.pinned(id)),
    }
    return told | ({"response_metadata": {"next_cursor": following}} if following else {})


def replies(call: Call) -> dict[str, Any]:
    """`conversations.replies`: the message that began the thread, and then its replies, the oldest first."""
    id, _ = call.channel()
    messages, ts = call.chat.messages, call.ts("ts")
    thread = messages.thread_of(id, ts)
    found = _between(call, messages.replies(id, thread))
    page, following = call.page(found, lambda one: one[0], 1000)
    metadata = call.flag("include_all_metadata")
    whole = [(thread, messages.get(id, thread)), *page]
    told: dict[str, Any] = {
        "messages": [call.view.message(id, ts, fields, metadata) for ts, fields in whole],
        "has_more": bool(following),
    }
    return told | ({"response_metadata": {"next_cursor": following}} if following else {})


def _between(call: Call, found: list[tuple[str, Fields]]) -> list[tuple[str, Fields]]:
    """The messages after `oldest` and before `latest`; those of these very moments too where `inclusive` says so."""
    oldest, latest = call.ts("oldest", _FIRST), call.ts("latest", _LAST)
    if call.flag("inclusive"):
        return [one for one in found if oldest <= one[0] <= latest]
    return [one for one in found if oldest < one[0] < latest]


def create(call: Call) -> dict[str, Any]:
    """`conversations.create`."""
    id = call.chat.create(call.member, call.text("name", ""), call.flag("is_private"))
    return _shown(call, id)


def join(call: Call) -> dict[str, Any]:
    """`conversations.join`."""
    id, fields = call.channel()
    new = call.chat.join(id, call.member) if fields["kind"] in (PUBLIC, IM, MPIM) else False
    warned = {} if new else {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return _shown(call, id) | warned


def leave(call: Call) -> dict[str, Any]:
    """`conversations.leave`."""
    id, fields = call.channel()
    if call.member.id not in fields["members"]:
        return {"not_in_channel": True}
    call.chat.remove(id, call.member, None)
    return {}


def invite(call: Call) -> dict[str, Any]:
    """`conversations.invite`."""
    id, fields = _inside(call)
    people = call.users(call.names("users"))
    if not people:
        raise Refused("name somebody", code="no_user")
    if [one.id for one in people] == [call.member.id]:
        raise Refused("one cannot invite oneself", code="cant_invite_self")
    if all(one.id in fields["members"] for one in people):
        raise Refused("they are in it already", code="already_in_channel")
    call.chat.invite(id, people, call.member)
    return _shown(call, id)


def kick(call: Call) -> dict[str, Any]:
    """`conversations.kick`."""
    id, _ = _inside(call)
    user = call.user()
    if user.id == call.member.id:
        raise Refused("leave instead", code="cant_kick_self")
    call.chat.remove(id, user, call.member)
    return {}


def open_direct(call: Call) -> dict[str, Any]:
    """`conversations.open`: direct messages with one or more users."""
    if call.has("channel"):
        id, fields = call.channel()
        if fields["kind"] not in (IM, MPIM):
            raise Refused("these are no direct messages", code="method_not_supported_for_channel_type")
    else:
        people = call.users(call.names("users"))
        if not people:
            raise Refused("name users, or a channel", code="users_list_not_supplied")
        id = call.chat.channels.open([call.member, *people])
    return _shown(call, id) if call.flag("return_im") else {"channel": {"id": id}}


def members(call: Call) -> dict[str, Any]:
    """`conversations.members`."""
    _, fields = call.channel()
    page, following = call.page(fields["members"], lambda one: one)
    return {"members": page, "response_metadata": {"next_cursor": following}}


def rename(call: Call) -> dict[str, Any]:
    """`conversations.rename`."""
    id, _ = _inside(call)
    call.chat.channels.rename(id, call.text("name"))
    return _shown(call, id)


def archive(call: Call) -> dict[str, Any]:
    """`conversations.archive`."""
    id, _ = _inside(call)
    call.chat.channels.archive(id, True)
    return {}


def unarchive(call: Call) -> dict[str, Any]:
    """`conversations.unarchive`."""
    id, _ = _inside(call)
    call.chat.channels.archive(id, False)
    return {}


def set_topic(call: Call) -> dict[str, Any]:
    """`conversations.setTopic`."""
    id, _ = _inside(call)
    call.chat.channels.describe(id, "topic", call.text("topic"), call.member)
    return _shown(call, id) | {"topic": call.text("topic")}


def set_purpose(call: Call) -> dict[str, Any]:
    """`conversations.setPurpose`."""
    id, _ = _inside(call)
    call.chat.channels.describe(id, "purpose", call.text("purpose"), call.member)
    return _shown(call, id) | {"purpose": call.text("purpose")}


def mark(call: Call) -> dict[str, Any]:
    """`conversations.mark`."""
    id, _ = _inside(call)
    call.chat.channels.mark(id, call.member, call.ts("ts"))
    return {}


def _shown(call: Call, id: str) -> dict[str, Any]:
    return {"channel": call.view.channel(id, call.chat.channels.get(id))}


def _inside(call: Call) -> tuple[str, Fields]:
    """The conversation that is named, where the caller is in it.

    Raises:
        Refused: They are not.
    """
    id, fields = call.channel()
    if call.member.id not in fields["members"]:
        raise Refused("join the conversation first", code="not_in_channel")
    return id, fields


METHODS = {
    "conversations.archive": archive,
    "conversations.create": create,
    "conversations.history": history,
    "conversations.info": info,
    "conversations.invite": invite,
    "conversations.join": join,
    "conversations.kick": kick,
    "conversations.leave": leave,
    "conversations.list": list_all,
    "conversations.mark": mark,
    "conversations.members": members,
    "conversations.open": open_direct,
    "conversations.rename": rename,
    "conversations.replies": replies,
    "conversations.setPurpose": set_purpose,
    "conversations.setTopic": set_topic,
    "conversations.unarchive": unarchive,
    "users.conversations": of_user,
}
