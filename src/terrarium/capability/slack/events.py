"""Slack's Events API: what happens is posted, signed, to an address in the sandbox of an agent that wants to know."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from typing import Any

from terrarium.capability.slack.channels import Channels
from terrarium.capability.slack.team import Member
from terrarium.core.errors import Refused
from terrarium.core.values import Value
from terrarium.core.webhook import deliver, parts_of

LIMIT = 100  # subscriptions, and events that wait for one
KINDS = (
    "app_mention",
    "member_joined_channel",
    "message",
    "reaction_added",
    "reaction_removed",
)


class Events:
    """Subscriptions, and the delivery of events in order.

    Delivery holds no baton: a receiver may call the Web API before it answers. What has not been delivered when the
    world closes is lost; it is no state.

    Args:
        channels: Who sees what.
    """

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._site = channels.site
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, deque[tuple[str, dict[str, str]]]] = {}
        self._pumps: dict[str, asyncio.Task[None]] = {}

    def subscribe(self, agent: str, url: str, sandbox: str, kinds: list[str]) -> None:
        """Have events posted to an address from now on; of one address again: with these kinds.

        Raises:
            ConfigError: It is no address.
            Refused: There is no such kind, or there are too many subscriptions.
        """
        parts_of(url)
        for kind in kinds:
            if kind not in KINDS:
                raise Refused(f"there are no events {str(kind)[:80]!r}; there are: {', '.join(KINDS)}")
        store, key = self._channels.store, f"{agent}/{url}"
        if store.get("subscription", key) is None and store.count("subscription") >= LIMIT:
            raise Refused(f"there are at most {LIMIT} subscriptions")
        before = store.get("subscription", key)
        after = {"agent": agent, "url": url, "sandbox": sandbox, "kinds": sorted(set(kinds))}
        store.change(self._site.actor(), "subscription", key, before, after)

    def unsubscribe(self, agent: str, url: str) -> None:
        """End a subscription.

        Raises:
            NotFound: There is none.
        """
        self._channels.store.delete(self._site.actor(), "subscription", f"{agent}/{url}")

    def happened(self, channel: str, event: dict[str, Value], only: Member | None = None) -> None:
        """Tell the subscribers that are in a conversation.

        Args:
            channel: Its id.
            event: As the Events API has it, with `type`.
            only: Whom alone it concerns.
        """
        rows = list(self._channels.store.table("subscription"))
        if not rows:
            return
        members = self._channels.get(channel)["members"]
        for row in rows:
            member = self._channels.team.of_agent(row.fields["agent"])
            wanted = event["type"] in row.fields["kinds"] and member.id in members
            if wanted and (only is None or only.id == member.id):
                self._put(row.key, member, event)

    async def close(self) -> None:
        """Deliver no more; idempotent."""
        for pump in self._pumps.values():
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps.values(), timeout=1.0)
        self._pumps.clear()
        self._waiting.clear()

    def _put(self, key: str, member: Member, event: dict[str, Value]) -> None:
        team, now = self._channels.team, int(self._site.clock.now.timestamp())
        told: dict[str, Any] = {
            "team_id": team.id,
            "api_app_id": team.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{self._site.rng.token(f'{self._site.name}/events', 10).upper()}",
            "event_time": now,
            "authorizations": [{"team_id": team.id, "user_id": member.id, "is_bot": False, "enterprise_id": None}],
        }
        body = json.dumps(told)
        signed = hmac.new(team.signing_secret(member).encode(), f"v0:{now}:{body}".encode(), hashlib.sha256)
        headers = {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": f"v0={signed.hexdigest()}"}
        self._loop.call_soon_threadsafe(self._queue, key, body, headers)

    def _queue(self, key: str, body: str, headers: dict[str, str]) -> None:
        waiting = self._waiting.setdefault(key, deque(maxlen=LIMIT))
        waiting.append((body, headers))
        pump = self._pumps.get(key)
        if pump is None or pump.done():
            self._pumps[key] = self._loop.create_task(self._pump(key))

    async def _pump(self, key: str) -> None:
        """Deliver what waits for one subscriber, one after the other; a receiver that fails misses the event."""
        waiting = self._waiting[key]
        while waiting:
            body, headers = waiting.popleft()
            found = self._channels.store.get("subscription", key)
            if found is not None:
                await deliver(self._site.network, found["sandbox"], found["url"], body, headers=headers)
