"""The conversations of a team: public and private channels, direct messages, who is in them and how far they read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from terrarium.capability.slack.team import Member, Team, code_of
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import Value

PUBLIC, PRIVATE, IM, MPIM = "public", "private", "im", "mpim"
LIMIT = 2000  # conversations of a team
GROUP = 9  # people of a group of direct messages
NAME = 80
TOPIC = 250
_NAME = re.compile(r"[\w-]+")


class Channels:
    """The conversations of one team.

    Args:
        site: Time, randomness, and who acts.
        store: The state.
        team: Who there is.
    """

    def __init__(self, site: Site, store: Rows, team: Team) -> None:
        self.site = site
        self.store = store
        self.team = team

    # -- looking --------------------------------------------------------------------------------------------------

    def get(self, id: str, viewer: Member | None = None) -> Fields:
        """A conversation by id.

        Args:
            id: Its id.
            viewer: Who looks; None: the task program, which sees all.

        Raises:
            NotFound: There is none, or the viewer may not see it.
        """
        found = self.store.get("channel", id)
        if found is None or not sees(found, viewer):
            raise NotFound(f"there is no conversation {id[:80]!r}", code="channel_not_found")
        return found

    def all(self, viewer: Member | None = None) -> Iterator[tuple[str, Fields]]:
        """The conversations that a member sees, by id."""
        for row in self.store.table("channel"):
            if sees(row.fields, viewer):
                yield row.key, row.fields

    def named(self, name: str, viewer: Member | None = None) -> str | None:
        """The id of a channel by name."""
        wanted = name.removeprefix("#").lower()
        return next((id for id, fields in self.all(viewer) if fields["name"] == wanted), None)

    def find(self, said: str, viewer: Member | None = None) -> str:
        """The id of the conversation somebody names: an id, `general`, `#general`, or people as `@ann,@bob`.

        Raises:
            NotFound: There is none that the viewer sees.
        """
        said = said.strip()
        if said.startswith("@"):
            people = [self.team.named(part) for part in said.split(",") if part.strip()]
            found = self.direct(people if viewer is None else [viewer, *people])
        else:
            known = self.store.get("channel", said)
            found = said if known is not None and sees(known, viewer) else self.named(said, viewer)
        if found is None:
            there = ", ".join(self.title(id) for id, fields in self.all(viewer) if not fields["archived"])[:500]
            raise NotFound(
                f"there is no conversation {said[:80]!r}; there are: {there or 'none'}", code="channel_not_found"
            )
        return found

    def direct(self, people: Iterable[Member]) -> str | None:
        """The id of the direct messages among exactly these people, where there are any yet."""
        wanted = sorted({person.id for person in people})
        for row in self.store.table("channel"):
            if row.fields["kind"] in (IM, MPIM) and row.fields["members"] == wanted:
                return row.key
        return None

    def title(self, id: str) -> str:
        """What people call it: `#general`, or `@ann,@bob`."""
        fields = self.store.get("channel", id)
        if fields is None:
            return id
        if fields["kind"] in (PUBLIC, PRIVATE):
            return f"#{fields['name']}"
        return ",".join(sorted(f"@{self.team.shown(one)}" for one in fields["members"]))

    def last_read(self, id: str, member: Member) -> str:
        """The `ts` up to which a member has read."""
        found = self.store.get("read", f"{id}/{member.id}")
        return str(found["ts"]) if found else "0000000000.000000"

    # -- changing -------------------------------------------------------------------------------------------------

    def create(self, creator: Member, name: str, private: bool, members: Iterable[Member] = ()) -> str:
        """Make a channel and return its id.

        Raises:
            Refused: The name cannot be one or is taken, or there are too many.
        """
        name = self._checked(name)
        people = {creator.id: None, **{one.id: None for one in members}}
        return self._made(PRIVATE if private else PUBLIC, name, creator, list(people))

    def open(self, people: Iterable[Member]) -> str:
        """The direct messages among people, made where there are none yet.

        Raises:
            Refused: They are too many.
        """
        members = {person.id: person for person in people}
        if len(members) > GROUP:
            raise Refused(f"direct messages have at most {GROUP} people; use a channel", code="too_many_users")
        found = self.direct(members.values())
        if found is not None:
            return found
        return self._made(IM if len(members) <= 2 else MPIM, None, next(iter(members.values())), sorted(members))

    def invite(self, id: str, people: Iterable[Member]) -> list[Member]:
        """Add people; gives those who were not in it yet.

        Raises:
            Refused: It is archived, or direct messages.
        """
        fields = self.writable(id)
        self._no_direct(fields)
        new = {one.id: one for one in people if one.id not in fields["members"]}
        if new:
            self._update(id, members=[*fields["members"], *new])
        return list(new.values())

    def remove(self, id: str, member: Member) -> None:
        """Take somebody out.

        Raises:
            Refused: They are not in it, or it is direct messages.
        """
        fields = self.get(id)
        self._no_direct(fields)
        if member.id not in fields["members"]:
            raise Refused(f"{member.name} is not in {self.title(id)}", code="not_in_channel")
        self._update(id, members=[one for one in fields["members"] if one != member.id])

    def rename(self, id: str, name: str) -> None:
        """Give a channel another name.

        Raises:
            Refused: As `create`, or it is direct messages.
        """
        self._no_direct(self.writable(id))
        if self.get(id)["name"] != name:
            self._update(id, name=self._checked(name))

    def archive(self, id: str, archived: bool) -> None:
        """Close a channel for good, or open it again.

        Raises:
            Refused: It is already, or direct messages.
        """
        fields = self.get(id)
        self._no_direct(fields)
        if fields["archived"] == archived:
            word = "archived already" if archived else "not archived"
            raise Refused(f"{self.title(id)} is {word}", code="already_archived" if archived else "not_archived")
        self._update(id, archived=archived)

    def describe(self, id: str, what: str, text: str, by: Member) -> None:
        """Set the `topic` or `purpose`.

        Raises:
            Refused: It is archived, or the text too long.
        """
        self.writable(id)
        if len(text) > TOPIC:
            raise Refused(f"the {what} has at most {TOPIC} characters", code="too_long")
        self._update(id, **{what: {"value": text, "creator": by.id, "last_set": self.site.clock.now}})

    def mark(self, id: str, member: Member, ts: str) -> None:
        """Write down how far somebody has read."""
        key = f"{id}/{member.id}"
        before = self.store.get("read", key)
        if before is None or before["ts"] != ts:
            self.store.change(self.site.actor(), "read", key, before, {"ts": ts}, trace=True)

    def writable(self, id: str) -> Fields:
        """A conversation that is not archived.

        Raises:
            Refused: It is.
        """
        fields = self.get(id)
        if fields["archived"]:
            raise Refused(f"{self.title(id)} is archived", code="is_archived")
        return fields

    def _update(self, id: str, **fields: Value) -> None:
        self.store.update(self.site.actor(), "channel", id, **fields)

    def _made(self, kind: str, name: str | None, creator: Member, members: list[str]) -> str:
        if self.store.count("channel") >= LIMIT:
            raise Refused(f"a team has at most {LIMIT} conversations", code="restricted_action")
        stream = self.site.rng.stream(self.site.name)
        id = {IM: "D", MPIM: "G"}.get(kind, "C") + code_of(stream.getrandbits(60), 10)
        empty = {"value": "", "creator": "", "last_set": None}
        fields: dict[str, Value] = {"kind": kind, "name": name, "creator": creator.id, "created": self.site.clock.now}
        fields |= {"members": members, "topic": empty, "purpose": empty, "archived": False}
        self.store.insert(self.site.actor(), "channel", id, fields)
        return id

    def _no_direct(self, fields: Fields) -> None:
        if fields["kind"] in (IM, MPIM):
            raise Refused(
                "direct messages stay among those who have them", code="method_not_supported_for_channel_type"
            )

    def _checked(self, name: str) -> str:
        name = name.strip().removeprefix("#")
        if not name:
            raise Refused("a channel needs a name", code="invalid_name_required")
        if len(name) > NAME:
            raise Refused(f"a channel's name has at most {NAME} characters", code="invalid_name_maxlength")
        if not _NAME.fullmatch(name) or name != name.lower():
            raise Refused(
                f"{name!r} cannot be a channel's name: use small letters, digits, '-' and '_'",
                code="invalid_name_specials",
            )
        if any(row.fields["name"] == name for row in self.store.table("channel")):
            raise Refused(f"there is a channel #{name} already", code="name_taken")
        return name


def sees(fields: Fields, viewer: Member | None) -> bool:
    """Whether somebody may see a conversation; None, the task program, sees all."""
    return viewer is None or fields["kind"] == PUBLIC or viewer.id in fields["members"]
