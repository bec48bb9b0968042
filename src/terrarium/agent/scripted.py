"""The scripted agent: a list of tool calls and replies, or a generator over the seat."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from terrarium.agent.solution import Player, Solution
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.message import Message


class ScriptedAgent:
    """Does what a script says and nothing else.

    Args:
        script: A generator function over the seat, as a task's solution, or a list of

            * `{"tool": name, "args": {...}}`: use a tool; a refusal does not stop the script;
            * `{"say": text}` or plain text: reply, which ends the turn.

            After its end, turns are answered with silence.

    Raises:
        ConfigError: The script is neither, or an entry of it is not understood.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"

    def __init__(self, script: Solution | Sequence[Any]) -> None:
        if callable(script):
            self._player = Player(script, {}, "scripted")
        elif not isinstance(script, str):
            steps = [_step(entry, position) for position, entry in enumerate(script)]
            self._player = Player(lambda seat: _play(seat, steps), {}, "scripted")
        else:
            raise ConfigError(f"a script is a list of tool calls and replies, or a generator function, not {script!r}")

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Play the script up to its next reply."""
        return await self._player.act(instruction, seat)

    def save(self) -> bytes | None:
        """A generator cannot be saved: only turn boundaries can be resumed."""
        return None

    def load(self, memory: bytes) -> None:
        """Nothing is ever saved."""

    async def close(self) -> None:
        """End the script's thread."""
        self._player.close()


def _step(entry: Any, position: int) -> tuple[str, Any]:
    if isinstance(entry, str):
        return "say", entry
    if isinstance(entry, Mapping):
        for key in entry:
            if key not in ("tool", "args", "say"):
                raise unknown_key(f"script entry {position}", key, ("tool", "args", "say"))
        if "tool" in entry:
            return "tool", (str(entry["tool"]), dict(entry.get("args") or {}))
        if "say" in entry:
            return "say", str(entry["say"])
    raise ConfigError(f"script entry {position} is neither a tool call nor a reply: {entry!r}")


def _play(seat: Any, steps: list[tuple[str, Any]]) -> Generator[str, str, str]:
    for kind, what in steps:
        if kind == "say":
            yield what
        else:
            seat.result(what[0], **what[1])
    return ""
