"""A chat whose hosts are on the machine's own loopback, and Slack's own client for it."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from live import Live, Loopback
from slack_sdk import WebClient

from terrarium.capability.slack.slack import Slack
from terrarium.core.network import Caller

PEOPLE = {
    "ann": "Ann Lee <ann@corp.example>",
    "bob": {"name": "Bob Ray", "address": "bob@corp.example", "agent": "agent"},
    "carl": "Carl <carl@corp.example>",
}


class Receiver(Loopback):
    """A sandbox in which a program listens: a real port of the machine, whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.listening: tuple[str, int] | None = None

    async def dial(self, address: str, port: int) -> Any:
        import socket

        if self.listening is None:
            return await super().dial(address, port)
        made = socket.create_connection(self.listening)
        made.setblocking(False)
        return made


class LiveSlack(Live):
    """An open `Slack`, with the sandbox of the first agent, and one that is nobody's."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: tuple[str, ...] = ("agent",),
        people: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.slack, self.box, self.outside = Slack(), Receiver(), Loopback()
        boxes = {Caller(agents[0], "workspace"): self.box, Caller(None, "outside"): self.outside}
        people = PEOPLE if people is None else people
        super().__init__(self.slack, folder, "slack", agents=agents, config=config, people=people, boxes=boxes)

    @property
    def origin(self) -> str:
        """Where `slack.com` is on this machine, for somebody who is in no agent's sandbox."""
        return f"http://127.0.0.1:{self.outside.ports[self.network.name('slack.com'), 80]}"

    @property
    def inside(self) -> str:
        """Where it is for the first agent's sandbox."""
        return f"http://127.0.0.1:{self.box.ports[self.network.name('slack.com'), 80]}"

    def token(self, person: str, kind: str = "user") -> str:
        """A token of somebody."""
        team = self.slack._team
        return team.tokens(team.named(person))[kind]

    def client(self, person: str = "bob") -> WebClient:
        """Slack's own client, as a person."""
        agent = self.slack._team.named(person).agent is not None
        return WebClient(token=self.token(person), base_url=f"{self.inside if agent else self.origin}/api/")

    def tool(self, verb: str, agent: str = "agent", **arguments: Any) -> Any:
        """A tool of an agent."""
        [found] = [tool for tool in self.slack.tools(agent) if tool.name == f"slack_{verb}"]
        self.holder = agent
        try:
            return found.function(**found.bind(arguments))
        finally:
            self.holder = "task"

    def raw(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """One request, and what comes back."""
        asked = urllib.request.Request(f"{self.origin}{path}", body, dict(headers or {}))
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers
