"""Methods `chat.*`, `reactions.*` and `pins.*` of the Web API."""

from __future__ import annotations

from typing import Any

from terrarium.capability.slack.api.call import Call
from terrarium.capability.slack.channels import sees
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields


def post_message(call: Call) -> dict[str, Any]:
    """`chat.postMessage`."""
    draft = call.draft()
    draft.check()
    thread = call.ts("thread_ts") if call.has("thread_ts") else None
    channel = target(call)
    ts = call.chat.post(channel, call.member, draft, thread, call.flag("reply_broadcast"))
    fields = call.chat.messages.get(channel, ts)
    return {"channel": channel, "ts": ts, "message": call.view.message(channel, ts, fields)}


def post_ephemeral(call: Call) -> dict[str, Any]:
    """`chat.postEphemeral`."""
    channel, _ = call.channel()
    return {"message_ts": call.chat.whisper(channel, call.member, call.user(), call.draft())}


def me_message(call: Call) -> dict[str, Any]:
    """`chat.meMessage`."""
    channel, _ = call.channel()
    return {"channel": channel, "ts": call.chat.post(channel, call.member, call.draft())}


def update(call: Call) -> dict[str, Any]:
    """`chat.update`."""
    channel, ts, fields = message(call, "ts")
    draft = call.draft(fields)
    call.chat.update(channel, ts, call.member, draft)
    shown = call.view.message(channel, ts, call.chat.messages.get(channel, ts))
    return {"channel": channel, "ts": ts, "text": draft.text, "message": shown}


def delete(call: Call) -> dict[str, Any]:
    """`chat.delete`."""
    channel, ts, _ = message(call, "ts")
    call.chat.delete(channel, ts, call.member)
    return {"channel": channel, "ts": ts}


def get_permalink(call: Call) -> dict[str, Any]:
    """`chat.getPermalink`."""
    channel, ts, fields = message(call, "message_ts")
    return {"channel": channel, "permalink": call.view.permalink(channel, ts, fields)}


def schedule_message(call: Call) -> dict[str, Any]:
    """`chat.scheduleMessage`."""
    draft, at = call.draft(), call.whole("post_at", 0, 0, 2**40)
    thread = call.ts("thread_ts") if call.has("thread_ts") else None
    channel, _ = call.channel()
    id = call.chat.scheduled.add(channel, call.member, draft, at, thread)
    shown = {"text": draft.text, "user": call.member.id, "team": call.chat.team.id, "type": "delayed_message"}
    return {"channel": channel, "scheduled_message_id": id, "post_at": at, "message": shown}


def delete_scheduled(call: Call) -> dict[str, Any]:
    """`chat.deleteScheduledMessage`."""
    channel, _ = call.channel()
    call.chat.scheduled.cancel(call.text("scheduled_message_id"), channel, call.member)
    return {}


def list_scheduled(call: Call) -> dict[str, Any]:
    """`chat.scheduledMessages.list`: one's own."""
    found = call.chat.scheduled.of(call.member)
    if call.has("channel"):
        channel, _ = call.channel()
        found = [one for one in found if one[1]["channel"] == channel]
    page, following = call.page(found, lambda one: one[0])
    shown = [
        {
            "id": id,
            "channel_id": fields["channel"],
            "post_at": fields["at"],
            "date_created": fields["created"],
            "text": fields["text"],
        }
        for id, fields in page
    ]
    return {"scheduled_messages": shown, "response_metadata": {"next_cursor": following}}


def add_reaction(call: Call) -> dict[str, Any]:
    """`reactions.add`."""
    channel, ts, _ = message(call, "timestamp")
    call.chat.react(channel, ts, call.member, call.text("name"))
    return {}


def remove_reaction(call: Call) -> dict[str, Any]:
    """`reactions.remove`."""
    channel, ts, _ = message(call, "timestamp")
    call.chat.unreact(channel, ts, call.member, call.text("name"))
    return {}


def get_reactions(call: Call) -> dict[str, Any]:
    """`reactions.get`."""
    channel, ts, fields = message(call, "timestamp")
    return {"type": "message", "channel": channel, "message": call.view.message(channel, ts, fields)}


def list_reactions(call: Call) -> dict[str, Any]:
    """`reactions.list`: what a user has reacted to."""
    user = call.user() if call.has("user") else call.member
    chat, view = call.chat, call.view
    found = [
        (ts, channel, fields)
        for channel, _ in chat.channels.all(call.member)
        for ts, fields in chat.messages.everything(channel)
        if any(user.id in one["users"] for one in fields["reactions"])
    ]
    found.sort(key=lambda one: one[:2], reverse=True)
    page, following = call.page(found, lambda one: f"{one[1]}/{one[0]}")
    items = [{"type": "message", "channel": c, "message": view.message(c, ts, fields)} for ts, c, fields in page]
    return {"items": items, "response_metadata": {"next_cursor": following}}


def add_pin(call: Call) -> dict[str, Any]:
    """`pins.add`."""
    channel, ts, _ = message(call, "timestamp")
    call.chat.messages.pin(channel, ts, call.member)
    return {}


def remove_pin(call: Call) -> dict[str, Any]:
    """`pins.remove`."""
    channel, ts, _ = message(call, "timestamp")
    call.chat.messages.unpin(channel, ts)
    return {}


def list_pins(call: Call) -> dict[str, Any]:
    """`pins.list`."""
    channel, _ = call.channel()
    items = [
        {
            "type": "message",
            "channel": channel,
            "created": int(fields["pinned"]["time"].timestamp()),
            "created_by": fields["pinned"]["user"],
            "message": {
                **call.view.message(channel, ts, fields),
                "permalink": call.view.permalink(channel, ts, fields),
            },
        }
        for ts, fields in call.chat.messages.pinned(channel)
    ]
    return {"items": items}


def target(call: Call) -> str:
    """The conversation to post to: an id, the name of a channel, or a user, whose direct messages are meant.

    Raises:
        NotFound: There is none.
    """
    said, chat = call.text("channel").strip(), call.chat
    if said in chat.team.members:
        return chat.channels.open([call.member, chat.team.members[said]])
    room = chat.store.get("channel", said)
    found = said if room is not None and sees(room, call.member) else chat.channels.named(said, call.member)
    if not said or found is None:
        raise NotFound(f"there is no conversation {said[:80]!r}", code="channel_not_found")
    return found


def message(call: Call, name: str) -> tuple[str, str, Fields]:
    """The message that `channel` and a `ts` name.

    Raises:
        NotFound: There is none.
        Refused: One of them is missing, or the caller is not in the conversation.
    """
    channel, room = call.channel()
    ts = call.ts(name)
    found = call.chat.messages.get(channel, ts)
    if call.member.id not in room["members"] and name != "message_ts":
        raise Refused("join the conversation first", code="not_in_channel")
    return channel, ts, found


METHODS = {
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
    "chat.meMessage": me_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.postMessage": post_message,
    "chat.scheduleMessage": schedule_message,
    "chat.scheduledMessages.list": list_scheduled,
    "chat.deleteScheduledMessage": delete_scheduled,
    "chat.update": update,
    "pins.add": add_pin,
    "pins.list": list_pins,
    "pins.remove": remove_pin,
    "reactions.add": add_reaction,
    "reactions.get": get_reactions,
    "reactions.list": list_reactions,
    "reactions.remove": remove_reaction,
}
