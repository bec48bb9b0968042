"""Agents with a model of their own, for replays: what they ask is counted, and a replay must ask nothing."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from notes_capability import Notes
from terrarium.core.agent import Reply
from terrarium.core.capability import Traits
from terrarium.core.errors import ModelFault
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.rows import Row
from terrarium.core.tool import Tool, ToolCall
from terrarium.model.scripted import ScriptedModel

ASKED: list[int] = []
"""One entry for each request of any of them."""


class Thinking:
    """Uses the tools that its model asks for, until it asks for none.

    Args:
        answers: Of its model, in which `THE KEY` is its key; `{"wait": seconds}` takes so long before it fails,
            `{"fail": text}` fails at once.
        together: Have the tool calls of one answer overlap.
        api_key: What it must have to be made.
    """

    timing: ClassVar[str] = "fixed"

    def __init__(self, answers: Sequence[Any], together: bool = False, api_key: str = "key of some length") -> None:
        if not api_key:
            raise ValueError("it needs a key")
        self._answers = json.loads(json.dumps(list(answers)).replace("THE KEY", api_key))
        self._together = together
        self._said: list[Message] = []

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Message, seat: Any, resumed: bool = False) -> Reply:
        self._said.append(instruction)
        while True:
            done = await seat.think(lambda: self._ask(seat.tools))
            self._said.append(done.message)
            calls = [ToolCall(use.name, use.input, use.id) for use in done.message.tool_uses]
            if not calls:
                return Reply.say(done.message.text)
            if self._together:
                results = await asyncio.gather(*(seat.call(call) for call in calls))
            else:
                results = [await seat.call(call) for call in calls]
            self._said.append(Message("user", "; ".join(result.content for result in results)))

    async def _ask(self, tools: Sequence[Tool]) -> Completion:
        ASKED.append(len(self._said))
        answer = self._answers.pop(0) if self._answers else "Done."
        if isinstance(answer, dict) and "fail" in answer:
            raise ModelFault(answer["fail"])
        if isinstance(answer, dict) and "wait" in answer:
            await asyncio.sleep(answer["wait"])
            raise ModelFault("it took too long")
        return await ScriptedModel([answer]).generate(self._said, tools)

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


class Measured(Thinking):
    """The same, on its own time."""

    timing: ClassVar[str] = "measured"

    async def _ask(self, tools: Sequence[Tool]) -> Completion:
        await asyncio.sleep(0.01)
        return await super()._ask(tools)


class Vague(Notes):
    """Notes whose tools say something else every time, and whose rows may."""

    traits = Traits(deterministic=False)
    drift: ClassVar[bool] = False

    def tools(self, agent: str) -> Sequence[Tool]:
        return [*super().tools(agent), Tool.of(self._guess, "notes_guess", writes=False)]

    def rows(self) -> Iterator[Row]:
        yield from super().rows()
        if self.drift:
            yield Row("note", "zz", {"at": time.time_ns()})

    def _guess(self) -> str:
        """Guess a number."""
        return str(random.SystemRandom().random())
