"""The lifespan of an ASGI application: told once that it starts, and once that it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from terrarium.core.errors import CapabilityFault

_SECONDS = 10.0  # of wall time for an application to start, or to end


class Lifespan:
    """Runs the lifespan of one application.

    An application that does not know lifespans (it raises at that scope) is taken as started.

    Args:
        app: The application.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._starting: asyncio.Future[None] | None = None
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._failed: str | None = None
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Start the application, or wait for who is starting it.

        Raises:
            CapabilityFault: It says that it cannot start.
        """
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_future()
            self._events.put_nowait({"type": "lifespan.startup"})
            self._task = asyncio.ensure_future(self._run())
        async with asyncio.timeout(_SECONDS):
            await asyncio.shield(self._starting)
        if self._failed is not None:
            raise CapabilityFault(f"the application could not start: {self._failed}")

    async def stop(self) -> None:
        """End the application; idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait(
            {task, ended := asyncio.ensure_future(self._ended.wait())}, timeout=_SECONDS, return_when="FIRST_COMPLETED"
        )
        for waiting in (task, ended):
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await waiting

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception:
            pass  # it does not know lifespans; one that knows says `startup.failed`
        finally:
            self._started()
            self._ended.set()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            self._failed = str(message.get("message") or "it gave no reason")
        if message["type"].startswith("lifespan.startup."):
            self._started()
        else:
            self._ended.set()

    def _started(self) -> None:
        if self._starting is not None and not self._starting.done():
            self._starting.set_result(None)
