"""Hosts of a world that serve HTTP: one application at one or many names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from terrarium.core.capability import Site
from terrarium.core.network import Caller, Service

if TYPE_CHECKING:
    from terrarium.http.limits import HttpLimits
    from terrarium.http.server import Application, HttpServer

HTTP, HTTPS = 80, 443


class WebHost:
    """Serves an ASGI application at host names of the world, such as `api.notion.com`: on 443, and on 80 as well.

    On 443 each host shows a certificate of its own from the world's authority, which sandboxes trust.

    Args:
        site: Where the capability stands: network and clock.
        hosts: Its names.
        app: The application; see `HttpServer` for how it learns who is calling.
        limits: What one client may use.
        name: What the `Server` header says.
        plain: Whether port 80 answers too.
    """

    def __init__(
        self,
        site: Site,
        hosts: Sequence[str],
        app: Application,
        *,
        limits: HttpLimits | None = None,
        name: str = "terrarium",
        plain: bool = True,
    ) -> None:
        self._site = site
        self._hosts = tuple(hosts)
        self._plain = plain
        self._app, self._limits, self._name = app, limits, name
        self._server: HttpServer | None = None
        self._services: list[Service] = []

    async def open(self) -> None:
        """Register the names and ports; nothing is loaded or started before the first connection.

        Raises:
            ConfigError: A host cannot be one.
            Refused: Another capability serves one of them.
        """
        network = self._site.network
        for host in self._hosts:
            self._services.append(await network.serve(host, HTTPS, partial(self._secure, host)))
            if self._plain:
                self._services.append(await network.serve(host, HTTP, self._handle))

    async def close(self) -> None:
        """Withdraw the names and end the application; idempotent."""
        for service in self._services:
            await self._site.network.withdraw(service)
        self._services.clear()
        if self._server is not None:
            await self._server.close()

    async def _secure(self, host: str, connection: socket.socket, caller: Caller) -> None:
        await self._handle(connection, caller, self._site.authority.server(host))

    async def _handle(self, connection: socket.socket, caller: Caller, tls: ssl.SSLContext | None = None) -> None:
        if self._server is None:
            from terrarium.http.server import HttpServer

            clock = self._site.clock
            self._server = HttpServer(self._app, limits=self._limits, now=lambda: clock.now, name=self._name)
        await self._server.handle(connection, caller, tls)
