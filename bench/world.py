"""A whole world with one capability, whose ports are ports of the machine: what servers are measured in."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from terrarium.core.capability import Capability
from terrarium.core.clock import Clock
from terrarium.core.journal import Journal
from terrarium.core.network import Caller
from terrarium.core.seeds import Rng
from terrarium.core.world import World


@asynccontextmanager
async def serving(spec: str, capability: Callable[[], Capability]) -> AsyncIterator[tuple[World, Callable[[int], int]]]:
    """A world with a journal and one capability; and a function from its ports to ports of the machine."""
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        clock = Clock()
        world = World(
            Path(folder) / "world",
            clock=clock,
            rng=Rng(7),
            journal=Journal(Path(folder) / "journal.jsonl", lambda: clock.micros),
            opener=lambda spec, config: capability(),
            sandbox=lambda world, spec, config: sys.exit("nobody asked for a sandbox"),
        )
        await world.acquire(spec)
        box = _Loopback()
        await world.network.join(box, Caller("agent", "workspace"))
        try:
            yield world, box.ports.__getitem__
        finally:
            await world.close()
            world.journal.close()


class _Loopback:
    """A member of the network whose ports are free ones of the machine."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}

    async def listen(self, address: str, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        self.ports[port] = listener.getsockname()[1]
        return listener

    async def dial(self, address: str, port: int) -> socket.socket:
        raise NotImplementedError

    async def name_hosts(self, hosts: str) -> None:
        """Names are not needed."""
