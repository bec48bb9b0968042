"""The half of the admin face that colleagues need: channels, messages, reactions."""

from __future__ import annotations

from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.messages import Draft
from terrarium.capability.slack.shape import channel_shape, message_shape
from terrarium.capability.slack.team import Member, Team
from terrarium.core.capability import reads, writes
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields
from terrarium.core.values import Value


class ChatFace:
    """What colleagues do, in the hands of the task program."""

    _chat: Chat
    _team: Team

    # -- channels -------------------------------------------------------------------------------------------------

    @writes(notifies="members")
    def create_channel(
        self,
        name: str,
        members: list[str] | None = None,
        private: bool = False,
        creator: str | None = None,
        topic: str = "",
    ) -> str:
        """Make a channel and return its id.

        Args:
            name: Small letters, digits, `-` and `_`.
            members: Who is in it; default: everybody.
            private: Only its members know of it.
            creator: Who made it, a member too; default: the first member.
            topic: What stands at its top.

        Raises:
            NotFound: There is no such person.
            Refused: The name cannot be one or is taken, or there are no members.
        """
        people = self._people(members) if members is not None else list(self._team.members.values())
        if creator is None and not people:
            raise Refused("a channel needs a member")
        maker = people[0] if creator is None else self._team.named(creator)
        text = _text("topic", topic)
        id = self._chat.create(maker, _text("name", name), private, people)
        if text:
            self._chat.channels.describe(id, "topic", text, maker)
        return id

    @reads
    def channels(self, person: str | None = None) -> list[dict[str, Value]]:
        """The conversations, direct messages among them: all, or those that a person sees. Each is a `channel`.

        Raises:
            NotFound: There is no such person.
        """
        viewer = self._viewer(person)
        return [channel_shape(self._chat, id, fields) for id, fields in self._chat.channels.all(viewer)]

    @writes(notifies="people")
    def invite(self, channel: str, people: list[str]) -> None:
        """Add people to a channel, in the name of who made it.

        Raises:
            NotFound: There is no such channel or person.
            Refused: It is archived, or direct messages.
        """
        id = self._find(channel)
        self._chat.invite(id, self._people(people), self._team.members[self._chat.channels.get(id)["creator"]])

    @writes(notifies="person")
    def remove(self, channel: str, person: str) -> None:
        """Take a person out of a channel, in the name of who made it.

        Raises:
            NotFound: There is no such channel or person.
            Refused: They are not in it.
        """
        id = self._find(channel)
        by = self._team.members[self._chat.channels.get(id)["creator"]]
        self._chat.remove(id, self._team.named(person), by)

    @writes(silent=True)
    def archive(self, channel: str, archived: bool = True) -> None:
        """Close a channel, or open it again.

        Raises:
            NotFound: There is no such channel.
            Refused: It is so already.
        """
        self._chat.channels.archive(self._find(channel), archived)

    @writes(silent=True)
    def set_topic(self, channel: str, topic: str) -> None:
        """Say what stands at the top of a channel.

        Raises:
            NotFound: There is no such channel.
            Refused: It is archived, or the topic has more than 250 characters.
        """
        id = self._find(channel)
        by = self._team.members[self._chat.channels.get(id)["creator"]]
        self._chat.channels.describe(id, "topic", _text("topic", topic), by)

    # -- messages -------------------------------------------------------------------------------------------------

    @writes(notifies="channel")
    def post(
        self,
        person: str,
        channel: str,
        text: str,
        thread: str | None = None,
        blocks: list[Value] | None = None,
        attachments: list[Value] | None = None,
        broadcast: bool = False,
    ) -> str:
        """Post a message in a person's name and return its `ts`.

        Args:
            person: Who writes; they must be in the channel.
            channel: `general`, `#general`, an id, or of direct messages all in them, as `@ann,@bob`.
            text: As one types it: `@bob` and `#general` become references.
            thread: The `ts` of the message that it answers.
            blocks: Of Slack's Block Kit; stored as they are.
            attachments: The same.
            broadcast: An answer that stands in the channel, too.

        Raises:
            NotFound: There is no such person, channel or message.
            Refused: The person is not in it, it is archived, or the message is empty or too long.
        """
        id, author = self._find(channel), self._team.named(person)
        draft = Draft(self._chat.typed(_text("text", text)), blocks or [], attachments or [])
        return self._chat.post(id, author, draft, thread, broadcast)

    @writes(notifies="channel")
    def reply(self, person: str, channel: str, thread: str, text: str) -> str:
        """Answer a message in its thread and return the `ts` of the answer.

        Raises:
            NotFound, Refused: As `post`.
        """
        return self.post(person, channel, text, thread)

    @writes(notifies="to")
    def dm(self, person: str, to: str | list[str], text: str) -> str:
        """Write a direct message to one or more people and return its `ts`.

        Raises:
            NotFound: There is no such person.
            Refused: They are more than nine, or the message is empty or too long.
        """
        author = self._team.named(person)
        people = [author, *self._people([to] if isinstance(to, str) else to)]
        draft = Draft(self._chat.typed(_text("text", text)))
        draft.check()
        return self._chat.post(self._chat.channels.open(people), author, draft)

    @writes(silent=True)
    def update(self, channel: str, ts: str, text: str) -> None:
        """Change the text of a message, in its author's name.

        Raises:
            NotFound: There is none.
            Refused: It is empty or too long.
        """
        id = self._find(channel)
        before = self._chat.messages.get(id, ts)
        draft = Draft(
            self._chat.typed(_text("text", text)), [], before["attachments"], before["metadata"], before["files"]
        )
        self._chat.update(id, ts, None, draft)

    @writes(silent=True)
    def delete(self, channel: str, ts: str) -> None:
        """Remove a message; one with answers leaves its place to them.

        Raises:
            NotFound: There is none.
        """
        self._chat.delete(self._find(channel), ts, None)

    @writes(silent=True)
    def react(self, person: str, channel: str, ts: str, emoji: str) -> None:
        """Add a reaction such as `thumbsup`.

        Raises:
            NotFound: There is no such person, channel or message.
            Refused: They have reacted so already, or it cannot be an emoji.
        """
        self._chat.react(self._find(channel), ts, self._team.named(person), _text("emoji", emoji))

    @writes(silent=True)
    def unreact(self, person: str, channel: str, ts: str, emoji: str) -> None:
        """Take a reaction back.

        Raises:
            NotFound: There is no such person, channel or message.
            Refused: There is no such reaction.
        """
        self._chat.unreact(self._find(channel), ts, self._team.named(person), _text("emoji", emoji))

    @writes(silent=True)
    def pin(self, person: str, channel: str, ts: str) -> None:
        """Pin a message.

        Raises:
            NotFound: There is no such person, channel or message.
            Refused: It is pinned.
        """
        self._chat.messages.pin(self._find(channel), ts, self._team.named(person))

    # -- looking --------------------------------------------------------------------------------------------------

    @reads
    def history(self, channel: str, replies: bool = False) -> list[dict[str, Value]]:
        """The messages of a conversation, oldest first; each is a `message`.

        Args:
            channel: Which.
            replies: Those of threads too.

        Raises:
            NotFound: There is none.
        """
        id = self._find(channel)
        found = self._chat.messages.everything(id) if replies else self._chat.messages.history(id)
        return [self._shape(id, ts, fields) for ts, fields in found if not fields["deleted"]]

    @reads
    def replies(self, channel: str, ts: str) -> list[dict[str, Value]]:
        """The answers to a message, oldest first; each is a `message`.

        Raises:
            NotFound: There is no such channel or message.
        """
        id = self._find(channel)
        thread = self._chat.messages.thread_of(id, ts)
        return [self._shape(id, one, fields) for one, fields in self._chat.messages.replies(id, thread)]

    @reads
    def message(self, channel: str, ts: str) -> dict[str, Value]:
        """One `message`.

        Raises:
            NotFound: There is none.
        """
        id = self._find(channel)
        return self._shape(id, ts, self._chat.messages.get(id, ts))

    @reads
    def ephemerals(self, channel: str) -> list[dict[str, Value]]:
        """The messages that were shown to one person only: each `ts`, `user`, `to`, `text`.

        Raises:
            NotFound: There is no such channel.
        """
        rows = self._chat.store.table("ephemeral", f"{self._find(channel)}/")
        return [
            {
                "ts": row.key.rpartition("/")[2],
                "user": self._team.shown(row.fields["user"]),
                "to": self._team.shown(row.fields["to"]),
                "text": self._chat.read(row.fields["text"]),
            }
            for row in rows
        ]

    @reads
    def last_read(self, channel: str, person: str) -> str:
        """The `ts` up to which a person has read; `0000000000.000000` where that is nothing.

        Raises:
            NotFound: There is no such channel or person.
        """
        return self._chat.channels.last_read(self._find(channel), self._team.named(person))

    @reads
    def find(self, query: str, person: str | None = None) -> list[dict[str, Value]]:
        """The messages that a query means, newest first, each a `message`.

        Args:
            query: Words, `"phrases"`, `-words`, `in:#general`, `from:ann`, `before:2030-01-08`, `after:`, `on:`,
                `has:link`, `is:thread`.
            person: Who searches, and finds only what they see; default: everything.

        Raises:
            NotFound: There is no such person.
            Refused: It is empty or too long.
        """
        found = self._chat.search(self._viewer(person)).messages(_text("query", query))
        return [self._shape(one.channel, one.ts, one.fields) for one in found]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _shape(self, id: str, ts: str, fields: Fields) -> dict[str, Value]:
        return message_shape(self._chat, id, ts, fields) | {"by": fields["by"]}

    def _find(self, channel: str) -> str:
        return self._chat.channels.find(_text("channel", channel))

    def _viewer(self, person: str | None) -> Member | None:
        return None if person is None else self._team.named(person)

    def _people(self, names: list[str]) -> list[Member]:
        if not isinstance(names, list):
            raise Refused(f"people are a list of names, not {type(names).__name__}")
        return [self._team.named(name) for name in names]


def _text(what: str, given: str) -> str:
    """An argument that must be text."""
    if not isinstance(given, str):
        raise Refused(f"{what} must be text, not {type(given).__name__}")
    return given
