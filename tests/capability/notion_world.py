"""Real Notion clients against a workspace in this process: its port is on the machine's own loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from loopback import Loopback

from terrarium.capability.notion.notion import HOST, Notion
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network, Service
from terrarium.core.person import declared
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng

T = TypeVar("T")


class LiveNotion:
    """An open `Notion` whose server runs on a loop of its own, with a sandbox called after each agent."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent", "other"),
        config: Mapping[str, Any] | None = None,
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.changes: list[Change] = []
        self.failures: list[tuple[Service, Exception]] = []
        self.told: list[tuple[str, str]] = []
        self.holder = "task"
        self.clock = Clock()
        self.boxes = {agent: Loopback() for agent in agents}
        self.notion = Notion()
        self._clients: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append((service, error)))
            site = Site(
                name="notion",
                folder=folder / "notion",
                config=config or {},
                clock=self.clock,
                rng=Rng(seed),
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=asyncio.run,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                notify=lambda agent, text: self.told.append((agent, text)),
                people=declared(people or {}, agents),
            )
            await self.notion.open(site)
            for agent, box in self.boxes.items():
                await self.network.join(box, Caller(agent, agent))

        self.run(go())

    def __enter__(self) -> LiveNotion:
        return self

    def __exit__(self, *exc: object) -> None:
        for client in self._clients:
            client.close()

        async def end() -> None:
            await self.network.close()
            await self.notion.close()

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not self.failures, self.failures

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

    def ask(self, method: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call an admin method as the task program does: while nobody else acts."""

        async def go() -> T:
            async with self._baton:
                return method(*args, **named)

        return self.run(go())

    def use(self, verb: str, agent: str = "agent", **arguments: Any) -> Any:
        """A tool of an agent."""
        [tool] = [tool for tool in self.notion.tools(agent) if tool.name == f"notion_{verb}"]

        async def go() -> Any:
            async with self._baton:
                self.holder = agent
                try:
                    return tool.function(**tool.bind(arguments))
                finally:
                    self.holder = "task"

        return self.run(go())

    def url(self, agent: str = "agent") -> str:
        """Where an agent's clients find it."""
        return f"http://127.0.0.1:{self.boxes[agent].ports[self.network.name(HOST), 80]}"

    def token(self, agent: str = "agent") -> str:
        """The token in an agent's sandbox."""
        return self.notion.equipment(agent).env["NOTION_TOKEN"]

    def client(self, agent: str = "agent", version: str = "2025-09-03", **options: Any) -> Any:
        """The official Python client."""
        import notion_client

        made = {"auth": self.token(agent), "base_url": self.url(agent), "notion_version": version, "retry": False}
        self._clients.append(notion_client.Client(**{**made, **options}))
        return self._clients[-1]

    def http(self, agent: str = "agent", version: str = "2025-09-03") -> Any:
        """Plain requests, logged in."""
        headers = {"authorization": f"Bearer {self.token(agent)}", "notion-version": version}
        self._clients.append(httpx.Client(base_url=f"{self.url(agent)}/v1/", headers=headers, timeout=30))
        return self._clients[-1]
