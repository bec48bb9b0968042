"""A team chat for a world: people talk in channels, threads and direct messages; programs use the API of Slack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.capability.slack.channels import IM, MPIM
from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.events import KINDS
from terrarium.capability.slack.face import ChatFace
from terrarium.capability.slack.messages import Draft
from terrarium.capability.slack.shape import file_shape, user_shape
from terrarium.capability.slack.team import Team
from terrarium.capability.slack.tools import SlackTools
from terrarium.core.capability import Equipment, Site, Traits, instance_host, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import Refused
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost

if TYPE_CHECKING:
    from terrarium.capability.slack.api.app import Api

HOSTS = ("slack.com", "www.slack.com", "api.slack.com", "files.slack.com", "hooks.slack.com")


class Slack(ChatFace):
    """A team chat: channels, threads, direct messages, reactions, files, search, and the Web API of Slack.

    Everybody whom the task declares is on the team. Each agent acts as its person, with tokens of its own, which are
    in its sandbox as `SLACK_BOT_TOKEN`, `SLACK_USER_TOKEN` and `SLACK_TOKEN`.

    Configuration:
        accounts (table, default {}): Which person each agent is, `{"agent": "ann"}`. Without it an agent is the person
            that the task declares for it, else a person of its own name.
        people (table, default {}): Further people, by id, as the task's own: `"Ann Lee <ann@corp.example>"`.
        team (text, default "World"): What the team is called.
        storage (size, default "512m"): What all files may take together.

    Shapes:
        channel: `id`, `name` (`#general`; of direct messages all in them, `@ann,@bob`), `kind` (`public`, `private`,
            `im`, `mpim`), `members` (names), `topic`, `purpose`, `archived`.
        message: `ts`, which names it in its conversation; `channel`, `user` (a name), `text` as people read it, `time`
            (datetime), `thread` (the `ts` that it answers, or None), `replies` (how many), `reactions` (names by
            emoji), `files` (each `id`, `name`), `edited`, `pinned`, where there are any `blocks` and `attachments`, and
            `by`, who wrote it last: `task`, an agent, or a sandbox.
        file: `id`, `name`, `title`, `mimetype`, `size`, `user`, `created`, `shares` (each `channel`, `ts`).
    """

    traits: ClassVar[Traits] = Traits()
    peopled: ClassVar[bool] = True

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, an agent or person that is not there, or a value that cannot be one.
            Refused: Another capability serves one of its hosts.
            CapabilityFault: The state cannot be read.
        """
        self._site = site
        self._team = Team(site)
        self._store = site.rows()
        self._chat = Chat(site, self._store, self._team)
        self._api: Api | None = None
        self._host = instance_host(site.name, "slack.com")
        self._web = WebHost(site, [instance_host(site.name, host) for host in HOSTS], self._serve, name="slack")
        await self._web.open()

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do, as the person it is.

        Raises:
            NotFound: There is no such agent.
        """
        return SlackTools(self._chat, self._team.of_agent(agent)).tools(self._site.name)

    def equipment(self, agent: str) -> Equipment:
        """The tokens of the agent, and the secret that events sent to it are signed with.

        Raises:
            NotFound: There is no such agent.
        """
        member = self._team.of_agent(agent)
        tokens = self._team.tokens(member)
        return Equipment(
            env={
                "SLACK_BOT_TOKEN": tokens["bot"],
                "SLACK_SIGNING_SECRET": self._team.signing_secret(member),
                "SLACK_TOKEN": tokens["user"],
                "SLACK_USER_TOKEN": tokens["user"],
            }
        )

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            channel: The id: a conversation, its members (ids), topic and purpose.
            ephemeral: `channel/ts`: a message that was shown to one person only.
            file: The id: a file; its bytes are a blob.
            message: `channel/ts`: a message, its text as mrkdwn, with its reactions.
            ratelimit: A method of the Web API, or `*`: how often it will still say that it is asked too much.
            read: `channel/user`: how far somebody has read.
            scheduled: The id: a message that is posted later.
            subscription: `agent/url`: where events are posted.
            thread: `channel/thread/ts`: which messages are in a thread.
            webhook: A secret: where an incoming webhook posts.
        """
        return self._store.all()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without places of replies in threads, new direct messages (messages count), and refused calls."""
        return [
            c for c in changes if c.table not in ("thread", "ratelimit") and not (c.table == "channel" and _opened(c))
        ]

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`."""
        self._store.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; idempotent."""
        if hasattr(self, "_web"):
            await self._web.close()
            await self._chat.close()
            self._store.close()

    async def _serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request; the libraries for it are loaded with the first."""
        if self._api is None:
            from terrarium.capability.slack.api.app import Api

            self._api = Api(self._chat)
        await self._api.app(scope, receive, send)

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where programs find the Web API, and which team it is."""
        return {"api_url": f"https://{self._host}/api/", "team": self._team.name, "team_id": self._team.id}

    # -- people ---------------------------------------------------------------------------------------------------

    @reads
    def users(self) -> list[dict[str, Value]]:
        """Everybody on the team: each `id`, `name`, `real_name`, `email`, `agent` (who acts as them, or None)."""
        return [user_shape(member) | {"agent": member.agent} for member in self._team.members.values()]

    # -- files ----------------------------------------------------------------------------------------------------

    @writes(notifies="channel")
    def upload(
        self,
        person: str,
        channel: str,
        name: str,
        content: bytes | str,
        comment: str = "",
        thread: str | None = None,
    ) -> str:
        """Share a file in a person's name and return its id.

        Args:
            person: Who shares it; they must be in the channel.
            channel: As for `post`.
            name: Such as `plan.txt`.
            content: Bytes, or text.
            comment: The text of the message.
            thread: The `ts` of the message that it answers.

        Raises:
            NotFound: There is no such person, channel or message.
            Refused: They are not in it, the file is empty, or there is no room.
        """
        id, author = self._find(channel), self._team.named(person)
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        if type(data) is not bytes or type(name) is not str or type(comment) is not str:
            raise Refused("a file is a name, and bytes or text")
        self._chat.messages.check(id, author, Draft(comment, files=[name]))
        if thread is not None:
            self._chat.messages.thread_of(id, thread)
        file, secret = self._chat.files.begin(author, name, len(data))
        self._chat.files.receive(secret, data)
        self._chat.share(author, [(file, None)], id, self._chat.typed(comment), thread)
        return file

    @reads
    def files(self, person: str | None = None) -> list[dict[str, Value]]:
        """The files, newest first: all, or those that a person sees. Each is a `file`.

        Raises:
            NotFound: There is no such person.
        """
        return [file_shape(self._chat, id, fields) for id, fields in self._chat.files.all(self._viewer(person))]

    @reads
    def read_file(self, file: str) -> bytes:
        """What is in a file, by its id.

        Raises:
            NotFound: There is none.
        """
        return self._chat.files.content(file)

    # -- programs -------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def subscribe(self, agent: str, url: str, kinds: list[str] | None = None, sandbox: str | None = None) -> None:
        """Have what happens posted to a program in an agent's sandbox, as Slack's Events API does.

        Told is what happens in conversations that the agent's person is in. Every request is signed (`v0`) with
        `SLACK_SIGNING_SECRET`. A program that does not answer within 10 s, or is not there, misses the event.

        Args:
            agent: Whose program it is.
            url: Where it listens, such as `http://localhost:3000/slack/events`.
            kinds: Of `app_mention`, `member_joined_channel`, `message`, `reaction_added`, `reaction_removed`; default:
                all.
            sandbox: Where it runs; default: `workspace`, and of several agents `workspace:<agent>`.

        Raises:
            NotFound: There is no such agent.
            ConfigError: It is no such address.
            Refused: There is no such kind.
        """
        self._team.of_agent(agent)
        usual = "workspace" if len(self._site.agents) - len(self._site.residents) == 1 else f"workspace:{agent}"
        self._chat.events.subscribe(agent, url, sandbox or usual, list(KINDS) if kinds is None else kinds)

    @writes(silent=True)
    def unsubscribe(self, agent: str, url: str) -> None:
        """Post no more events there.

        Raises:
            NotFound: None are posted there.
        """
        self._chat.events.unsubscribe(agent, url)

    @writes(silent=True)
    def create_webhook(self, person: str, channel: str) -> str:
        """Make an incoming webhook: an address where programs post JSON such as `{"text": "done"}`. Returns it.

        Args:
            person: In whose name messages are.
            channel: Where they come.

        Raises:
            NotFound: There is no such person or channel.
        """
        id, member = self._find(channel), self._team.named(person)
        secret = self._site.rng.token(self._site.name, 24)
        self._store.insert(self._site.actor(), "webhook", secret, {"channel": id, "user": member.id})
        return f"https://hooks.{self._host}/services/{self._team.id}/B{self._team.app_id[1:]}/{secret}"

    @writes(silent=True)
    def limit_rate(self, times: int = 1, seconds: int = 30, method: str = "*") -> None:
        """Have the Web API answer the next calls with status 429, as Slack does where it is asked too much.

        Args:
            times: How many calls; 0: none any more.
            seconds: How long clients are told to wait.
            method: Only this one, such as `chat.postMessage`.

        Raises:
            Refused: An argument cannot be one.
        """
        if type(times) is not int or type(seconds) is not int or times < 0 or seconds < 0:
            raise Refused("times and seconds are whole numbers of 0 or more")
        before = self._store.get("ratelimit", method)
        after = {"seconds": seconds, "times": times} if times else None
        if before != after:
            self._store.change(self._site.actor(), "ratelimit", method, before, after)


def _opened(change: RowChange) -> bool:
    """Whether a conversation is new direct messages."""
    return change.before is None and change.after is not None and change.after["kind"] in (IM, MPIM)
