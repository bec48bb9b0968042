"""The gateway of one agent: programs in its sandbox ask their model here, and each request is a step of the agent."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from terrarium.core.agent import Seat, TurnOver
from terrarium.core.errors import AgentFault, ModelFault, SandboxFault
from terrarium.core.gateway import ModelAddress
from terrarium.core.model import Completion, Model
from terrarium.core.network import Caller
from terrarium.http.limits import HttpLimits
from terrarium.http.server import HttpServer
from terrarium.model.gateway.door import Door

HOST, PORT = "model.world", 80
BODY_BYTES = 32 * 1024 * 1024
REQUESTS = 32
"""Of one agent at the same time; more are told to come back."""


class ModelGateway:
    """Answers the programs of one agent; see `terrarium.core.gateway.Gateway`.

    Args:
        agent: Whose.
        model: What is asked.
    """

    def __init__(self, agent: str, model: Model) -> None:
        self.agent, self.model = agent, model
        self.token = f"terrarium-{secrets.token_hex(24)}"  # of no use elsewhere, and never written down
        self._server = HttpServer(Door(self), limits=HttpLimits(body_bytes=BODY_BYTES), name="gateway")
        self._seat: Seat | None = None  # None: no turn is under way
        self._asking: set[asyncio.Task[Any]] = set()
        self._over: TurnOver | None = None
        self._fault: Exception | None = None
        self._ended = asyncio.Event()
        self._callers: set[Caller] = set()

    # -- what its agent calls -------------------------------------------------------------------------------------

    async def open(self, seat: Seat) -> ModelAddress:
        """Begin to answer; see `Gateway.open`."""
        if seat.sandbox is None:
            raise SandboxFault(f"agent {seat.name!r} has no sandbox in which a program could ask its model")
        await seat.sandbox.serve(HOST, PORT, self._handle)
        self._seat, self._over, self._fault = seat, None, None
        self._ended.clear()
        return ModelAddress(f"http://{HOST}", self.token, self.model.name)

    async def ended(self) -> None:
        """Wait until a limit has been reached; see `Gateway.ended`."""
        await self._ended.wait()

    async def settle(self) -> ModelFault | None:
        """Wait until no request is under way; see `Gateway.settle`."""
        self._seat = None
        while self._asking:
            await asyncio.wait(self._asking)
        if self._over is not None:
            raise self._over
        if self._fault is None or isinstance(self._fault, ModelFault):
            return self._fault
        raise self._fault

    def abandon(self) -> None:
        """Give up what is under way: the turn ends at once; see `Gateway.abandon`."""
        self._seat = None
        for task in self._asking:
            task.cancel()

    async def close(self) -> None:
        """Answer nobody any more; idempotent."""
        self.abandon()
        if self._asking:
            await asyncio.wait(self._asking)
        await self._server.close()

    # -- what its door calls --------------------------------------------------------------------------------------

    def admits(self, token: str, caller: Caller) -> bool:
        """Whether this is a program of its agent."""
        return caller.agent == self.agent and secrets.compare_digest(token.encode(), self.token.encode())

    def refusal(self) -> str | None:
        """Why nothing is answered now."""
        if self._over is not None:
            return f"the turn is over: {self._over.stop.value}"
        if self._seat is None:
            return f"{self.agent} has no turn now: its model can be asked while one is under way"
        return None

    @property
    def busy(self) -> bool:
        """Whether too many requests are under way."""
        return len(self._asking) >= REQUESTS

    async def step(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """Take one step of the agent.

        Raises:
            ModelFault: What `request` raised; the last one is remembered.
            Over: A limit is reached, or the turn is given up.
        """
        seat, task = self._seat, asyncio.current_task()
        assert seat is not None
        assert task is not None
        self._asking.add(task)
        try:
            completion = await seat.think(request)
        except TurnOver as over:
            self._over = self._over or over
            self._ended.set()
            raise Over(over.stop.value) from None
        except Exception as error:
            self._fault = error if isinstance(error, ModelFault) else _own(error)
            raise
        finally:
            self._asking.discard(task)
        self._fault = None
        return completion

    async def _handle(self, connection: socket.socket, caller: Caller) -> None:
        await self._server.handle(connection, caller)


class Over(Exception):
    """The turn is over; never leaves this room."""


def _own(error: Exception) -> Exception:
    """An error that is nobody's model: it shall not be taken for an outage."""
    told = AgentFault(f"the model gateway failed: {type(error).__name__}: {error}")
    told.__cause__ = error
    return told
