"""Mail over sockets: deliveries a second into a whole world, beside a bare aiosmtpd that throws every mail away."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figure import Figure, at_least, median, spread
from terrarium.capability.email import Email
from terrarium.core.clock import Clock
from terrarium.core.journal import Journal
from terrarium.core.network import Caller
from terrarium.core.seeds import Rng
from terrarium.core.world import World

DELIVERIES = 600.0  # mails a second over SMTP

SENDER = """
import smtplib, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
body = "Numbers for the quarter.\\r\\n" * 20
with smtplib.SMTP("127.0.0.1", port, "client.world") as client:
    client.ehlo()
    began = time.perf_counter()
    for number in range(count):
        head = f"From: ann@corp.example\\r\\nTo: bob@corp.example\\r\\nSubject: Mail {number}\\r\\n"
        head += f"Message-ID: <{number}@x>\\r\\n"
        client.sendmail("ann@corp.example", ["bob@corp.example"], head + "\\r\\n" + body)
    print(time.perf_counter() - began)
"""
FETCHER = """
import poplib, sys, time
began = time.perf_counter()
client = poplib.POP3("127.0.0.1", int(sys.argv[1]))
client.user("bob@corp.example"); client.pass_("x")
count = client.stat()[0]
for number in range(count):
    client.retr(number + 1)
client.quit()
assert count == int(sys.argv[2]), count
print(time.perf_counter() - began)
"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """SMTP deliveries, the same into a sink, and fetching by POP3; clients are processes of their own."""
    yield from asyncio.run(_wire(*((20, 1) if quick else (2000, 3))))


async def _wire(count: int, repeats: int) -> list[Figure]:
    delivered, sunk, fetched = [], [], []
    for _ in range(repeats):
        async with _world() as port:
            delivered.append(count / await _client(SENDER, port(25), count))
            fetched.append(count / await _client(FETCHER, port(110), count))
        sunk.append(count / await _sink(count))
    return [
        Figure(f"SMTP, {count:,} mails", median(delivered), "mails/s", at_least(DELIVERIES), spread(delivered)),
        Figure("SMTP into a bare aiosmtpd sink", median(sunk), "mails/s", None, f"the same client; {spread(sunk)}"),
        Figure("SMTP, of that", 100 * median(delivered) / median(sunk), "%"),
        Figure("POP3, the same mails fetched", median(fetched), "mails/s", None, spread(fetched)),
    ]


@asynccontextmanager
async def _world() -> AsyncIterator[Callable[[int], int]]:
    """A world with a journal and mail; gives a function from its ports to ports of the machine."""
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        clock = Clock()
        world = World(
            Path(folder) / "world",
            clock=clock,
            rng=Rng(7),
            journal=Journal(Path(folder) / "journal.jsonl", lambda: clock.micros),
            opener=lambda spec, config: Email(),
            sandbox=lambda spec: sys.exit("nobody asked for a sandbox"),
        )
        await world.acquire("email")
        box = Loopback()
        await world.network.join(box, Caller("agent", "workspace"))
        try:
            yield box.ports.__getitem__
        finally:
            await world.close()
            world.journal.close()


class Loopback:
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


async def _sink(count: int) -> float:
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    logging.getLogger("mail.log").disabled = True
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), hostname="sink", loop=loop), "127.0.0.1", 0)
    async with server:
        return await _client(SENDER, server.sockets[0].getsockname()[1], count)


async def _client(program: str, port: int, count: int) -> float:
    """The seconds that a client says it took."""
    argv = [sys.executable, "-I", "-c", program, str(port), str(count)]
    client = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(client.communicate(), 120)
    if client.returncode:
        raise RuntimeError("the mail client failed")
    return float(said)
