"""What one agent can do in the chat: tools that act as its person."""

from __future__ import annotations

from collections.abc import Callable

from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.messages import Draft
from terrarium.capability.slack.shape import channel_shape, file_shape, message_shape, user_shape
from terrarium.capability.slack.team import Member
from terrarium.core.capability import instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields
from terrarium.core.tool import Tool
from terrarium.core.values import Value

PAGE = 200  # messages in one list
CHARACTERS = 100_000  # of a file that is shown


class SlackTools:
    """The tools of one agent.

    Args:
        chat: What can be done.
        me: Whom the agent acts as.
    """

    def __init__(self, chat: Chat, me: Member) -> None:
        self._chat = chat
        self._me = me

    def tools(self, site_name: str) -> list[Tool]:
        """The tools, named after the site."""
        looking: dict[str, Callable[..., Value]] = {
            "channels": self.channels,
            "file": self.file,
            "search": self.search,
            "users": self.users,
        }
        acting: dict[str, Callable[..., Value]] = {
            "create_channel": self.create_channel,
            "delete": self.delete,
            "dm": self.dm,
            "edit": self.edit,
            "invite": self.invite,
            "join": self.join,
            "post": self.post,
            "react": self.react,
            "read": self.read,
            "reply": self.reply,
        }
        made = [Tool.of(method, instance_tool(site_name, verb), writes=False) for verb, method in looking.items()]
        made += [Tool.of(method, instance_tool(site_name, verb)) for verb, method in acting.items()]
        return sorted(made, key=lambda tool: tool.name)

    # -- looking --------------------------------------------------------------------------------------------------

    def channels(self) -> dict[str, Value]:
        """List the channels and direct messages you can see, with how many messages you have not read.

        Returns:
            `you` (your name) and `channels`, each `id`, `name`, `kind`, `members`, `topic`, `purpose`, `archived`,
            `joined`, `unread`.
        """
        found = []
        for id, fields in self._chat.channels.all(self._me):
            joined = self._me.id in fields["members"]
            unread = self._chat.messages.unread(id, self._me) if joined else 0
            told = channel_shape(self._chat, id, fields, self._me)
            found.append({**told, "joined": joined, "unread": unread})
        return {"you": self._me.name, "channels": found}

    def users(self, query: str = "") -> list[dict[str, Value]]:
        """List the people on the team.

        Args:
            query: Only those whose name or address has this in it.

        Returns:
            Of each `id`, `name` (write it after an @), `real_name`, `email`.
        """
        wanted = query.casefold().removeprefix("@")
        shown = [user_shape(member) for member in self._chat.team.members.values()]
        return [one for one in shown if wanted in f"{one['name']} {one['real_name']} {one['email']}".casefold()]

    def search(self, query: str, limit: int = 20) -> dict[str, Value]:
        """Search messages you can see, newest first. All words must occur.

        Args:
            query: Words, "exact phrases", -unwanted words, and from:ann, in:#general, in:@bob, before:2030-01-08,
                after:2030-01-01, on:2030-01-07, has:link, has:pin, is:thread.
            limit: How many to list, 1 to 200.

        Returns:
            `total` and `messages`, each with its `channel` and `ts`.
        """
        found = self._chat.search(self._me).messages(query)
        shown = [message_shape(self._chat, one.channel, one.ts, one.fields) for one in found[: _checked(limit)]]
        return {"total": len(found), "messages": shown}

    def file(self, id: str) -> dict[str, Value]:
        """Read a file that was shared.

        Args:
            id: The id of the file, as messages give it.

        Returns:
            `id`, `name`, `title`, `mimetype`, `size`, `user`, `created`, `shares`, and `text`, None where it is none.
        """
        fields = self._chat.files.get(id, self._me)
        told = file_shape(self._chat, id, {**fields, "shares": [one for one in fields["shares"] if self._sees(one)]})
        try:
            text = self._chat.files.content(id, self._me).decode("utf-8")
        except UnicodeDecodeError:
            return {**told, "text": None}
        return {**told, "text": text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}\n[cut]"}

    def read(
        self, channel: str, thread: str | None = None, limit: int = 50, before: str | None = None
    ) -> dict[str, Value]:
        """Read a channel, direct messages or a thread; what you read there counts as read.

        Args:
            channel: #general, an id, or @bob for your direct messages with bob.
            thread: The ts of a message, to read its replies instead.
            limit: How many of the newest messages, 1 to 200.
            before: Only messages before this ts, to page back.

        Returns:
            `messages`, oldest first, each `ts`, `user`, `text`, `time`, `replies` (how many; read them with `thread`),
            `reactions`, `files`; and `more`, whether there are older ones.
        """
        id = self._find(channel)
        messages = self._chat.messages
        if thread is not None:
            start = messages.thread_of(id, thread)
            found = [(start, messages.get(id, start)), *messages.replies(id, start)]
        else:
            found = messages.history(id)
        found = [one for one in found if before is None or one[0] < before]
        shown = found[-_checked(limit) :]
        joined = self._me.id in self._chat.channels.get(id)["members"]
        if thread is None and shown and joined and shown[-1][0] > self._chat.channels.last_read(id, self._me):
            self._chat.channels.mark(id, self._me, shown[-1][0])
        return {"messages": [self._shape(id, *one) for one in shown], "more": len(shown) < len(found)}

    # -- acting ---------------------------------------------------------------------------------------------------

    def post(self, channel: str, text: str) -> dict[str, Value]:
        """Post a message in a channel; everybody in it sees it.

        Args:
            channel: #general, an id, or @bob for direct messages.
            text: The text. @name mentions a person, #name a channel; *bold*, _italic_, `code`.

        Returns:
            `channel` and `ts`, which names the message.
        """
        if channel.strip().startswith("@"):
            return self.dm([part for part in channel.split(",") if part.strip()], text)
        id = self._find(channel)
        return self._told(id, self._chat.post(id, self._me, self._draft(text)))

    def reply(self, channel: str, ts: str, text: str) -> dict[str, Value]:
        """Reply to a message in its thread.

        Args:
            channel: Where the message is: #general, an id, or @bob.
            ts: The ts of the message.
            text: The text.

        Returns:
            `channel` and `ts` of your reply.
        """
        id = self._find(channel)
        return self._told(id, self._chat.post(id, self._me, self._draft(text), ts))

    def dm(self, people: list[str], text: str) -> dict[str, Value]:
        """Write a direct message to one person, or to a group of up to eight others.

        Args:
            people: Their names, such as ["bob"].
            text: The text.

        Returns:
            `channel` and `ts`.
        """
        others = [self._chat.team.named(name) for name in people[:50]]
        if not others:
            raise Refused("name somebody to write to")
        draft = self._draft(text)
        draft.check()
        id = self._chat.channels.open([self._me, *others])
        return self._told(id, self._chat.post(id, self._me, draft))

    def edit(self, channel: str, ts: str, text: str) -> dict[str, Value]:
        """Change the text of a message of yours.

        Args:
            channel: Where it is.
            ts: Its ts.
            text: The whole new text.

        Returns:
            The message.
        """
        id = self._find(channel)
        before = self._chat.messages.get(id, ts)
        typed = self._draft(text)
        self._chat.update(
            id, ts, self._me, Draft(typed.text, [], before["attachments"], before["metadata"], before["files"])
        )
        return self._shape(id, ts, self._chat.messages.get(id, ts))

    def delete(self, channel: str, ts: str) -> str:
        """Delete a message of yours, for good.

        Args:
            channel: Where it is.
            ts: Its ts.
        """
        self._chat.delete(self._find(channel), ts, self._me)
        return "deleted"

    def react(self, channel: str, ts: str, emoji: str, remove: bool = False) -> str:
        """React to a message with an emoji, or take that back.

        Args:
            channel: Where it is.
            ts: Its ts.
            emoji: The name, such as thumbsup or white_check_mark.
            remove: Take it back.
        """
        id = self._find(channel)
        if self._me.id not in self._chat.channels.get(id)["members"]:
            raise Refused(f"you are not in {channel}; join it first")
        if remove:
            self._chat.unreact(id, ts, self._me, emoji)
            return "taken back"
        self._chat.react(id, ts, self._me, emoji)
        return "reacted"

    def create_channel(self, name: str, people: list[str] | None = None, private: bool = False) -> dict[str, Value]:
        """Create a channel with you in it.

        Args:
            name: Small letters, digits, - and _.
            people: Names of others to add.
            private: Only its members can find and read it.

        Returns:
            The channel: `id`, `name`, `kind`, `members`.
        """
        others = [self._chat.team.named(one) for one in (people or [])[:1000]]
        id = self._chat.create(self._me, name, private, others)
        return channel_shape(self._chat, id, self._chat.channels.get(id), self._me)

    def join(self, channel: str) -> str:
        """Join a public channel, so that you can post there.

        Args:
            channel: Its name or id.
        """
        return "joined" if self._chat.join(self._find(channel), self._me) else "you are in it already"

    def invite(self, channel: str, people: list[str]) -> list[str]:
        """Add people to a channel that you are in.

        Args:
            channel: Its name or id.
            people: Their names.

        Returns:
            The names of all in it.
        """
        id = self._find(channel)
        if self._me.id not in self._chat.channels.get(id)["members"]:
            raise Refused(f"you are not in {channel}; join it first")
        self._chat.invite(id, [self._chat.team.named(one) for one in people[:1000]], self._me)
        return [self._chat.team.shown(one) for one in self._chat.channels.get(id)["members"]]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _find(self, channel: str) -> str:
        return self._chat.channels.find(channel, self._me)

    def _draft(self, text: str) -> Draft:
        return Draft(self._chat.typed(text.encode("utf-8", "replace").decode("utf-8"), self._me))

    def _told(self, id: str, ts: str) -> dict[str, Value]:
        return {"channel": self._chat.channels.title(id), "ts": ts}

    def _shape(self, id: str, ts: str, fields: Fields) -> dict[str, Value]:
        return message_shape(self._chat, id, ts, fields)

    def _sees(self, share: dict[str, Value]) -> bool:
        try:
            self._chat.channels.get(share["channel"], self._me)
            return True
        except NotFound:
            return False


def _checked(limit: int) -> int:
    if not 1 <= limit <= PAGE:
        raise Refused(f"limit must be 1 to {PAGE}, not {limit}")
    return limit
