"""The steps that an agent's programs make it take by asking its model."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from terrarium.core.agent import Seat, TurnOver
from terrarium.core.errors import AgentFault, ModelFault
from terrarium.core.model import Completion, Model
from terrarium.core.network import Caller
from terrarium.model.prices import Price

REQUESTS = 32
"""Of one agent at the same time; more are told to come back."""


class Over(Exception):
    """The turn is over; never leaves this room."""


class Steps:
    """Who may ask the model of an agent, and when; each request is a step.

    Args:
        agent: Whose.
        model: What is asked.
        price: What an answer costs that goes through as it is.
    """

    def __init__(self, agent: str, model: Model, price: Price | None = None) -> None:
        self.agent, self.model, self.price = agent, model, price
        self.token = f"terrarium-{secrets.token_hex(24)}"  # of no use elsewhere, and never written down
        self.fault: Exception | None = None
        """Why the last request had no answer."""
        self.over: TurnOver | None = None
        self.ended = asyncio.Event()
        """Set with `over`."""
        self._seat: Seat | None = None  # None: no turn is under way
        self._asking: set[asyncio.Task[Any]] = set()  # of their connections, which live on after a request
        self._answered = asyncio.Event()

    def begin(self, seat: Seat) -> None:
        """A turn begins."""
        self._seat, self.over, self.fault = seat, None, None
        self.ended.clear()

    def end(self, *, at_once: bool = False) -> None:
        """No further request is answered; `at_once`: those that are under way are given up."""
        self._seat = None
        for task in self._asking if at_once else ():
            task.cancel()

    async def quiet(self) -> None:
        """Wait until none is under way."""
        while self._asking:
            self._answered.clear()
            await self._answered.wait()

    def admits(self, token: str, caller: Caller) -> bool:
        """Whether this is a program of its agent."""
        return caller.agent == self.agent and secrets.compare_digest(token.encode(), self.token.encode())

    def refusal(self) -> str | None:
        """Why nothing is answered now."""
        if self.over is not None:
            return f"the turn is over: {self.over.stop.value}"
        if self._seat is None:
            return f"{self.agent} has no turn now: its model can be asked while one is under way"
        return None

    @property
    def busy(self) -> bool:
        """Whether too many requests are under way."""
        return len(self._asking) >= REQUESTS

    async def take(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """Take one step.

        Raises:
            ModelFault: What `request` raised.
            Over: A limit is reached.
        """
        seat, task = self._seat, asyncio.current_task()
        if seat is None or task is None:
            raise Over
        self._asking.add(task)
        try:
            completion = await seat.think(request)
        except TurnOver as over:
            self.over = self.over or over
            self.ended.set()
            raise Over from None
        except ModelFault as error:
            self.fault = error
            raise
        except Exception as error:
            self.fault = AgentFault(f"the model gateway failed: {type(error).__name__}: {error}")
            self.fault.__cause__ = error
            raise
        finally:
            self._asking.discard(task)
            self._answered.set()
        self.fault = None
        return completion
