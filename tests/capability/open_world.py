"""Several capabilities of one small world in this process, with the ports of each agent on the machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from loopback import Loopback

from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network, Service
from terrarium.core.person import declared
from terrarium.core.post import hand_over
from terrarium.core.proxy import Proxy
from terrarium.core.registry import find
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng

T = TypeVar("T")
AGENTS = ("agent", "other")


class OpenWorld:
    """Capabilities by name, open on one network, clock and seed, on a loop of their own."""

    def __init__(
        self,
        folder: Path,
        configs: Mapping[str, Mapping[str, Any]],
        *,
        seed: int = 7,
        people: Mapping[str, Any] | None = None,
        proxy: Callable[[str], Proxy | None] = lambda agent: None,
    ) -> None:
        self.failures: list[tuple[Service, Exception]] = []
        self.changes: list[Change] = []
        self.told: list[tuple[str, str]] = []
        self.holder, self.marker = "task", ""  # the marker is for tests that tell worlds apart
        self.clock, self.rng = Clock(), Rng(seed)
        self.boxes = {agent: Loopback() for agent in AGENTS}
        self.capabilities: dict[str, Any] = {}
        self._people, self._proxy = declared(people or {}, AGENTS), proxy
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self._open(folder, configs))

    async def _open(self, folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> None:
        self._baton = asyncio.Lock()
        self.network = Network(lambda service, error: self.failures.append((service, error)))
        for name, config in configs.items():
            capability = find("capability", name.partition(":")[0])()
            site = Site(
                name=name,
                folder=folder / name,
                config=config,
                clock=self.clock,
                rng=self.rng,
                agents=AGENTS,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=self.run,
                block=self.run,
                sandbox=lambda part="", **settings: find("sandbox", "memory")(Ground(self.clock)),
                network=self.network,
                request=self._request,
                proxy=self._proxy,
                post=lambda kind, letter: hand_over(self.capabilities, kind, letter),
                notify=lambda agent, text: self.told.append((agent, text)),
                people=self._people,
            )
            await capability.open(site)
            self.capabilities[name] = capability
        for agent, box in self.boxes.items():
            await self.network.join(box, Caller(agent, agent))

    def __enter__(self) -> OpenWorld:
        return self

    def __exit__(self, *exc: object) -> None:
        async def end() -> None:
            await self.network.close()
            for capability in self.capabilities.values():
                await capability.close()

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

    def __getitem__(self, name: str) -> Any:
        return self.capabilities[name]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the loop do something, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def rows(self, *names: str) -> dict[str, list[Row]]:
        """The state of these capabilities, or of all."""
        return {name: list(self.capabilities[name].rows()) for name in names or self.capabilities}

    def use(self, tool: str, agent: str = "agent", **arguments: Any) -> Any:
        """A tool of an agent, by its whole name."""
        for capability in self.capabilities.values():
            for found in capability.tools(agent):
                if found.name == tool:
                    self.holder = agent
                    try:
                        made = found.function(**found.bind(arguments))
                        return self.run(made) if inspect.iscoroutine(made) else made
                    finally:
                        self.holder = "task"
        raise AssertionError(f"there is no tool {tool}")

    def port(self, host: str, port: int = 80, agent: str = "agent") -> int:
        """Where on the machine a port of a host is for an agent."""
        return self.boxes[agent].ports[self.network.name(host), port]

    def origin(self, host: str, agent: str = "agent") -> str:
        """Where a host's plain HTTP is for an agent."""
        return f"http://127.0.0.1:{self.port(host, 80, agent)}"
