"""A reference solution that plays the model: a deterministic, perfect one for the task it belongs to.

No conversation is remembered. With every request the solution runs again from its beginning and is given the results
that the conversation holds; what it does next, a tool call or words, is the answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrarium.core.errors import ModelFault, Refused
from terrarium.core.message import Message, TextBlock, ToolResultBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool, ToolResult
from terrarium.core.values import Value
from terrarium.model.scripted import ScriptedModel

_OVER = "There is nothing more to do."
_REMARK = re.compile(r"\[(notice|budget)\b")  # what agent loops put beside instructions
_ADDED = re.compile(r"<(system-reminder|environment_context|user_instructions|permissions instructions)>.*?</\1>", re.S)
_HEADED = re.compile(r"Wall time: [\d.]+ seconds\nOutput:\n")  # what Codex writes above what an MCP server gave
_JSON = re.compile(r"[\[{]|-?\d+(\.\d+)?$|(true|false|null)$")


@dataclass(frozen=True)
class _Event:
    """What happened in a conversation: a call with its result, words of the model, or of the user."""

    kind: str
    text: str
    name: str = ""
    failed: bool = False


class _Next(BaseException):
    """Raised out of a solution where the conversation ends: this call is what it does next."""

    def __init__(self, tool: str, arguments: Mapping[str, Value]) -> None:
        self.call = {"tool": tool, "args": dict(arguments)}


class SolutionModel:
    """Answers as a reference solution would act.

    Agents may add system prompts, notices and remarks, and offer tools behind prefixes such as `mcp__world__`. Where an
    agent leaves out or rewrites what happened (compaction), the solution cannot be followed.

    Args:
        solution: A generator function over the seat, as `@<task>.solution` takes it.
        params: The task's parameters.
        name: What the model is called.
    """

    def __init__(self, solution: Callable[..., Any], params: Mapping[str, Value], name: str) -> None:
        self.name = name
        self._solution = solution
        self._params = dict(params)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """What the solution does next in this conversation.

        Raises:
            ModelFault: The solution breaks, or the conversation tells it nothing.
        """
        answer = await asyncio.to_thread(self._answer, list(messages), [tool.name for tool in tools])
        return await ScriptedModel([answer], self.name).generate(messages, tools)

    async def close(self) -> None:
        """Nothing to give up."""

    def _answer(self, messages: Sequence[Message], offered: Sequence[str]) -> Any:
        events = list(_events(messages))
        first, events = _instruction(events)
        if not first:
            raise ModelFault("the conversation holds no instruction that a solution could begin with")
        seat = ReenactedSeat(first, events, offered)
        try:
            return _play(self._solution(seat, **self._params), seat)
        except _Next as found:
            return found.call
        except Exception as error:
            raise ModelFault(f"the solution of {self.name} breaks: {type(error).__name__}: {error}") from error


def _play(made: Any, seat: ReenactedSeat) -> str:
    """Advance a solution through the turns of the conversation; what it says in the last of them."""
    if not isinstance(made, Generator):
        return str(made or "") or _OVER if seat.next_turn(str(made or "")) is None else _OVER
    try:
        said = next(made)
        while (instruction := seat.next_turn(_words(said))) is not None:
            said = made.send(instruction)
        return _words(said)
    except StopIteration as end:
        words = _words(end.value)
        return _OVER if seat.next_turn(words) is not None else words
    finally:
        made.close()


def _words(said: Any) -> str:
    return getattr(said, "text", None) or str(said or "") or _OVER


class ReenactedSeat:
    """The seat that a solution sits on: its tools give what the conversation says that they gave."""

    def __init__(self, instruction: str, events: Sequence[_Event], offered: Sequence[str]) -> None:
        self.name = "agent"
        self.instruction = instruction
        self.tools = list(offered)
        self._events = list(events)
        self._at = 0

    def notices(self) -> list[str]:
        """None: a conversation does not tell when they were looked at."""
        return []

    def call(self, tool: str, /, **arguments: Value) -> Value:
        """What the tool gave.

        Raises:
            Refused: It said no.
        """
        result = self.result(tool, **arguments)
        if result.error is not None:
            raise Refused(result.content)
        return result.value

    def result(self, tool: str, /, **arguments: Value) -> ToolResult:
        """The result of the tool, refused or not."""
        for place in range(self._at, len(self._events)):
            event = self._events[place]
            if event.kind == "call" and _is(tool, event.name):
                self._at = place + 1
                error = "refused" if event.failed or event.text.startswith("error:") else None
                return ToolResult(event.text, None if error else value_of(event.text), error)
        raise _Next(next((name for name in self.tools if _is(tool, name)), tool), arguments)

    def next_turn(self, said: str) -> str | None:
        """The instruction that came after the solution's words; None: it has not spoken them yet, or none came."""
        words = said.strip()
        for place in range(self._at, len(self._events)):
            event = self._events[place]
            if event.kind == "said" and event.text.strip() == words:
                told, _ = _instruction(self._events[place + 1 :])
                if told:
                    self._at, self.instruction = place + 1, told
                    return told
        return None


def _is(tool: str, name: str) -> bool:
    """Whether a tool is offered under a name: its own, or that behind a prefix."""
    return name == tool or name.endswith((f"__{tool}", f".{tool}", f"_{tool}", f"-{tool}"))


def _instruction(events: Sequence[_Event]) -> tuple[str, list[_Event]]:
    """What the user says before anything else happens, and the rest."""
    told, rest = [], list(events)
    while rest and rest[0].kind == "told":
        told.append(rest.pop(0).text)
    return "\n".join([text for text in told if not _REMARK.match(text)] or told), rest


def _events(messages: Sequence[Message]) -> Iterator[_Event]:
    results: dict[str, list[ToolResultBlock]] = {}
    for message in messages:
        if not isinstance(message.content, str):
            for block in message.content:
                if isinstance(block, ToolResultBlock):
                    results.setdefault(block.tool_use_id, []).append(block)
    for message in messages:
        if message.role == "assistant":
            for use in message.tool_uses:
                if found := results.get(use.id):
                    result = found.pop(0)
                    yield _Event("call", result.content or "", use.name, result.is_error)
            if not message.tool_uses and message.text:
                yield _Event("said", message.text)
        elif message.role == "user":
            blocks = [TextBlock(message.content)] if isinstance(message.content, str) else message.content
            for block in blocks:
                text = _ADDED.sub("", block.text).strip() if isinstance(block, TextBlock) else ""
                if text:
                    yield _Event("told", text)


def value_of(content: str) -> Value:
    """The value that a tool gave, from the text that an agent was shown: JSON where it is some, else as it is.

    Agents that hear of tools by MCP may show the structured content, in which what is no object lies under `result`.
    """
    if headed := _HEADED.match(content):
        content = content[headed.end() :]
    if content == "done":
        return None
    if _JSON.match(content):
        try:
            found: Value = json.loads(content)
            return found["result"] if isinstance(found, dict) and set(found) == {"result"} else found
        except (ValueError, RecursionError):
            pass
    return content
