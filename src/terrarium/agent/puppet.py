"""The puppet: an agent whose moves come from outside, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from terrarium.agent.solution import think
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.tool import ToolCall


class PuppetAgent:
    """Makes the moves it is given; whoever gives them stops the trial before it would need another one.

    It remembers nothing: its trial can be stopped between any two moves and go on with others.

    Args:
        first: The number of its first tool call; what it calls them must differ within a trial.
        moves: Each `{"tool": name, "args": {...}}`, or `{"say": text}`, which ends the turn.

    Raises:
        ConfigError: A move is not understood.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    asks_model: ClassVar[bool] = False

    def __init__(self, moves: Sequence[Mapping[str, Any]] = (), first: int = 1) -> None:
        self._moves = [_checked(move, number) for number, move in enumerate(moves)]
        self._next = first

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Make moves up to the one that ends the turn; after the last, end it without a word."""
        while self._moves:
            move = self._moves.pop(0)
            if "say" in move:
                await think(seat, "puppet", TextBlock(move["say"]))
                return Reply.say(move["say"])
            call = ToolCall(move["tool"], move.get("args") or {}, f"move_{self._next}")
            self._next += 1
            await think(seat, "puppet", ToolUseBlock(call.id, call.name, dict(call.arguments)))
            await seat.call(call)
        await think(seat, "puppet", TextBlock(""))
        return Reply.say("")

    def save(self) -> bytes | None:
        """It has no memory; that can be saved at any step."""
        return b""

    def load(self, memory: bytes) -> None:
        """Nothing to remember."""

    async def close(self) -> None:
        """Nothing to give up."""


def _checked(move: Any, number: int) -> dict[str, Any]:
    if not isinstance(move, Mapping) or ("say" in move) == ("tool" in move):
        raise ConfigError(f"move {number} is neither a tool call nor a reply: {move!r:.200}")
    for key in move:
        if key not in ("tool", "args", "say"):
            raise unknown_key(f"move {number}", str(key), ("tool", "args", "say"))
    if not isinstance(move.get("say", move.get("tool")), str) or not isinstance(move.get("args") or {}, Mapping):
        raise ConfigError(f"move {number} is neither a tool call nor a reply: {move!r:.200}")
    return dict(move)
