"""Real mail clients against a mail system in this process: its ports are on the machine's own loopback."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import poplib
import smtplib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from terrarium.capability.email import Email
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


class LiveMail:
    """An open `Email` whose servers run on a loop of their own, with a sandbox called after each agent."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent",),
        config: Mapping[str, Any] | None = None,
        name: str = "email",
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.changes: list[Change] = []
        self.failures: list[tuple[Service, Exception]] = []
        self.holder = "task"
        self.clock, self.rng = Clock(), Rng(seed)
        self.boxes = {agent: Loopback() for agent in agents}
        self.email = Email()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append((service, error)))
            self.site = site = Site(
                name=name,
                folder=folder / name,
                config=config or {},
                clock=self.clock,
                rng=self.rng,
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=asyncio.run,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                people=declared(people or {}, agents),
            )
            await self.email.open(site)
            for agent, box in self.boxes.items():
                await self.network.join(box, Caller(agent, agent))

        self.run(go())

    def __enter__(self) -> LiveMail:
        return self

    def __exit__(self, *exc: object) -> None:
        async def end() -> None:
            await self.network.close()
            await self.email.close()

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

    def ask(self, method: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call an admin method as the task program does: while nobody else acts."""

        async def go() -> T:
            async with self._baton:
                return method(*args, **named)

        return self.run(go())

    def port(self, port: int, agent: str = "agent", host: str = "mail.world") -> int:
        """Where on the machine a port of the mail host is for an agent."""
        return self.boxes[agent].ports[self.network.name(host), port]

    def connect(self, port: int, agent: str = "agent") -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port(port, agent)), timeout=30)

    def say(self, port: int, *words: bytes, agent: str = "agent") -> bytes:
        """Send all of this at once, send no more, and give everything that comes back."""
        with self.connect(port, agent) as connection:
            answer = threading.Thread(target=self._send, args=(connection, b"".join(words)), daemon=True)
            answer.start()
            said = b""
            with contextlib.suppress(ConnectionError):
                while more := connection.recv(65536):
                    said += more
            answer.join()
            return said

    def _send(self, connection: socket.socket, words: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)

    def smtp(self, agent: str = "agent", port: int = 25) -> smtplib.SMTP:
        """A client that sends."""
        return smtplib.SMTP("127.0.0.1", self.port(port, agent), local_hostname="client.world", timeout=30)

    def raw(self, address: str, number: int = 1) -> bytes:
        """A mail as a mail client fetches it."""
        with self.pop3(next(iter(self.boxes)), user=address) as client:
            return b"".join(line + b"\r\n" for line in client.retr(number)[1])

    @contextlib.contextmanager
    def pop3(self, agent: str = "agent", user: str | None = None, password: str = "any") -> Iterator[poplib.POP3]:
        """A client that fetches; it hangs up without a word, unless it says QUIT before."""
        client = poplib.POP3("127.0.0.1", self.port(110, agent), timeout=30)
        try:
            if user is not None:
                client.user(user)
                client.pass_(password)
            yield client
        finally:
            client.close()

    def imap(self, agent: str = "agent") -> imaplib.IMAP4:
        """A client that keeps mail on the server."""
        return imaplib.IMAP4("127.0.0.1", self.port(143, agent), timeout=30)
