"""The contract of a model gateway: an address inside a world that speaks the APIs of model providers.

A program of an agent, such as a command-line agent in its sandbox, asks its model there. The real model is asked from
outside: no key is ever inside, every request is a step of the agent, and its limits hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from terrarium.core.agent import Seat
from terrarium.core.errors import ModelFault


@dataclass(frozen=True)
class ModelAddress:
    """Where a program inside finds its model.

    Attributes:
        url: Without a path, such as `http://model.world`; below it are `/v1` (OpenAI, Anthropic) and `/v1beta`
            (Google).
        token: The key it must send: worth nothing anywhere else, and nothing in another trial.
        model: What the model is called.
    """

    url: str
    token: str
    model: str


class Gateway(Protocol):
    """The gateway of one agent of one trial."""

    async def open(self, seat: Seat) -> ModelAddress:
        """Begin to answer requests of the programs of that seat's sandbox; again for a later turn: the same address.

        Raises:
            SandboxFault: The sandbox has no network.
        """
        ...

    async def ended(self) -> None:
        """Wait until a limit has been reached while a request was answered: the program shall end."""
        ...

    def abandon(self) -> None:
        """Give up what is under way: the turn ends at once, and nothing of it is answered or written down any more."""
        ...

    async def settle(self) -> ModelFault | None:
        """Wait until no request is under way; none that comes later is answered before the next `open`.

        Returns:
            What kept the model from answering the last request, where that was so: then whatever the program came to
            is no deed of the agent.

        Raises:
            TurnOver: A limit was reached while a request was answered.
        """
        ...

    async def close(self) -> None:
        """Answer nobody any more; idempotent."""
        ...
