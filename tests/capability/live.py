"""A capability that is open in this process, on a loop of its own, with its ports on the machine's own loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.errors import NotFound
from terrarium.core.network import Caller, Network, Service
from terrarium.core.person import declared
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng

T = TypeVar("T")


class Loopback:
    """A member of a world's network without a namespace of its own: every port of it is a free one of the machine."""

    def __init__(self) -> None:
        self.ports: dict[tuple[str, int], int] = {}
        self.hosts = ""

    async def listen(self, address: str, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.ports[address, port] = listener.getsockname()[1]
        return listener

    async def dial(self, address: str, port: int) -> socket.socket:
        raise NotFound(f"nobody listens on {address}:{port}")

    async def name_hosts(self, hosts: str) -> None:
        self.hosts = hosts


class Live:
    """An open capability, with a sandbox called after each agent.

    Args:
        capability: Not yet open.
        folder: In which it has its own.
        name: Of the capability.
        seed: Of its random streams.
        agents: Names of the agents.
        config: Its settings.
        people: As a task declares them.
        clock: World time.
        boxes: The sandboxes, with who is in each; default: one for each agent.
    """

    def __init__(
        self,
        capability: Any,
        folder: Path,
        name: str,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent", "other"),
        config: Mapping[str, Any] | None = None,
        people: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        boxes: Mapping[Caller, Loopback] | None = None,
    ) -> None:
        self.capability = capability
        self.changes: list[Change] = []
        self.failures: list[tuple[Service, Exception]] = []
        self.told: list[tuple[str, str]] = []
        self.holder = "task"
        self.clock, self.rng = clock or Clock(), Rng(seed)
        callers = {Caller(agent, agent): Loopback() for agent in agents} if boxes is None else boxes
        self.boxes = {caller.sandbox: box for caller, box in callers.items()}
        self.clients: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append((service, error)))
            self.site = Site(
                name=name,
                folder=folder / name,
                config=config or {},
                clock=self.clock,
                rng=self.rng,
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=_in_thread,
                block=_in_thread,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                notify=lambda agent, text: self.told.append((agent, text)),
                people=declared(people or {}, agents),
            )
            await capability.open(self.site)
            for caller, box in callers.items():
                await self.network.join(box, caller)

        try:
            self.run(go())
        except Exception:
            self._stop()
            raise

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        for client in self.clients:
            client.close()

        async def end() -> None:
            await self.network.close()
            await self.capability.close()

        self.run(end())
        self._stop()
        assert not self.failures, self.failures

    def _stop(self) -> None:
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

    def ask(self, method: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call an admin method as the task program does: while nobody else acts."""

        async def go() -> T:
            async with self._baton:
                return method(*args, **named)

        return self.run(go())

    def use(self, verb: str, agent: str = "agent", **arguments: Any) -> Any:
        """A tool of an agent."""
        [tool] = [tool for tool in self.capability.tools(agent) if tool.name == f"{self.site.name}_{verb}"]

        async def go() -> Any:
            async with self._baton:
                self.holder = agent
                try:
                    return tool.function(**tool.bind(arguments))
                finally:
                    self.holder = "task"

        return self.run(go())

    def port(self, port: int, agent: str = "agent", host: str = "") -> int:
        """Where on the machine a port of a host is for an agent."""
        return self.boxes[agent].ports[self.network.name(host), port]


def _in_thread(work: Coroutine[Any, Any, T]) -> T:
    """What an admin method waits for, on a loop of its own: the stand's may be the one that asks."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]
