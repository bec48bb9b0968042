"""The null agent: does nothing. What it scores is what a task gives away."""

from __future__ import annotations

from typing import ClassVar, Literal

from terrarium.core.agent import Reply, Seat
from terrarium.core.message import Message


class NullAgent:
    """Answers every turn with silence."""

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    asks_model: ClassVar[bool] = False

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Do nothing."""
        return Reply.say("")

    def save(self) -> bytes | None:
        """It has no memory."""
        return b""

    def load(self, memory: bytes) -> None:
        """It has no memory."""

    async def close(self) -> None:
        """Nothing to give up."""
