"""A chat whose hosts are on the machine's own loopback, and Slack's own client for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from loopback import Loopback
from slack_sdk import WebClient

from terrarium.capability.slack.slack import Slack
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network, Service
from terrarium.core.person import declared
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng

T = TypeVar("T")
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


class LiveSlack:
    """An open `Slack` whose hosts are served on a loop of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: tuple[str, ...] = ("agent",),
        people: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.changes: list[Change] = []
        self.told: list[tuple[str, str]] = []
        self.failures: list[tuple[Service, Exception]] = []
        self.holder, self.clock, self.box, self.outside = "task", Clock(), Receiver(), Loopback()
        self.slack = Slack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append((service, error)))
            site = Site(
                name="slack",
                folder=folder / "slack",
                config=config or {},
                clock=self.clock,
                rng=Rng(7),
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=asyncio.run,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                notify=lambda agent, text: self.told.append((agent, text)),
                people=declared(PEOPLE if people is None else people, agents),
            )
            await self.slack.open(site)
            await self.network.join(self.box, Caller(agents[0], "workspace"))
            await self.network.join(self.outside, Caller(None, "outside"))

        self.run(go())

    def __enter__(self) -> LiveSlack:
        return self

    def __exit__(self, *exc: object) -> None:
        async def end() -> None:
            await self.network.close()
            await self.slack.close()

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.asynccontextmanager
    async def _request(self, caller: Caller) -> AsyncIterator[None]:
        async with self._baton:
            self.holder = caller.name
            try:
                yield
            finally:
                self.holder = "task"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the loop do something."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def ask(self, method: Callable[..., T], *args: Any) -> T:
        """Do something as the task program does: while nobody else acts."""

        async def go() -> T:
            async with self._baton:
                return method(*args)

        return self.run(go())

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
