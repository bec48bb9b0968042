"""An agent of another framework: its turns, and what becomes of what it raises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from terrarium.agent.frameworks.stand import Stand
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import AgentFault, ConfigError, TerrariumError
from terrarium.core.message import Message
from terrarium.core.model import Model
from terrarium.core.registry import find

_PATIENCE = 5.0  # seconds for a framework to give up a turn that is over


class FrameworkAgent:
    """Lets an agent of a framework act at a seat.

    Every request to its model is a step and every use of a tool of the world a tool call of the trial, so limits,
    journal, replay and resume hold as for any other agent. What else it does, with tools of its own, is its own affair.
    Its memory is its framework's: a resumed trial lets it live through its past turns again.

    Args:
        model: Who thinks.
        agent: What makes the framework's agent: `package.module:name`, or a function.

    Raises:
        ConfigError: There is no such function.
    """

    timing: ClassVar[Literal["fixed"]] = "fixed"
    wants_model: ClassVar[bool] = True

    def __init__(self, model: Model, agent: str | Callable[..., Any]) -> None:
        self._make: Callable[..., Any] = find("agent", agent) if isinstance(agent, str) else agent
        if not callable(self._make):
            raise ConfigError(f"{agent!r} is no function that makes an agent")
        self._stand = Stand(model)
        self._made: Any = None
        self._tools: list[str] = []

    @abstractmethod
    async def turn(self, instruction: str, stand: Stand) -> str:
        """Do one turn, and say what came of it."""

    async def open(self, seat: Seat) -> None:
        """Nothing to do before the first turn."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Do one turn.

        Raises:
            AgentFault: The framework, or the code of its agent, failed.
            ModelFault: The model does not answer.
        """
        stand = self._stand
        over = stand.sit(seat)
        task = asyncio.ensure_future(self.turn(stand.told(instruction.text), stand))
        either: set[asyncio.Future[Any]] = {task, over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stand.leave()
            if not task.done():  # frameworks wait for their own tasks, and not all of them notice that those have ended
                task.cancel()
                await asyncio.wait({task}, timeout=_PATIENCE)
        failed = None if not task.done() or task.cancelled() else task.exception()
        if stand.ended is not None:  # whatever became of it in the framework
            raise stand.ended
        if failed is None:
            return Reply.say(task.result())
        if isinstance(failed, TerrariumError) or not isinstance(failed, Exception):
            raise failed
        raise AgentFault(f"the agent failed: {type(failed).__name__}: {str(failed)[:500]}") from failed

    def save(self) -> bytes | None:
        """None: its memory is the framework's."""
        return None

    def load(self, memory: bytes) -> None:
        """Nothing is ever saved."""

    async def close(self) -> None:
        """Nothing to give up."""

    def is_new(self, stand: Stand) -> bool:
        """Whether the framework's agent is to be made now: at first, and where a turn has other tools."""
        names = [tool.name for tool in stand.tools]
        new = self._made is None or names != self._tools
        self._tools = names
        return new

    def needed(self, package: str, error: ImportError) -> ConfigError:
        """The error for a framework that is not installed."""
        return ConfigError(f"this agent needs a package: pip install {package} ({error})")
