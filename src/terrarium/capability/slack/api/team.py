"""Methods `auth.*`, `users.*`, `team.*` and `emoji.*` of the Web API."""

from __future__ import annotations

from typing import Any

from terrarium.capability.slack.api.call import Call
from terrarium.core.errors import Refused


def auth_test(call: Call) -> dict[str, Any]:
    """`auth.test`."""
    team, member = call.chat.team, call.member
    told = {"url": call.view.url, "team": team.name, "user": member.name, "team_id": team.id, "user_id": member.id}
    return told | {"is_enterprise_install": False}


def list_users(call: Call) -> dict[str, Any]:
    """`users.list`."""
    page, following = call.page(list(call.chat.team.members.values()), lambda one: one.id)
    shown = [call.view.user(one) for one in page]
    now = int(call.chat.site.clock.now.timestamp())
    return {"members": shown, "cache_ts": now, "response_metadata": {"next_cursor": following}}


def user_info(call: Call) -> dict[str, Any]:
    """`users.info`."""
    return {"user": call.view.user(call.user())}


def by_email(call: Call) -> dict[str, Any]:
    """`users.lookupByEmail`."""
    found = call.chat.team.at(call.text("email"))
    if found is None:
        raise Refused("nobody has that address", code="users_not_found")
    return {"user": call.view.user(found)}


def profile(call: Call) -> dict[str, Any]:
    """`users.profile.get`."""
    user = call.user() if call.has("user") else call.member
    return {"profile": call.view.user(user)["profile"]}


def presence(call: Call) -> dict[str, Any]:
    """`users.getPresence`: everybody is there."""
    user = call.user() if call.has("user") else call.member
    return {"presence": "active", "online": True} if user.id == call.member.id else {"presence": "active"}


def team_info(call: Call) -> dict[str, Any]:
    """`team.info`."""
    team = call.chat.team
    if call.has("team") and call.text("team") != team.id:
        raise Refused("there is no such team", code="team_not_found")
    told = {"id": team.id, "name": team.name, "domain": team.domain, "url": call.view.url, "email_domain": ""}
    return {"team": told | {"icon": {"image_default": True}}}


def emoji(call: Call) -> dict[str, Any]:
    """`emoji.list`: the team has none of its own."""
    return {"emoji": {}, "cache_ts": str(call.chat.site.clock.start // 1_000_000)}


METHODS = {
    "auth.test": auth_test,
    "emoji.list": emoji,
    "team.info": team_info,
    "users.getPresence": presence,
    "users.info": user_info,
    "users.list": list_users,
    "users.lookupByEmail": by_email,
    "users.profile.get": profile,
}
