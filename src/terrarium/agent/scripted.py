"""The scripted agent: a list of tool calls and replies, or a generator over the seat."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from terrarium.agent.solution import PlayedAgent, Solution
from terrarium.core.errors import ConfigError, unknown_key


class ScriptedAgent(PlayedAgent):
    """Does what a script says and nothing else.

    Args:
        script: A generator function over the seat, as a task's solution, or a list of

            * `{"tool": name, "args": {...}}`: use a tool; a refusal does not stop the script;
            * `{"say": text}` or plain text: reply, which ends the turn.

            After its end, turns are answered with silence.

    Raises:
        ConfigError: The script is neither, or an entry of it is not understood.
    """

    def __init__(self, script: Solution | Sequence[Any]) -> None:
        if isinstance(script, str):
            raise ConfigError(f"a script is a list of tool calls and replies, or a generator function, not {script!r}")
        if callable(script):
            super().__init__(script, {}, "scripted")
            return
        steps = [_step(entry, position) for position, entry in enumerate(script)]
        super().__init__(lambda seat: _play(seat, steps), {}, "scripted")


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
