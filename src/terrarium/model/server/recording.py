"""Answers from a cassette, to whoever asks what was asked when it was recorded, in whatever wire format."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import decode, digest
from terrarium.model.tape import Tape


class RecordedModel:
    """Plays a cassette to many conversations at once, over and over.

    A request is found by what is said in it: roles, texts, tool calls and their results, images, names of tools. The
    model's name, sampling parameters, thinking and ids of calls differ between wire formats and do not count. Equal
    requests get their answers in the order in which they were recorded, and then from the first again.

    Args:
        path: The cassette.
        name: What the model is called; by default as the cassette says, where it recorded one only.

    Raises:
        ConfigError: The file is no cassette, is damaged, or is empty.
    """

    def __init__(self, path: Path | str, name: str = "") -> None:
        tape = Tape(Path(path))
        if not tape.recordings:
            raise ConfigError(f"the cassette {path} holds no recording")
        self.name = name or (tape.models[0] if len(tape.models) == 1 else "cassette")
        self._path = path
        self._answers: dict[str, list[Completion]] = defaultdict(list)
        for recorded in tape.recordings.values():
            request = recorded.request
            messages = [decode(message) for message in request.messages]
            self._answers[_key(messages, [tool["name"] for tool in request.tools])] += recorded.answers
        self._given: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The recorded answer.

        Raises:
            ModelFault: That was never asked.
        """
        key = _key(messages, [tool.name for tool in tools])
        found = self._answers.get(key)
        if not found:
            raise ModelFault(
                f"no recording in {self._path} answers this request ({len(messages)} messages, {len(tools)} tools)"
            )
        with self._lock:
            number, self._given[key] = self._given[key], self._given[key] + 1
        return found[number % len(found)]

    async def close(self) -> None:
        """Nothing to give up."""


def _key(messages: Sequence[Message], tools: Sequence[str]) -> str:
    """What is said, in one form for all wire formats: they cut a turn into messages in different ways."""
    said: list[list[Any]] = []
    for message in messages:
        blocks = [TextBlock(message.content)] if isinstance(message.content, str) else message.content
        for block in blocks:
            told = _told(message.role, block)
            if told is not None:
                said.append(told)
    return digest([said, sorted(tools)])


def _told(role: str, block: Any) -> list[Any] | None:
    if isinstance(block, TextBlock):
        return [role, "text", block.text] if block.text else None
    if isinstance(block, ToolUseBlock):
        return [role, "call", block.name, block.input]
    if isinstance(block, ToolResultBlock):
        return ["tool", "result", block.content or "", *(image.data for image in block.images)]
    if isinstance(block, ImageBlock):
        return [role, "image", block.data]
    return None
