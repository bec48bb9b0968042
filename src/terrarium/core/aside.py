"""Blocking work beside the event loop: whole trees of files are read, copied and removed there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """Do blocking work on a thread, while the loop goes on.

    Whoever is cancelled here waits for the work to end before it goes on: what is worked on may be closed or removed
    next.

    Raises:
        Exception: What `work` raises.
    """
    try:
        running = asyncio.get_running_loop().run_in_executor(None, copy_context().run, work)
    except RuntimeError:  # the interpreter ends, and gives no threads any more
        return work()
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({running})
        running.exception()  # nobody asks for it any more
        raise
