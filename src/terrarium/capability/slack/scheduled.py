"""Messages that are posted later: when the world's time passes their moment."""

from __future__ import annotations

from collections.abc import Callable

from terrarium.capability.slack.channels import Channels
from terrarium.capability.slack.messages import Draft, Messages
from terrarium.capability.slack.team import Member, code_of
from terrarium.core.errors import CapabilityFault, NotFound, Refused
from terrarium.core.rows import Fields, Row

LIMIT = 1000  # messages that wait
AHEAD = 120 * 86_400  # seconds


class Scheduled:
    """The messages of one team that wait for their moment.

    Args:
        channels: Where they will be.
        messages: What they will be among.
        posted: Told of each that was posted: its conversation and `ts`.
    """

    def __init__(self, channels: Channels, messages: Messages, posted: Callable[[str, str], None]) -> None:
        self._channels = channels
        self._messages = messages
        self._posted = posted
        self._store = channels.store
        self._site = channels.site
        self._site.clock.watch(self.time_moved)

    def close(self) -> None:
        """Post no more; idempotent."""
        self._site.clock.unwatch(self.time_moved)

    def add(self, channel: str, author: Member, draft: Draft, at: int, thread: str | None = None) -> str:
        """Have a message posted later; gives its id.

        Args:
            channel: The id of the conversation.
            author: Whose it is.
            draft: What it says.
            at: When, in seconds since 1970.
            thread: The `ts` of the message it answers.

        Raises:
            NotFound: There is no such message to answer.
            Refused: The author could not post it now, the moment is past or more than 120 days ahead, or there are too
                many.
        """
        self._messages.check(channel, author, draft)
        if thread is not None:
            thread = self._messages.thread_of(channel, thread)
        now = self._site.clock.micros // 1_000_000
        if at <= now:
            raise Refused("that moment is past", code="time_in_past")
        if at > now + AHEAD:
            raise Refused("messages are scheduled for the next 120 days", code="time_too_far")
        if self._store.count("scheduled") >= LIMIT:
            raise Refused(f"at most {LIMIT} messages can wait", code="restricted_too_many")
        id = f"Q{code_of(self._site.rng.stream(self._site.name).getrandbits(60), 10)}"
        fields = {"channel": channel, "user": author.id, "at": at, "thread": thread, **draft.fields}
        fields |= {"created": now, "by": self._site.actor()}
        self._store.insert(self._site.actor(), "scheduled", id, fields)
        return id

    def of(self, member: Member) -> list[tuple[str, Fields]]:
        """Those of a member by id, in the order of their moments."""
        found = [(row.key, row.fields) for row in self._store.table("scheduled") if row.fields["user"] == member.id]
        return sorted(found, key=lambda one: (one[1]["at"], one[0]))

    def cancel(self, id: str, channel: str, member: Member) -> None:
        """Have it not posted.

        Raises:
            NotFound: Nothing of that id waits there.
        """
        found = self._store.get("scheduled", id)
        if found is None or found["user"] != member.id or found["channel"] != channel:
            raise NotFound(f"no message {id[:40]!r} waits there", code="invalid_scheduled_message_id")
        self._store.delete(self._site.actor(), "scheduled", id)

    def time_moved(self) -> None:
        """Post what is due. One that cannot be posted any more, as its author has left the channel, is dropped."""
        if not self._store.count("scheduled"):
            return
        now = self._site.clock.micros
        due = [row for row in self._store.table("scheduled") if row.fields["at"] * 1_000_000 <= now]
        for row in sorted(due, key=lambda row: (row.fields["at"], row.key)):
            self._post(row)

    def _post(self, row: Row) -> None:
        fields = row.fields
        self._store.delete(fields["by"], "scheduled", row.key)
        draft = Draft(**{name: fields[name] for name in ("text", "blocks", "attachments", "metadata", "files")})
        author, at = self._channels.team.members[fields["user"]], fields["at"] * 1_000_000
        try:
            ts = self._messages.post(fields["channel"], author, draft, fields["thread"], actor=fields["by"], moment=at)
        except CapabilityFault:
            return
        self._posted(fields["channel"], ts)
