"""The shell agent: one bash tool, and everything that was said in one line. The simplest thing that works."""

from __future__ import annotations

import json
import re
from typing import ClassVar, Literal

from terrarium.agent.excerpt import excerpt
from terrarium.agent.setting import whole
from terrarium.agent.tool_loop.calls import mended
from terrarium.core.agent import Reply, Seat, StopReason
from terrarium.core.errors import AgentFault
from terrarium.core.message import Block, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion, Model
from terrarium.core.sandbox import ExecResult
from terrarium.core.tool import Tool, ToolCall, ToolResult
from terrarium.core.values import decode, dumps, encode

DONE = "TERRARIUM_DONE"
SYSTEM = f"""\
You work in a shell. In each answer, say shortly what you think and give one command: call the tool `bash`, or write
```bash
COMMAND
```
You see what it prints in the next message. Every command begins in the working directory, in a shell of its own.
When the task is done, answer without a command, or run `echo {DONE}`, followed by what else you want to say."""

_FENCE = re.compile(r"```(?:bash|sh|shell)[ \t]*\n(.*?)```", re.DOTALL)
_PARAMETERS = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "What bash runs."}},
    "required": ["command"],
    "additionalProperties": False,
}
_BASH = Tool("bash", "Run a command.", _PARAMETERS, lambda command: None, command=True)
_EMPTY = "Your answer was empty. Give one command, or say that you are done."


class ShellAgent:
    """Has a model give one command after the other.

    Args:
        model: What is asked.
        system: What it is told first, behind the task's own system prompt.
        native: Whether the model is offered a tool; commands in its text are taken in any case.
        output_limit: Characters of one output that it is shown; of longer ones head and tail.
        nudges: How often in a turn an empty answer is asked again.

    Raises:
        ConfigError: A setting is out of range.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    wants_model: ClassVar[bool] = True

    def __init__(
        self, model: Model, system: str = SYSTEM, native: bool = True, output_limit: int = 10_000, nudges: int = 2
    ) -> None:
        self._model, self._system = model, system
        self._limit, self._nudges = whole("output_limit", output_limit, 100), whole("nudges", nudges, 0)
        self._offered = [_BASH] if native else []
        self._messages: list[Message] = []
        self._empty = 0

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Do one turn.

        Raises:
            AgentFault: There is no workspace.
            ModelFault: The model cannot be had.
        """
        if not resumed:
            self._empty, self._messages = 0, [*self._messages, instruction]
        tool = next((tool.name for tool in seat.tools if tool.command), None)
        if tool is None:
            raise AgentFault("the shell agent needs a workspace: there is no tool that runs commands")
        while True:
            self._say(*[f"[notice] {notice.text}" for notice in seat.notices()])
            completion = await seat.think(lambda: self._ask(seat))
            message = completion.message
            self._messages.append(message)
            if message.tool_uses:
                ended = await self._calls(message.tool_uses, tool, seat)
            else:
                command = _FENCE.search(message.text)
                if command is None and (message.text.strip() or completion.stop == "refusal"):
                    stop = StopReason.GAVE_UP if completion.stop == "refusal" else StopReason.COMPLETED
                    return Reply.say(message.text, stop)
                if command is None:
                    self._empty += 1
                    if self._empty > self._nudges:
                        return Reply.say("", StopReason.GAVE_UP)
                    self._say(_EMPTY)
                    continue
                result = await seat.call(ToolCall(tool, {"command": command[1]}, f"call_{len(self._messages)}"))
                shown, ended = self._shown(result)
                self._say(shown)
            if ended is not None:
                return Reply.say(ended)

    async def _ask(self, seat: Seat) -> Completion:
        system = "\n\n".join(part for part in (seat.system_prompt, self._system) if part)
        asked = [Message("system", system), *self._messages]
        return mended(await self._model.generate(asked, self._offered), asked)

    async def _calls(self, uses: list[ToolUseBlock], tool: str, seat: Seat) -> str | None:
        """Run the commands of an answer, in order; the last words, where one of them was the end."""
        blocks: list[Block] = []
        ended: str | None = None
        try:
            for use in uses:
                if ended is not None:
                    break
                result = await seat.call(ToolCall(tool if use.name == _BASH.name else use.name, use.input, use.id))
                shown, ended = self._shown(result)
                blocks.append(ToolResultBlock(use.id, shown, result.error is not None))
        finally:  # whatever ends the turn, every call is answered
            blocks += [ToolResultBlock(use.id, "not run: the turn ended", True) for use in uses[len(blocks) :]]
            self._messages.append(Message("tool", blocks))
        return ended

    def _shown(self, result: ToolResult) -> tuple[str, str | None]:
        """What a command printed, for the model; and the last words, where it said that it is done."""
        done = result.value
        if not isinstance(done, ExecResult):
            return excerpt(result.content, self._limit), None
        first, _, rest = done.stdout.lstrip().partition("\n")
        ended = rest.strip() if first.strip() == DONE and done.exit_code == 0 else None
        output = done.stdout + (f"\n[stderr]\n{done.stderr}" if done.stderr else "")
        return f"[exit code {done.exit_code}]\n{excerpt(output, self._limit)}", ended

    def _say(self, *texts: str) -> None:
        if texts:
            blocks: list[Block] = [TextBlock(text) for text in texts]
            self._messages.append(Message("user", blocks))

    def save(self) -> bytes | None:
        """What was said, as JSON."""
        return dumps(encode([self._messages, self._empty])).encode("ascii")

    def load(self, memory: bytes) -> None:
        """Continue from what `save` gave."""
        self._messages, self._empty = decode(json.loads(memory))

    async def close(self) -> None:
        """Nothing to give up."""
