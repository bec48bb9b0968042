"""An HTTP server at a TCP port of the host, for what is not of a world: a model server on the user's own machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from terrarium.core.errors import ConfigError
from terrarium.core.network import Caller
from terrarium.http.limits import HttpLimits
from terrarium.http.server import Application, HttpServer


class Listener:
    """Serves an ASGI application at a port of the host.

    Args:
        app: The application.
        host: The address it listens at.
        port: The port; 0: any that is free.
        limits: What all clients together may use.
        failed: Told what the application raised; the connection it was raised in is closed, and no other.
    """

    def __init__(
        self,
        app: Application,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: HttpLimits | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._failed = failed
        self._server = HttpServer(app, limits=limits)
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def open(self) -> None:
        """Begin to listen; `port` is the real one then.

        Raises:
            ConfigError: The address or port cannot be had.
        """
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            self._socket = socket.create_server((self.host, self.port), family=family, backlog=1024)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"cannot listen at {self.host}, port {self.port}: {error}") from None
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._socket))

    async def close(self) -> None:
        """End every connection and give up the port; idempotent."""
        tasks = [*([self._accepting] if self._accepting else []), *self._serving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._accepting = None
        if self._socket is not None:
            self._socket.close()
        await self._server.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:  # no descriptors are left, or the client has gone already
                await asyncio.sleep(0.05)
                continue
            connection.setblocking(False)
            task = loop.create_task(self._serve(connection))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(connection):
            try:
                await self._server.handle(connection, Caller())
            except OSError:
                pass  # the client has gone
            except Exception as error:
                if self._failed is not None:
                    self._failed(error)
