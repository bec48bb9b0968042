"""The random agent: valid tool calls drawn at random. What it scores is what luck gives."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from terrarium.agent.solution import think
from terrarium.core.agent import Reply, Seat
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.tool import Tool, ToolCall
from terrarium.core.values import Value

_WORDS = ("INBOX", "report", "yes", "done", "agent@world.example", "/root/notes.txt", "2030-01-07", "hello", "1")


class RandomAgent:
    """Uses tools at random, with arguments that fit their schemas.

    Args:
        seed: Decides everything it does.
        calls: Tool calls in a turn: between none and this many.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    asks_model: ClassVar[bool] = False

    def __init__(self, seed: int = 0, calls: int = 6) -> None:
        self._random = random.Random(seed)
        self._calls = calls
        self._seen: list[str] = list(_WORDS)

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Use some tools and say something."""
        for number in range(self._random.randint(0, self._calls) if seat.tools else 0):
            tool = self._random.choice(list(seat.tools))
            arguments = self._arguments(tool)
            call = ToolCall(tool.name, arguments, f"call_{number}")
            await think(seat, "random", ToolUseBlock(call.id, call.name, arguments))
            result = await seat.call(call)
            self._seen.extend(word for word in result.content.split()[:40] if len(word) < 60)
        text = self._random.choice(_WORDS)
        await think(seat, "random", TextBlock(text))
        return Reply.say(text)

    def _arguments(self, tool: Tool) -> dict[str, Value]:
        properties: Mapping[str, Any] = tool.parameters.get("properties", {})
        required = set(tool.parameters.get("required", ()))
        definitions = tool.parameters.get("$defs", {})
        return {
            name: self._value(schema, definitions)
            for name, schema in properties.items()
            if name in required or self._random.random() < 0.3
        }

    def _value(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Value:
        if "$ref" in schema:
            schema = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
        if "enum" in schema:
            return self._random.choice(list(schema["enum"]))
        if "const" in schema:
            return schema["const"]
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._value(self._random.choice(list(schema[several])), definitions)
        kind = schema.get("type")
        if kind == "integer":
            return self._random.randint(int(schema.get("minimum", 0)), int(schema.get("maximum", 20)))
        if kind == "number":
            return round(self._random.uniform(0, 100), 2)
        if kind == "boolean":
            return self._random.random() < 0.5
        if kind == "null":
            return None
        if kind == "array":
            return [self._value(schema.get("items", {}), definitions) for _ in range(self._random.randint(0, 2))]
        if kind == "object":
            inner = schema.get("properties", {})
            return {name: self._value(entry, definitions) for name, entry in inner.items()}
        return self._random.choice(self._seen)

    def save(self) -> bytes | None:
        """Only turn boundaries can be resumed."""
        return None

    def load(self, memory: bytes) -> None:
        """Nothing is ever saved."""

    async def close(self) -> None:
        """Nothing to give up."""
