"""What people do in a team chat: the one code behind the admin face, the tools and the Web API.

Whatever changes what others see tells the agents it concerns, and those that subscribed to events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from terrarium.capability.slack.channels import IM, MPIM, PRIVATE, PUBLIC, Channels
from terrarium.capability.slack.events import Events
from terrarium.capability.slack.files import Files
from terrarium.capability.slack.messages import TEXT, Draft, Messages, stamp
from terrarium.capability.slack.scheduled import Scheduled
from terrarium.capability.slack.search import Search
from terrarium.capability.slack.team import Member, Team
from terrarium.capability.slack.text import marked_up, mentioned, plain
from terrarium.capability.slack.view import View
from terrarium.core.capability import Site
from terrarium.core.errors import Refused
from terrarium.core.rows import Rows
from terrarium.core.values import Value

TYPES = {PUBLIC: "channel", PRIVATE: "group", IM: "im", MPIM: "mpim"}


class Chat:
    """One team's chat.

    Args:
        site: Where it stands.
        store: The state.
        team: Who there is.
    """

    def __init__(self, site: Site, store: Rows, team: Team) -> None:
        self.site = site
        self.store = store
        self.team = team
        self.channels = Channels(site, store, team)
        self.messages = Messages(self.channels)
        self.files = Files(self.channels, self.messages)
        self.events = Events(self.channels)
        self.scheduled = Scheduled(self.channels, self.messages, self.posted)

    def view(self, viewer: Member, origin: str | None = None) -> View:
        """What a member is shown.

        Args:
            viewer: Who.
            origin: Where files are fetched, where that is not Slack's own address.
        """
        told = {} if origin is None else {"origin": origin}
        return View(self.channels, self.messages, self.files, viewer, **told)

    def search(self, viewer: Member | None) -> Search:
        """A search by a member; None: by the task program."""
        return Search(self.channels, self.messages, self.files, viewer)

    def typed(self, text: str, viewer: Member | None = None) -> str:
        """What a person types, as mrkdwn.

        Raises:
            Refused: It is too long.
        """
        if len(text) > TEXT:
            raise Refused(f"a message has at most {TEXT} characters", code="msg_too_long")
        names = {fields["name"]: id for id, fields in self.channels.all(viewer)} if "#" in text else {}
        return marked_up(text, self.team, lambda name: names.get(name.lower()))

    def read(self, text: str) -> str:
        """mrkdwn, as a person reads it."""
        return plain(text, self.team, lambda id: self.channels.title(id).removeprefix("#"))

    async def close(self) -> None:
        """Deliver and post no more; idempotent."""
        self.scheduled.close()
        await self.events.close()

    # -- messages -------------------------------------------------------------------------------------------------

    def post(
        self, channel: str, author: Member, draft: Draft, thread: str | None = None, broadcast: bool = False
    ) -> str:
        """As `Messages.post`; those in the conversation are told."""
        ts = self.messages.post(channel, author, draft, thread, broadcast)
        self.posted(channel, ts)
        return ts

    def share(
        self,
        member: Member,
        files: list[tuple[str, str | None]],
        channel: str | None,
        comment: str = "",
        thread: str | None = None,
    ) -> str | None:
        """As `Files.complete`; those in the conversation are told."""
        ts = self.files.complete(member, files, channel, comment, thread)
        if channel is not None and ts is not None:
            self.posted(channel, ts)
        return ts

    def whisper(self, channel: str, author: Member, to: Member, draft: Draft) -> str:
        """As `Messages.whisper`; who it is for is told."""
        ts = self.messages.whisper(channel, author, to, draft)
        self._notify([to.id], author, f"{self.channels.title(channel)}, only to you, {author.real_name}: {draft.text}")
        return ts

    def update(self, channel: str, ts: str, by: Member | None, draft: Draft) -> None:
        """As `Messages.update`."""
        before = self._shown(channel, ts)
        self.messages.update(channel, ts, by, draft)
        told = {"subtype": "message_changed", "message": self._shown(channel, ts), "previous_message": before}
        self._event(channel, "message", hidden=True, **told)

    def delete(self, channel: str, ts: str, by: Member | None) -> None:
        """As `Messages.delete`."""
        before = self._shown(channel, ts)
        self.messages.delete(channel, ts, by)
        told = {"subtype": "message_deleted", "deleted_ts": ts, "previous_message": before}
        self._event(channel, "message", hidden=True, **told)

    def react(self, channel: str, ts: str, member: Member, emoji: str) -> None:
        """As `Messages.react`."""
        self.messages.react(channel, ts, member, emoji)
        self._reaction("reaction_added", channel, ts, member, emoji)

    def unreact(self, channel: str, ts: str, member: Member, emoji: str) -> None:
        """As `Messages.unreact`."""
        self.messages.unreact(channel, ts, member, emoji)
        self._reaction("reaction_removed", channel, ts, member, emoji)

    def posted(self, channel: str, ts: str) -> None:
        """Tell of a new message."""
        fields = self.messages.get(channel, ts)
        author, room = self.team.members[fields["user"]], self.channels.get(channel)
        where = self.channels.title(channel) + (" (thread)" if fields["thread"] is not None else "")
        said = fields["text"][:1000] or ("a file" if fields["files"] else "a message without text")
        self._notify(room["members"], author, f"{where}, {author.real_name}: {said}")
        shown = self._shown(channel, ts) | {"channel": channel, "event_ts": ts}
        self.events.happened(channel, shown | {"channel_type": TYPES[room["kind"]]})
        for id in sorted(mentioned(fields["text"]) & set(room["members"])):
            self.events.happened(channel, shown | {"type": "app_mention"}, self.team.members.get(id))

    # -- people ---------------------------------------------------------------------------------------------------

    def create(self, creator: Member, name: str, private: bool, members: Iterable[Member] = ()) -> str:
        """As `Channels.create`; those in it are told."""
        id = self.channels.create(creator, name, private, members)
        self._added(id, self.channels.get(id)["members"], creator)
        return id

    def join(self, channel: str, member: Member) -> bool:
        """Enter a channel; False where one is in it already.

        Raises:
            Refused: It is archived, or direct messages.
        """
        new = self.channels.invite(channel, [member])
        self._joined(channel, [one.id for one in new], None)
        return bool(new)

    def invite(self, channel: str, people: Iterable[Member], by: Member) -> list[Member]:
        """As `Channels.invite`; those who are new are told."""
        new = self.channels.invite(channel, people)
        self._added(channel, [one.id for one in new], by)
        return new

    def remove(self, channel: str, member: Member, by: Member | None) -> None:
        """As `Channels.remove`; who is taken out by another is told."""
        self.channels.remove(channel, member)
        if by is not None:
            self._notify([member.id], by, f"{by.real_name} removed you from {self.channels.title(channel)}")

    # -- inside ---------------------------------------------------------------------------------------------------

    def _added(self, channel: str, ids: list[str], by: Member) -> None:
        self._notify(ids, by, f"{by.real_name} added you to {self.channels.title(channel)}")
        self._joined(channel, ids, by)

    def _joined(self, channel: str, ids: list[str], by: Member | None) -> None:
        kind = TYPES[self.channels.get(channel)["kind"]][0].upper()
        for id in ids:
            told: dict[str, Value] = {"user": id, "channel_type": kind, "team": self.team.id}
            if by is not None and by.id != id:
                told["inviter"] = by.id
            self._event(channel, "member_joined_channel", **told)

    def _notify(self, ids: Iterable[str], author: Member, text: str) -> None:
        for id in ids:
            member = self.team.members.get(id)
            if member is not None and member.agent is not None and id != author.id:
                self.site.notify(member.agent, self.read(text))

    def _event(self, channel: str, kind: str, **told: Any) -> None:
        now = stamp(self.site.clock.micros)
        room = TYPES[self.channels.get(channel)["kind"]]
        self.events.happened(
            channel, {"type": kind, "channel": channel, "channel_type": room, "event_ts": now, "ts": now, **told}
        )

    def _reaction(self, kind: str, channel: str, ts: str, member: Member, emoji: str) -> None:
        told: dict[str, Value] = {"type": kind, "user": member.id, "reaction": emoji.strip(":")}
        told |= {"item": {"type": "message", "channel": channel, "ts": ts}}
        told |= {"item_user": self.messages.get(channel, ts)["user"], "event_ts": stamp(self.site.clock.micros)}
        self.events.happened(channel, told)

    def _shown(self, channel: str, ts: str) -> dict[str, Any]:
        fields = self.messages.get(channel, ts)
        author = self.team.members.get(fields["user"]) or next(iter(self.team.members.values()))
        return self.view(author).message(channel, ts, fields)
