"""Hosts of a world that serve HTTP: one application at one or many names."""

from __future__ import annotations

from collections.abc import Sequence

from terrarium.capability.http.limits import HttpLimits
from terrarium.capability.http.server import Application, HttpServer
from terrarium.core.capability import Site
from terrarium.core.network import Service

HTTP = 80


class WebHost:
    """Serves an ASGI application at host names of the world, such as `api.notion.com`.

    Args:
        site: Where the capability stands: network and clock.
        hosts: Its names.
        app: The application; see `HttpServer` for how it learns who is calling.
        limits: What one client may use.
        name: What the `Server` header says.
    """

    def __init__(
        self,
        site: Site,
        hosts: Sequence[str],
        app: Application,
        *,
        limits: HttpLimits | None = None,
        name: str = "terrarium",
    ) -> None:
        self._site = site
        self._hosts = tuple(hosts)
        self._server = HttpServer(app, limits=limits, now=lambda: site.clock.now, name=name)
        self._services: list[Service] = []

    async def open(self) -> None:
        """Register the names and ports; nothing is started before the first connection.

        Raises:
            ConfigError: A host cannot be one.
            Refused: Another capability serves one of them.
        """
        for host in self._hosts:
            self._services.append(await self._site.network.serve(host, HTTP, self._server.handle))

    async def close(self) -> None:
        """Withdraw the names and end the application; idempotent."""
        for service in self._services:
            await self._site.network.withdraw(service)
        self._services.clear()
        await self._server.close()
