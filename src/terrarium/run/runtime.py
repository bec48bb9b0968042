"""The engine inside a process that imports Terrarium (pytest, a notebook, a trainer): one event loop on one thread.

Made at its first use and keyed by pid: a forked child gets one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_SECONDS = 5.0  # for what still runs to end


class Runtime:
    """An event loop that runs on a daemon thread until the process ends or `close` is called."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="terrarium engine", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the engine's loop; from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """End what still runs on the loop, and stop it; idempotent."""
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                self.submit(_end_tasks()).result(_SECONDS + 1)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        if not self.loop.is_closed():
            self.loop.close()


async def _end_tasks() -> None:
    """As `asyncio.run` does at its end: what lasts as long as the loop, such as a pool of servers, lets go."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_SECONDS)


_runtimes: dict[int, Runtime] = {}
_lock = threading.Lock()


def runtime() -> Runtime:
    """The runtime of this process."""
    with _lock:
        found = _runtimes.get(os.getpid())
        if found is None or found.loop.is_closed():
            found = _runtimes[os.getpid()] = Runtime()
        return found
