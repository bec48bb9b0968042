"""The text of messages: what people write, and the same as Slack's mrkdwn with ids in it."""

from __future__ import annotations

import re
from collections.abc import Callable

from terrarium.capability.slack.team import Team

_MENTION = re.compile(r"<@([A-Z0-9]{1,20})(?:\|[^<>]{0,200})?>")
_TYPED = re.compile(r"(?<![\w@.])@([A-Za-z_][A-Za-z0-9_.-]{0,31})")
_TYPED_CHANNEL = re.compile(r"(?<![\w#&])#([\w-]{1,80})")
_ENTITY = re.compile(r"<([^<>]{1,4000})>")
_EVERYBODY = ("here", "channel", "everyone")


def mentioned(text: str) -> set[str]:
    """The ids of those a text mentions."""
    return set(_MENTION.findall(text))


def marked_up(text: str, team: Team, channel_id: Callable[[str], str | None]) -> str:
    """What a person types as mrkdwn: `@ann` and `#general` become references, and `&`, `<` and `>` are escaped.

    Args:
        text: As typed.
        team: Who may be mentioned.
        channel_id: The id of a channel by name, or None.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def person(found: re.Match[str]) -> str:
        name = found[1]
        if name in _EVERYBODY:
            return f"<!{name}>"
        for end in (len(name), len(name.rstrip(".-_"))):  # the dot may end the sentence
            member = next((one for one in team.members.values() if one.name == name[:end]), None)
            if member is not None:
                return f"<@{member.id}>{name[end:]}"
        return found[0]

    def channel(found: re.Match[str]) -> str:
        id = channel_id(found[1])
        return found[0] if id is None else f"<#{id}>"

    return _TYPED_CHANNEL.sub(channel, _TYPED.sub(person, escaped))


def plain(text: str, team: Team, channel_name: Callable[[str], str]) -> str:
    """The same as a person reads it: references become `@ann` and `#general`, links their address.

    Args:
        text: As mrkdwn.
        team: Who may be mentioned.
        channel_name: What a channel is called, by id.
    """

    def shown(found: re.Match[str]) -> str:
        target, _, label = found[1].partition("|")
        if target.startswith("@"):
            return f"@{team.shown(target[1:])}"
        if target.startswith("#"):
            return f"#{label or channel_name(target[1:])}"
        if target.startswith("!"):
            return label or f"@{target[1:].partition('^')[0]}"
        return f"{label} ({target})" if label and label != target else target

    return _ENTITY.sub(shown, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
