"""The contract of an agent, and the seat: everything an agent can touch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from terrarium.core.message import Message, TextBlock, Usage
from terrarium.core.values import record

if TYPE_CHECKING:
    from terrarium.core.model import Completion
    from terrarium.core.sandbox import AgentSandbox
    from terrarium.core.tool import Tool, ToolCall, ToolResult


class StopReason(StrEnum):
    """Why a turn or an episode ended."""

    COMPLETED = "completed"
    """The agent said it was done, or the program returned."""
    STEP_LIMIT = "step_limit"
    """Too many steps in one turn."""
    TOOL_CALL_LIMIT = "tool_call_limit"
    """Too many tool calls in one turn."""
    TURN_LIMIT = "turn_limit"
    """Too many turns in the trial."""
    TURN_TIME_LIMIT = "turn_time_limit"
    """One turn took too long on the wall clock."""
    TIME_LIMIT = "time_limit"
    """The trial took too long on the wall clock."""
    WORLD_TIME_LIMIT = "world_time_limit"
    """More world time passed than the trial may use."""
    TOKEN_LIMIT = "token_limit"
    """The trial's tokens are used up."""
    COST_LIMIT = "cost_limit"
    """The trial's money is used up."""
    GAVE_UP = "gave_up"
    """The agent said that it cannot go on."""
    CANCELLED = "cancelled"
    """Somebody stopped the run."""
    PAUSED = "paused"
    """It waits to go on: it has come to no end."""
    ERROR = "error"
    """Something failed; the error says what."""


@record
@dataclass(frozen=True)
class Reply:
    """What a turn gave: the agent's last words, its messages, and why it ended."""

    text: str = ""
    messages: list[Message] = field(default_factory=list)
    stop: str = StopReason.COMPLETED.value
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    tool_calls: int = 0

    @property
    def input_tokens(self) -> int:
        """Tokens sent, cached ones included."""
        return self.usage.input_tokens

    @property
    def output_tokens(self) -> int:
        """Tokens received."""
        return self.usage.output_tokens

    @property
    def cache_read_tokens(self) -> int:
        """Tokens sent that were cached."""
        return self.usage.cached_tokens

    @property
    def cache_creation_tokens(self) -> int:
        """Tokens sent that were written into a cache."""
        return self.usage.cache_write_tokens

    @classmethod
    def say(cls, text: str, stop: StopReason = StopReason.COMPLETED) -> Reply:
        """A reply of text only."""
        return cls(text, [Message("assistant", [TextBlock(text)])] if text else [], stop.value)


@record
@dataclass(frozen=True)
class Notice:
    """Something an agent is told without asking."""

    text: str
    source: str = ""


@dataclass
class Budget:
    """What an agent may still use; None means no limit, or one that is not known.

    Attributes:
        steps: Of this turn.
        tool_calls: Of this turn.
        tokens: Of the trial, as are the next two.
        cost: US dollars.
        turns: After this one.
        seconds: Of wall time, of this turn.
        world_seconds: Of world time, of the trial.
        whole: What there was at first.
    """

    steps: int
    tool_calls: int
    tokens: int | None = None
    cost: float | None = None
    turns: int | None = None
    seconds: float | None = None
    world_seconds: float | None = None
    whole: Budget | None = None

    def used(self) -> dict[str, tuple[float, float]]:
        """Of every kind that has a limit, how much was used, and of how much."""
        found: dict[str, tuple[float, float]] = {}
        for kind in ("steps", "tool_calls", "tokens", "cost", "turns", "seconds", "world_seconds"):
            left, whole = getattr(self, kind), getattr(self.whole, kind, None)
            if left is not None and whole:
                found[kind] = (whole - left, whole)
        return found


class TurnOver(BaseException):
    """Raised into an agent by its seat when a limit ends the turn; agents let it pass."""

    def __init__(self, stop: StopReason) -> None:
        super().__init__(stop.value)
        self.stop = stop


class Seat(Protocol):
    """Everything an agent can touch: its tools, its sandbox, its budget. Never the task, the checks or the seed."""

    name: str
    tools: Sequence[Tool]
    sandbox: AgentSandbox | None
    system_prompt: str | None
    budget: Budget

    async def think(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """Take one step: notices, the model call, its cost in world time, whatever became due, the journal.

        Raises:
            TurnOver: A limit of the turn or the trial is reached.
            ModelFault: What `request` raised.
        """
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Use a tool: its effect now, then its cost in world time, then its result.

        A refused or malformed call is a result with `error`, never an exception.

        Raises:
            TurnOver: A limit of the turn or the trial is reached.
        """
        ...

    def notices(self) -> Sequence[Notice]:
        """What the agent is to be told before its next model call; taking empties the list."""
        ...


class Agent(Protocol):
    """Something that acts.

    `timing` is `fixed` where the costs of the clock apply as declared, and `measured` for whatever thinks on its own
    time: command-line agents, humans, bridges to the outside.
    """

    timing: ClassVar[Literal["fixed", "measured"]]

    async def open(self, seat: Seat) -> None:
        """Get ready; called once before the first turn."""
        ...

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Do one turn.

        Args:
            instruction: What to do.
            seat: What may be used.
            resumed: The turn had begun before a crash, and `load` was called with the memory at its last step.

        Raises:
            AgentFault: The agent cannot go on for reasons of its own.
            ModelFault: Its model cannot be had.
        """
        ...

    def save(self) -> bytes | None:
        """The agent's memory at a step boundary; None where only turn boundaries can be resumed."""
        ...

    def load(self, memory: bytes) -> None:
        """Continue from what `save` returned."""
        ...

    async def close(self) -> None:
        """Give up everything; idempotent."""
        ...
