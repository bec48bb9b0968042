"""The pace of requests to one model: how many at a time and a minute, fewer while its provider is overloaded."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Shared by everybody in a process who asks one model at one address. Lives on one event loop.

    Args:
        at_once: Requests under way at a time, at most; halved where the provider says that it is too much, and one more
            for every so many answers after that.
        per_minute: Requests begun in any 60 s; None: no limit.
    """

    def __init__(self, at_once: int = 64, per_minute: int | None = None) -> None:
        self._most = at_once
        self._allowed = float(at_once)
        self._per_minute = per_minute
        self._under_way = 0
        self._begun: deque[float] = deque()
        self._resume = 0.0  # by time.monotonic; nobody begins before
        self._left = asyncio.Event()

    @property
    def allowed(self) -> int:
        """How many may be under way now."""
        return max(1, int(self._allowed))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A block in which one request is under way; waits for its place."""
        while (wait := self._wait()) is None or wait > 0:
            self._left.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._left.wait()
            except TimeoutError:
                pass
        self._under_way += 1
        if self._per_minute is not None:
            self._begun.append(time.monotonic())
        try:
            yield
            self._allowed = min(self._most, self._allowed + 1 / self.allowed)
        finally:
            self._under_way -= 1
            self._left.set()

    def failed(self, kind: str, retry_after: float | None) -> None:
        """A request failed; `rate_limit` makes everybody slower."""
        if kind == "rate_limit":
            self._allowed = max(1.0, self._allowed / 2)
            if retry_after is not None:
                self._resume = max(self._resume, time.monotonic() + min(retry_after, 600.0))

    def _wait(self) -> float | None:
        """Seconds until one more may begin, as far as time decides; None: until another has ended."""
        now = time.monotonic()
        if now < self._resume:
            return self._resume - now
        while self._begun and self._begun[0] <= now - 60:
            self._begun.popleft()
        if self._per_minute is not None and len(self._begun) >= self._per_minute:
            return self._begun[0] + 60 - now
        return None if self._under_way >= self.allowed else 0.0
