"""A simulated person whom a model plays."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from terrarium.agent.user.ending import words
from terrarium.agent.user.prompt import BEGIN, SILENCE, SPEAK, system_prompt
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import ModelFault
from terrarium.core.message import Block, Message, ToolResultBlock
from terrarium.core.model import Completion, Model
from terrarium.core.tool import ToolCall
from terrarium.core.user import TEXT_LIMIT
from terrarium.core.values import decode, dumps, encode


class ModelUser:
    """Plays somebody with a goal of their own, by asking a model.

    Args:
        model: Whom to ask.
        name: Of the person.
        persona: What they are like.
        goal: What they want.
        knows: What they know.
        lives: Whether they have a mailbox and the like, and act when something reaches them; else they only talk.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    asks_model: ClassVar[bool] = True

    def __init__(self, model: Model, name: str, persona: str, goal: str, knows: str, lives: bool) -> None:
        self._model = model
        self._messages = [Message("system", system_prompt(name, persona, goal, knows, lives))]

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Answer what was said, or look at what is new.

        Raises:
            ModelFault: The model cannot be had, or has nothing to say when it is asked twice.
        """
        news = [f"- {notice.text}" for notice in seat.notices()]
        heard = words(instruction.text)
        told = "\n".join([part for part in (heard, *(["News:", *news] if news else ())) if part])
        self._messages.append(Message("user", told or (BEGIN if len(self._messages) == 1 else SILENCE)))
        said = await self._say(seat)
        if not said and not news:
            self._messages.append(Message("user", SPEAK))
            said = await self._say(seat)
            if not said:
                raise ModelFault(f"the model of the simulated person {seat.name!r} says nothing")
        return Reply.say(said)

    async def _say(self, seat: Seat) -> str:
        """Use tools as long as the model wants to, then give its words."""
        while True:
            completion = await seat.think(lambda: self._ask(seat))
            self._messages.append(completion.message)
            uses = completion.message.tool_uses
            if not uses:
                return completion.message.text[:TEXT_LIMIT].strip()
            results: list[Block] = []
            for use in uses:
                result = await seat.call(ToolCall(use.name, use.input, use.id))
                results.append(ToolResultBlock(use.id, result.content[:TEXT_LIMIT], result.error is not None))
            self._messages.append(Message("tool", results))

    async def _ask(self, seat: Seat) -> Completion:
        return await self._model.generate(list(self._messages), seat.tools)

    def save(self) -> bytes | None:
        """What was said so far."""
        return dumps(encode(self._messages)).encode("ascii")

    def load(self, memory: bytes) -> None:
        """Continue from what `save` gave."""
        self._messages = list(decode(json.loads(memory)))

    async def close(self) -> None:
        """Give up the model."""
        await self._model.close()
