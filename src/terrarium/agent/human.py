"""A human at a terminal: the same instructions, tools and limits as any agent, recorded with who it was.

Started by `terrarium run TASK -a human -k annotator=ann -k expertise=expert`. What is typed:

    tool key=value ...     use a tool; values are JSON where they can be, else text
    tool {"key": ...}      the same with JSON
    say TEXT               end the turn with these words (so does `done` without any)
    tools, help TOOL       what there is
    quit                   give up: no further turn is done
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from terrarium.core.agent import Reply, Seat, StopReason
from terrarium.core.errors import AgentFault, ConfigError
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.terminal import Terminal
from terrarium.core.tool import Tool, ToolCall

EXPERTISE = ("novice", "intermediate", "expert")
_HELP = "tool key=value …  |  tool {json}  |  say TEXT  |  done  |  tools  |  help TOOL  |  quit"


class HumanAgent:
    """Whoever sits at the terminal.

    Args:
        annotator: Who it is; stands in the header with every trial.
        expertise: `novice`, `intermediate` or `expert`, in what the task is about.
        terminal: Path of the terminal; by default the one `terrarium run` was started from.

    Raises:
        ConfigError: `expertise` is none of the three.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "measured"

    def __init__(
        self, annotator: str = "anonymous", expertise: str | None = None, terminal: str | None = None, model: Any = None
    ) -> None:
        if expertise is not None and expertise not in EXPERTISE:
            raise ConfigError(f"expertise must be one of {', '.join(EXPERTISE)}, not {expertise!r}")
        self._name = f"human:{annotator}"
        self._path = terminal or Terminal.named()
        self._terminal: Terminal | None = None
        self._gone = False
        self._calls = 0

    async def open(self, seat: Seat) -> None:
        """Open the terminal.

        Raises:
            AgentFault: There is none.
        """
        if self._path is None:
            raise AgentFault("a human needs a terminal: start `terrarium run` from one, or say -k terminal=/dev/pts/N")
        try:
            self._terminal = Terminal(self._path)
        except OSError as error:
            raise AgentFault(f"the terminal {self._path} cannot be opened: {error.strerror}") from error
        self._write(f"\n{_HELP}\n")

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """One turn: show the instruction, do what is typed until it is ended."""
        if self._gone:
            return Reply.say("", StopReason.GAVE_UP)
        self._write(f"\n[{seat.name}] {instruction.text}\n")
        while True:
            for notice in seat.notices():
                self._write(f"! {notice.text}\n")
            # What is typed is the answer of a model: the time it takes is the time of the step.
            step = await seat.think(lambda: self._ask(seat))
            call = next((block for block in step.message.content if isinstance(block, ToolUseBlock)), None)
            if call is not None:
                result = await seat.call(ToolCall(call.name, call.input, call.id))
                self._write(f"{result.content}\n")
            elif self._gone:
                return Reply.say("", StopReason.GAVE_UP)
            else:
                return Reply.say(step.message.text)

    def save(self) -> bytes | None:
        """A human remembers by itself; its past turns are not played again."""
        return b"gone" if self._gone else b""

    def load(self, memory: bytes) -> None:
        """Go on after an interruption."""
        self._gone = memory == b"gone"

    async def close(self) -> None:
        """Leave the terminal; idempotent."""
        if self._terminal is not None:
            self._terminal.close()
        self._terminal = None

    async def _ask(self, seat: Seat) -> Completion:
        """What is typed, up to a line that is a step: a call, the end of the turn, or the end of everything."""
        while True:
            line = await self._line()
            word, _, rest = (line or "quit").partition(" ")
            if word == "quit":
                self._gone = True
            if word in ("quit", "say", "done"):
                said = TextBlock("" if self._gone else rest.strip())
                return Completion(Message("assistant", [said]), "end", model=self._name)
            if word in ("tools", "help"):
                self._write(_about(seat.tools, rest.strip()))
                continue
            try:
                arguments = _arguments(rest.strip())
            except ValueError as error:
                self._write(f"{error}; {_HELP}\n")
                continue
            self._calls += 1
            asked = ToolUseBlock(f"call_{self._calls}", word, arguments)
            return Completion(Message("assistant", [asked]), "tool_use", model=self._name)

    def _write(self, text: str) -> None:
        if self._terminal is not None:
            self._terminal.write(text)

    async def _line(self) -> str | None:
        """The next line that is typed; None at the end."""
        line = None if self._terminal is None else await self._terminal.line()
        return None if line is None else line or "help"


def _arguments(rest: str) -> dict[str, Any]:
    """The arguments of a call as they were typed.

    Raises:
        ValueError: They cannot be read; says why.
    """
    if rest.startswith("{"):
        found = json.loads(rest)
        return dict(found)
    arguments: dict[str, Any] = {}
    for word in shlex.split(rest):
        key, sign, value = word.partition("=")
        if not sign:
            raise ValueError(f"{word!r} is not key=value")
        try:
            arguments[key] = json.loads(value)
        except ValueError:
            arguments[key] = value
    return arguments


def _about(tools: Sequence[Tool], name: str) -> str:
    found = [tool for tool in tools if tool.name == name]
    if found:
        return f"{found[0].description}\n{json.dumps(found[0].parameters.get('properties', {}), indent=1)}\n"
    return "".join(f"{tool.name}: {tool.description.splitlines()[0] if tool.description else ''}\n" for tool in tools)
