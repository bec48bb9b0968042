"""A worker process as the supervisor sees it, and the orders it is given."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from terrarium.run.blame import Blame, blamed
from terrarium.run.spec import TrialSpec


@dataclass
class Order:
    """A trial on its way: how often it was tried, and whether it needs a worker of its own."""

    spec: TrialSpec
    tries: int = 0
    alone: bool = False
    not_before: float = 0.0


@dataclass
class Hand:
    """A worker process and what it is doing."""

    process: asyncio.subprocess.Process
    capacity: int
    heard: float
    ready: bool = False
    retiring: bool = False
    reason: str = ""
    silent: bool = False
    """It was killed because it gave no sign of life."""
    stacks: BinaryIO | None = None
    """Where it dumps its stacks when it stands still."""
    orders: dict[str, Order] = field(default_factory=dict)

    def takes(self, order: Order) -> bool:
        """Whether it may be given this order."""
        if self.retiring or any(held.alone for held in self.orders.values()):
            return False
        return not self.orders if order.alone else len(self.orders) < self.capacity

    def give(self, **order: Any) -> None:
        """Write an order."""
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write((json.dumps(order) + "\n").encode("ascii"))

    def kill(self, reason: str) -> None:
        """End the process and everything it started."""
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def blamed(self) -> Blame | None:
        """Who held it when it stood still; None where nobody knows."""
        if not self.silent or self.stacks is None:
            return None
        self.stacks.seek(0)
        return blamed(self.stacks.read().decode("ascii", "replace"))

    @property
    def how(self) -> str:
        """How it ended."""
        return self.reason or f"it ended by itself ({_ending(self.process.returncode)})"

    @property
    def killed(self) -> bool:
        """Somebody else ended it with `kill -9`: the memory of the machine ran out, or a person did."""
        return not self.reason and self.process.returncode == -signal.SIGKILL


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
