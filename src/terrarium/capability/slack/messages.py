"""Messages: posted, answered in threads, changed, removed, reacted to and pinned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from terrarium.capability.slack.channels import Channels
from terrarium.capability.slack.team import Member
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Change, Fields, Rows
from terrarium.core.values import Value

LIMIT = 50_000  # messages of a team
ROOM = 32 * 1024 * 1024  # characters that all messages together may have
TEXT = 40_000  # characters of one message
BLOCKS = 50
ATTACHMENTS = 100
REACTIONS = 50  # different ones of one message
_EMOJI = re.compile(r"[\w+'-]{1,100}(::skin-tone-[2-6])?")


@dataclass(frozen=True)
class Draft:
    """What is posted: text as mrkdwn, and what clients may add; `files` are ids."""

    text: str = ""
    blocks: Sequence[Value] = ()
    attachments: Sequence[Value] = ()
    metadata: Mapping[str, Value] | None = None
    files: Sequence[str] = ()

    def check(self) -> None:
        """Refuse what cannot be a message.

        Raises:
            Refused: It is empty or too large.
        """
        if not (self.text.strip() or self.blocks or self.attachments or self.files):
            raise Refused("a message needs text", code="no_text")
        if len(self.text) > TEXT:
            raise Refused(f"a message has at most {TEXT} characters", code="msg_too_long")
        if len(self.blocks) > BLOCKS:
            raise Refused(f"a message has at most {BLOCKS} blocks", code="invalid_blocks")
        if len(self.attachments) > ATTACHMENTS:
            raise Refused(f"a message has at most {ATTACHMENTS} attachments", code="too_many_attachments")

    @property
    def fields(self) -> dict[str, Value]:
        """The same as fields of a row."""
        return {
            "text": self.text,
            "blocks": list(self.blocks),
            "attachments": list(self.attachments),
            "metadata": None if self.metadata is None else dict(self.metadata),
            "files": list(self.files),
        }


class Messages:
    """The messages of one team.

    Args:
        channels: Where they are.
    """

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.store: Rows = channels.store
        self._site = channels.site
        self._room: int | None = None
        self.store.subscribe(self._weigh)

    # -- looking --------------------------------------------------------------------------------------------------

    def get(self, channel: str, ts: str) -> Fields:
        """A message of a conversation.

        Raises:
            NotFound: There is none.
        """
        found = self.store.get("message", f"{channel}/{ts}")
        if found is None:
            said = f"{self.channels.title(channel)} has no message {ts[:40]!r}"
            raise NotFound(said, code="message_not_found")
        return found

    def history(self, channel: str) -> list[tuple[str, Fields]]:
        """The messages of a conversation by `ts`, oldest first, without the replies of threads."""
        found = self.store.table("message", f"{channel}/")
        return [(ts_of(row.key), row.fields) for row in found if not is_reply(row.fields)]

    def replies(self, channel: str, ts: str) -> list[tuple[str, Fields]]:
        """The replies of a thread by `ts`, oldest first."""
        keys = [row.key.rpartition("/")[2] for row in self.store.table("thread", f"{channel}/{ts}/")]
        return [(key, self.get(channel, key)) for key in keys]

    def everything(self, channel: str) -> Iterator[tuple[str, Fields]]:
        """All messages of a conversation by `ts`, oldest first, those of threads too."""
        for row in self.store.table("message", f"{channel}/"):
            yield ts_of(row.key), row.fields

    def unread(self, channel: str, member: Member) -> int:
        """How many messages of others came after what a member has read."""
        last = self.channels.last_read(channel, member)
        return sum(1 for ts, m in self.history(channel) if ts > last and m["user"] != member.id)

    # -- changing -------------------------------------------------------------------------------------------------

    def post(
        self,
        channel: str,
        author: Member,
        draft: Draft,
        thread: str | None = None,
        broadcast: bool = False,
        *,
        actor: str | None = None,
        moment: int | None = None,
    ) -> str:
        """Post a message and return its `ts`.

        Args:
            channel: The id of the conversation.
            author: Whose it is.
            draft: What it says.
            thread: The `ts` of the message it answers; of a reply, its thread is meant.
            broadcast: A reply that stands in the channel too.
            actor: Who does it, where that is not who is acting now.
            moment: When, in microseconds; default: now.

        Raises:
            NotFound: There is no such message.
            Refused: The author is not in it, it is archived, or the draft cannot be a message.
        """
        self.check(channel, author, draft)
        if thread is not None:
            thread = self.thread_of(channel, thread)
        actor = actor or self._site.actor()
        ts = self._stamp(channel, moment)
        fields = {"user": author.id, **draft.fields, "thread": thread, "broadcast": broadcast and thread is not None}
        fields |= {"edited": None, "pinned": None, "reactions": [], "deleted": False, "by": actor}
        self.store.insert(actor, "message", f"{channel}/{ts}", fields)
        if thread is not None:
            self.store.insert(actor, "thread", f"{channel}/{thread}/{ts}", {})
        return ts

    def whisper(self, channel: str, author: Member, to: Member, draft: Draft) -> str:
        """Show a message to one member only; it is in no history.

        Raises:
            Refused: As `post`, or the other is not in the conversation.
        """
        self.check(channel, author, draft)
        if to.id not in self.channels.get(channel)["members"]:
            raise Refused(f"{to.name} is not in {self.channels.title(channel)}", code="user_not_in_channel")
        ts = self._stamp(channel)
        fields = {"user": author.id, "to": to.id, **draft.fields}
        self.store.insert(self._site.actor(), "ephemeral", f"{channel}/{ts}", fields)
        return ts

    def check(self, channel: str, author: Member, draft: Draft) -> None:
        """Whether somebody may post this here.

        Raises:
            Refused: They are not in it, it is archived, the draft cannot be a message, or there is no room.
        """
        fields = self.channels.writable(channel)
        if author.id not in fields["members"]:
            raise Refused(
                f"{author.name} is not in {self.channels.title(channel)}; join it first", code="not_in_channel"
            )
        draft.check()
        full = self.store.count("message") + self.store.count("ephemeral") >= LIMIT
        if full or self._used() + weight(draft.fields) > ROOM:
            raise Refused("the team's messages take all the room there is", code="message_limit_exceeded")

    def thread_of(self, channel: str, ts: str) -> str:
        """The `ts` of the message that began the thread of a message.

        Raises:
            NotFound: There is no such message.
        """
        try:
            found = self.get(channel, ts)
        except NotFound as error:
            raise NotFound(str(error), code="thread_not_found") from None
        return ts if found["thread"] is None else str(found["thread"])

    def update(self, channel: str, ts: str, by: Member | None, draft: Draft) -> None:
        """Change what a message says.

        Args:
            channel: The id of the conversation.
            ts: Which.
            by: Who; None: the task program, in its author's name.
            draft: All of it from now on.

        Raises:
            NotFound: There is none.
            Refused: It is somebody else's, or the draft cannot be a message.
        """
        found = self.own(channel, ts, by, "cant_update_message")
        draft.check()
        if self._used() + weight(draft.fields) - weight(found) > ROOM:
            raise Refused("the team's messages take all the room there is", code="message_limit_exceeded")
        edited = {"user": by.id if by else found["user"], "ts": self._now()}
        self._update(channel, ts, **{**draft.fields, "edited": edited, "by": self._site.actor()})

    def delete(self, channel: str, ts: str, by: Member | None) -> None:
        """Remove a message; one that has replies leaves its place to them.

        Raises:
            NotFound: There is none.
            Refused: It is somebody else's.
        """
        found = self.own(channel, ts, by, "cant_delete_message")
        actor = self._site.actor()
        if next(iter(self.store.table("thread", f"{channel}/{ts}/")), None) is not None:
            empty = Draft("This message was deleted.").fields
            self._update(channel, ts, **{**empty, "reactions": [], "pinned": None, "deleted": True})
            return
        self.store.delete(actor, "message", f"{channel}/{ts}")
        if found["thread"] is not None:
            self.store.delete(actor, "thread", f"{channel}/{found['thread']}/{ts}")

    def react(self, channel: str, ts: str, member: Member, emoji: str) -> None:
        """Add a reaction.

        Raises:
            NotFound: There is no such message.
            Refused: It cannot be a reaction, is there already, or there are too many.
        """
        reactions = self.get(channel, ts)["reactions"]
        emoji = emoji.strip().strip(":") if "::" not in emoji else emoji.strip()
        if not _EMOJI.fullmatch(emoji):
            raise Refused(f"{emoji[:80]!r} is not the name of an emoji, such as 'thumbsup'", code="invalid_name")
        self.channels.writable(channel)
        found = next((one for one in reactions if one["name"] == emoji), None)
        if found is None:
            if len(reactions) >= REACTIONS:
                raise Refused(f"a message has at most {REACTIONS} different reactions", code="too_many_emoji")
            self._update(channel, ts, reactions=[*reactions, {"name": emoji, "users": [member.id]}])
            return
        if member.id in found["users"]:
            raise Refused(f"{member.name} has reacted with {emoji!r} already", code="already_reacted")
        more = {**found, "users": [*found["users"], member.id]}
        self._update(channel, ts, reactions=[more if one is found else one for one in reactions])

    def unreact(self, channel: str, ts: str, member: Member, emoji: str) -> None:
        """Take a reaction back.

        Raises:
            NotFound: There is no such message.
            Refused: There is no such reaction of the member.
        """
        reactions = self.get(channel, ts)["reactions"]
        emoji = emoji.strip().strip(":") if "::" not in emoji else emoji.strip()
        if not any(one["name"] == emoji and member.id in one["users"] for one in reactions):
            raise Refused(f"{member.name} has not reacted with {emoji[:80]!r}", code="no_reaction")
        left = [
            {**one, "users": [user for user in one["users"] if one["name"] != emoji or user != member.id]}
            for one in reactions
        ]
        self._update(channel, ts, reactions=[one for one in left if one["users"]])

    def pin(self, channel: str, ts: str, member: Member) -> None:
        """Pin a message to its conversation.

        Raises:
            NotFound: There is none.
            Refused: It is pinned.
        """
        if self.get(channel, ts)["pinned"] is not None:
            raise Refused("it is pinned already", code="already_pinned")
        self.channels.writable(channel)
        self._update(channel, ts, pinned={"user": member.id, "time": self._site.clock.now})

    def unpin(self, channel: str, ts: str) -> None:
        """Take a pin away.

        Raises:
            NotFound: There is no such message.
            Refused: It is not pinned.
        """
        if self.get(channel, ts)["pinned"] is None:
            raise Refused("it is not pinned", code="no_pin")
        self._update(channel, ts, pinned=None)

    def pinned(self, channel: str) -> list[tuple[str, Fields]]:
        """The pinned messages of a conversation, the last pinned first."""
        found = [(ts, fields) for ts, fields in self.everything(channel) if fields["pinned"] is not None]
        return sorted(found, key=lambda one: (one[1]["pinned"]["time"], one[0]), reverse=True)

    def own(self, channel: str, ts: str, by: Member | None, code: str) -> Fields:
        """A message that a member may change.

        Raises:
            NotFound: There is none.
            Refused: It is somebody else's.
        """
        found = self.get(channel, ts)
        if by is not None and (found["user"] != by.id or found["deleted"]):
            raise Refused("only its author can change a message", code=code)
        return found

    # -- inside ---------------------------------------------------------------------------------------------------

    def _update(self, channel: str, ts: str, **fields: Value) -> None:
        self.store.update(self._site.actor(), "message", f"{channel}/{ts}", **fields)

    def _now(self) -> str:
        return stamp(self._site.clock.micros)

    def _stamp(self, channel: str, moment: int | None = None) -> str:
        """A `ts` that no message of the conversation has: that of the moment, or right after the last one."""
        wanted = self._now() if moment is None else stamp(moment)
        last = max(self.store.last(table, f"{channel}/") or "" for table in ("message", "ephemeral"))
        return max(wanted, stamp(micros_of(ts_of(last)) + 1)) if last else wanted

    def _used(self) -> int:
        if self._room is None:
            tables = ("message", "ephemeral")
            self._room = sum(weight(row.fields) for table in tables for row in self.store.table(table))
        return self._room

    def _weigh(self, change: Change) -> None:
        if self._room is not None and change.table in ("message", "ephemeral"):
            self._room += weight(change.after) - weight(change.before)


def weight(fields: Fields | None) -> int:
    """How many characters a message takes."""
    if fields is None:
        return 0
    extra = [fields[name] for name in ("blocks", "attachments", "metadata", "files") if fields[name]]
    return len(fields["text"]) + (len(json.dumps(extra)) if extra else 0)


def is_reply(fields: Fields) -> bool:
    """Whether a message stands in a thread only."""
    return fields["thread"] is not None and not fields["broadcast"]


def stamp(micros: int) -> str:
    """A moment as a `ts`: seconds and six digits."""
    return f"{micros // 1_000_000:010d}.{micros % 1_000_000:06d}"


def micros_of(ts: str) -> int:
    """The moment of a `ts`, in microseconds."""
    return int(ts.replace(".", ""))


def ts_of(key: str) -> str:
    """The `ts` in the key of a message."""
    return key.rpartition("/")[2]
