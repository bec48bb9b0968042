"""The gateway of one agent: programs in its sandbox ask their model here, and each request is a step of the agent."""

from __future__ import annotations

import socket

from terrarium.core.agent import Seat
from terrarium.core.errors import ModelFault, SandboxFault
from terrarium.core.gateway import ModelAddress
from terrarium.core.model import Model
from terrarium.core.network import Caller
from terrarium.http.limits import HttpLimits
from terrarium.http.server import HttpServer
from terrarium.model.gateway.door import Door
from terrarium.model.gateway.steps import Steps
from terrarium.model.prices import Price

HOST, PORT = "model.world", 80
BODY_BYTES = 32 * 1024 * 1024


class ModelGateway:
    """Answers the programs of one agent; see `terrarium.core.gateway.Gateway`.

    Args:
        agent: Whose.
        model: What is asked.
        price: What an answer costs that goes through as it is; None: nobody knows.
    """

    def __init__(self, agent: str, model: Model, price: Price | None = None) -> None:
        self._model = model
        self._steps = Steps(agent, model, price)
        self._server = HttpServer(Door(self._steps), limits=HttpLimits(body_bytes=BODY_BYTES), name="gateway")

    async def open(self, seat: Seat) -> ModelAddress:
        """Begin to answer; see `Gateway.open`."""
        if seat.sandbox is None:
            raise SandboxFault(f"agent {seat.name!r} has no sandbox in which a program could ask its model")
        await seat.sandbox.serve(HOST, PORT, self._handle)
        self._steps.begin(seat)
        return ModelAddress(f"http://{HOST}", self._steps.token, self._model.name)

    async def ended(self) -> None:
        """Wait until a limit has been reached; see `Gateway.ended`."""
        await self._steps.ended.wait()

    async def settle(self) -> ModelFault | None:
        """Wait until no request is under way; see `Gateway.settle`."""
        self._steps.end()
        await self._steps.quiet()
        if self._steps.over is not None:
            raise self._steps.over
        fault = self._steps.fault
        if fault is None or isinstance(fault, ModelFault):
            return fault
        raise fault

    def abandon(self) -> None:
        """Give up what is under way; see `Gateway.abandon`."""
        self._steps.end(at_once=True)

    async def close(self) -> None:
        """Answer nobody any more; idempotent."""
        self._steps.end(at_once=True)
        await self._steps.quiet()
        await self._server.close()

    async def _handle(self, connection: socket.socket, caller: Caller) -> None:
        await self._server.handle(connection, caller)
