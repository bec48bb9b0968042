"""The oracle: runs the task's reference solution, which sees only what any agent sees."""

from __future__ import annotations

from typing import ClassVar, Literal

from terrarium.agent.solution import Player, Solution
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import ConfigError
from terrarium.core.message import Message
from terrarium.core.values import Value


class OracleAgent:
    """Plays the reference solution of its task.

    Args:
        solution: The solution; given by the engine.
        params: The task's parameters.

    Raises:
        ConfigError: The task has no solution.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"

    def __init__(self, solution: Solution | None = None, params: dict[str, Value] | None = None) -> None:
        if solution is None:
            raise ConfigError("this task has no reference solution: decorate one with @<task>.solution")
        self._player = Player(solution, params or {}, "oracle")

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Play the solution up to its next `yield`."""
        return await self._player.act(instruction, seat)

    def save(self) -> bytes | None:
        """A generator cannot be saved: only turn boundaries can be resumed."""
        return None

    def load(self, memory: bytes) -> None:
        """Nothing is ever saved."""

    async def close(self) -> None:
        """End the solution's thread."""
        self._player.close()
