"""The scripted model: answers from a list or a function, for tests and wherever a model must cost nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from terrarium.core.errors import ConfigError, ModelFault, unknown_key
from terrarium.core.message import Block, Message, TextBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.registry import find
from terrarium.core.tool import Tool
from terrarium.core.values import canonical

Answer = Any
"""Text, `{"tool": name, "args": {...}}`, `{"say": text}`, a list of these, a `Message` or a `Completion`."""

_PER_TOKEN = 4  # characters


class ScriptedModel:
    """Answers what it was told to.

    Args:
        answers: One for each request, in the order in which they come, or a function of messages and tools that gives
            one. An answer is

            * text, or `{"say": text}`;
            * `{"tool": name, "args": {...}}`: a tool call;
            * a list of these;
            * a `Message` or a `Completion`, taken as it is.

            As text, where they are: `package.module:attribute`, or the path of a JSON file that holds the list.
        name: What the model is called; where the answers were named, that by default.

    Usage is counted as one token for four characters, so it is there and always the same.

    Raises:
        ConfigError: An answer of the list is not understood, or nothing is where they should be.
    """

    shared: ClassVar[bool] = False

    def __init__(
        self,
        answers: str | Sequence[Answer] | Callable[[Sequence[Message], Sequence[Tool]], Answer],
        name: str = "",
    ) -> None:
        self.name = name or (f"scripted/{answers}" if isinstance(answers, str) else "scripted")
        if isinstance(answers, str):
            answers = _named(answers)
        self.asked = 0
        """How many requests have come."""
        self._answers = answers if callable(answers) else list(answers)
        self._lock = threading.Lock()
        if not callable(self._answers):
            for number, answer in enumerate(self._answers):
                _completion(answer, number)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The next answer.

        Raises:
            ModelFault: The list is at its end.
            ConfigError: The function gave something that is no answer.
        """
        with self._lock:
            number, self.asked = self.asked, self.asked + 1
        if callable(self._answers):
            answer = self._answers(messages, tools)
        elif number < len(self._answers):
            answer = self._answers[number]
        else:
            raise ModelFault(
                f"the scripted model {self.name!r} is asked for more than its {len(self._answers)} answers"
            )
        # By the place in the conversation: one that asks several of these models has no id twice.
        place = sum(message.role == "assistant" for message in messages) + 1
        made = _completion(answer, number, place)
        if isinstance(answer, Completion):
            return made
        usage = Usage(_tokens([list(messages)]), _tokens([made.message]))
        return Completion(made.message, made.stop, usage, self.name)

    async def close(self) -> None:
        """Nothing to give up."""


def _named(where: str) -> Any:
    """The answers at `package.module:attribute`, or in a JSON file."""
    if ":" in where and not where.endswith(".json"):
        found = find("model", where)
    else:
        try:
            found = json.loads(Path(where).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"the answers of a scripted model cannot be read from {where!r}: {error}") from error
    if not callable(found) and not isinstance(found, (list, tuple)):
        raise ConfigError(f"the answers of a scripted model are a list or a function, not {found!r:.100}, at {where!r}")
    return found


def _completion(answer: Answer, number: int, place: int = 1) -> Completion:
    if isinstance(answer, Completion):
        return answer
    if isinstance(answer, Message):
        return Completion(answer, "tool_use" if answer.tool_uses else "end")
    parts = answer if isinstance(answer, list) else [answer]
    blocks = [_block(part, f"call_{place}_{index}", number) for index, part in enumerate(parts, 1)]
    message = Message("assistant", blocks)
    return Completion(message, "tool_use" if message.tool_uses else "end")


def _block(part: Any, call: str, number: int) -> Block:
    if isinstance(part, str):
        return TextBlock(part)
    if isinstance(part, (TextBlock, ToolUseBlock)):
        return part
    if isinstance(part, Mapping):
        for key in part:
            if key not in ("tool", "args", "say"):
                raise unknown_key(f"answer {number}", str(key), ("tool", "args", "say"))
        if "tool" in part:
            return ToolUseBlock(call, str(part["tool"]), dict(part.get("args") or {}))
        if "say" in part:
            return TextBlock(str(part["say"]))
    raise ConfigError(f"answer {number} of a scripted model is neither text nor a tool call: {part!r:.200}")


def _tokens(values: Sequence[Any]) -> int:
    return sum(len(canonical(value)) for value in values) // _PER_TOKEN
