"""The host `mail.world`: which ports of it speak what, and how many connections each caller may have.

Ports are registered when the world opens; what serves them is imported with the first connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING

from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.mail_wire import Room, Wire
from terrarium.capability.post_office import PostOffice
from terrarium.core.capability import Site, instance_host
from terrarium.core.errors import ConfigError
from terrarium.core.network import Caller, Service
from terrarium.core.values import Value

if TYPE_CHECKING:
    from terrarium.capability.imap.server import ImapServer

PORTS = {
    "smtp_port": 25,
    "submission_port": 587,
    "imap_port": 143,
    "pop3_port": 110,
    "smtps_port": 465,
    "imaps_port": 993,
    "pop3s_port": 995,
}
"""The usual ones; on those of the last three lines a connection is encrypted from its first byte (RFC 8314)."""
CONNECTIONS_LIMIT = 200  # of one caller at one time, to all ports together
ROOM = 64 * 1024 * 1024  # bytes of messages that one caller may have on their way at one time

Speak = Callable[[socket.socket, Caller], Awaitable[None]]


class MailHost:
    """The servers of one mail system.

    Args:
        site: Where it stands: network, clock, requests.
        office: The mail.
        accounts: Who may log in.

    Raises:
        ConfigError: A port is no port or used twice, or the host cannot be one.
    """

    def __init__(self, site: Site, office: PostOffice, accounts: MailAccounts) -> None:
        self._site = site
        self._office = office
        self._accounts = accounts
        self._host, self._ports = _placed(site)
        self._rooms: dict[str, Room] = {}
        self._callers = Counter[str]()
        self._services: list[Service] = []
        self._open: set[asyncio.Task[None]] = set()
        self._imap_server: ImapServer | None = None

    async def open(self) -> None:
        """Register the ports."""
        speakers: dict[str, Speak] = {
            "smtp_port": partial(self._smtp, submission=False),
            "submission_port": partial(self._smtp, submission=True),
            "imap_port": self._imap,
            "pop3_port": self._pop3,
            "smtps_port": partial(self._smtp, submission=True, tls=True),
            "imaps_port": partial(self._imap, tls=True),
            "pop3s_port": partial(self._pop3, tls=True),
        }
        for name, speak in speakers.items():
            self._services.append(
                await self._site.network.serve(self._host, self._ports[name], partial(self._serve, speak))
            )

    async def close(self) -> None:
        """Withdraw the ports and end the connections; idempotent."""
        for service in self._services:
            await self._site.network.withdraw(service)
        self._services.clear()
        ending = [task for task in self._open if not task.done()]
        for task in ending:
            task.cancel()
        if ending and ending[0].get_loop() is asyncio.get_running_loop():
            await asyncio.wait(ending, timeout=1.0)
        if self._imap_server is not None:
            self._imap_server.close()

    @property
    def connection_info(self) -> dict[str, Value]:
        """Where mail clients find it."""
        return {
            "smtp_host": self._host,
            "smtp_port": self._ports["smtp_port"],
            "imap_host": self._host,
            "imap_port": self._ports["imap_port"],
            "pop3_host": self._host,
            "pop3_port": self._ports["pop3_port"],
            "smtps_port": self._ports["smtps_port"],
            "imaps_port": self._ports["imaps_port"],
            "pop3s_port": self._ports["pop3s_port"],
        }

    # -- connections ----------------------------------------------------------------------------------------------

    async def _serve(self, speak: Speak, connection: socket.socket, caller: Caller) -> None:
        """One connection: counted, and ended with the host."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._callers[caller.name] += 1
        try:
            await speak(connection, caller)
        finally:
            self._callers[caller.name] -= 1
            self._open.discard(task)

    @contextlib.asynccontextmanager
    async def _wire(self, connection: socket.socket, caller: Caller, busy: bytes, tls: bool) -> AsyncIterator[Wire]:
        room = self._rooms.setdefault(caller.name, Room(ROOM))
        wire = await Wire.over(connection, room, tls=self._tls if tls else None)
        try:
            if self._callers[caller.name] > CONNECTIONS_LIMIT:
                await wire.send(busy)
                raise EOFError
            yield wire
        finally:
            await wire.close()

    @property
    def _tls(self) -> ssl.SSLContext:
        return self._site.authority.server(self._host)

    def _request(self, caller: Caller) -> Callable[[], AbstractAsyncContextManager[None]]:
        return partial(self._site.request, caller)

    async def _smtp(self, connection: socket.socket, caller: Caller, submission: bool, tls: bool = False) -> None:
        from terrarium.capability.smtp import SmtpSession

        async with self._wire(connection, caller, b"421 4.7.0 Too many connections\r\n", tls) as wire:
            session = SmtpSession(
                wire,
                self._office,
                self._accounts.to(caller),
                self._request(caller),
                host=self._host,
                submission=submission,
                tls=self._tls,
            )
            await session.run()

    async def _pop3(self, connection: socket.socket, caller: Caller, tls: bool = False) -> None:
        from terrarium.capability.pop3 import Pop3Session

        async with self._wire(connection, caller, b"-ERR [SYS/TEMP] too many connections\r\n", tls) as wire:
            request = self._request(caller)
            accounts = self._accounts.to(caller)
            await Pop3Session(wire, self._office, accounts, request, host=self._host, tls=self._tls).run()

    async def _imap(self, connection: socket.socket, caller: Caller, tls: bool = False) -> None:
        from terrarium.capability.imap.server import ImapServer

        if self._imap_server is None:
            self._imap_server = ImapServer(self._office, self._accounts, host=self._host, tls=self._tls)
        room = self._rooms.setdefault(caller.name, Room(ROOM))
        full = self._callers[caller.name] > CONNECTIONS_LIMIT
        await self._imap_server.serve(connection, caller, room=room, full=full, secure=tls)


def _placed(site: Site) -> tuple[str, dict[str, int]]:
    """The host and ports that the configuration says, else the usual ones."""
    host = site.config.get("host", instance_host(site.name, "mail.world"))
    if not isinstance(host, str):
        raise ConfigError(f"host must be a name, not {host!r}")
    ports = {name: _port(name, site.config, usual_port) for name, usual_port in PORTS.items()}
    for name, port in ports.items():
        for other, taken in ports.items():
            if name != other and port == taken:
                raise ConfigError(f"{name} and {other} cannot both be {port}")
    return host.lower().rstrip("."), ports


def _port(name: str, config: Mapping[str, Value], usual: int) -> int:
    port = config.get(name, usual)
    if type(port) is not int or not 0 < port < 65536:
        raise ConfigError(f"{name} must be a port from 1 to 65535, not {port!r}")
    return port
