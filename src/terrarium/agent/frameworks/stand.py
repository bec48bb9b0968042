"""Where a framework stands in a world: its model and its tools, both by way of the seat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.core.agent import Seat, TurnOver
from terrarium.core.errors import AgentFault, ModelFault
from terrarium.core.message import Message
from terrarium.core.model import Completion, Model, Structured
from terrarium.core.offers import offers
from terrarium.core.tool import Tool, ToolCall, ToolResult
from terrarium.core.values import Value, canonical

_Key = tuple[str, ...]


class Stand:
    """Asks the model as steps of the agent, and uses its tools.

    What ends a turn, or keeps the model from answering, is kept in `ended`, and the framework is told that it is
    cancelled: it would catch other errors, or lose them in tasks of its own. After that nothing is answered any more.

    Args:
        model: Who thinks.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.ended: BaseException | None = None
        self._seat: Seat | None = None
        self._answers: dict[_Key, Message] = {}
        self._calls = 0
        self._over: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model.name

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools of this turn."""
        return self.seat.tools

    @property
    def seat(self) -> Seat:
        """Whose turn it is.

        Raises:
            AgentFault: Nobody's.
        """
        if self._seat is None:
            raise AgentFault("the framework asks outside of a turn")
        return self._seat

    def sit(self, seat: Seat) -> asyncio.Future[None]:
        """Take a seat for the next turn; done where something ends the turn."""
        self._seat, self.ended = seat, None
        self._over = asyncio.get_running_loop().create_future()
        return self._over

    def leave(self) -> None:
        """The turn is over; what still runs gets no answer."""
        self._seat = None
        if self._over is not None:
            self._over.cancel()

    def told(self, text: str) -> str:
        """A text with the notices behind it that wait for the agent."""
        notices = [f"[notice] {notice.text}" for notice in self.seat.notices()]
        return "\n\n".join([text, *notices]) if notices else text

    async def ask(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Completion:
        """The model's answer, as one step. What the task told the agent to be stands before what its maker did.

        An answer of the model among `messages` is sent as the model gave it: frameworks have no place for what its
        provider wants back, such as signed reasoning.

        Raises:
            asyncio.CancelledError: A limit is reached, or the model does not answer.
        """
        self._may_go_on()
        whole = [self._as_given(message) for message in messages]
        if self.seat.system_prompt:
            whole.insert(0, Message("system", self.seat.system_prompt))
        if schema is not None and (tools or not offers(self.model, Structured)):
            told = f"Answer with JSON alone, that fits this schema: {json.dumps(schema)}"
            whole, schema = [Message("system", told), *whole], None

        async def request() -> Completion:
            if schema is not None and isinstance(self.model, Structured):
                return await self.model.generate_json(whole, schema)
            return await self.model.generate(whole, tools)

        try:
            completion = await self.seat.think(request)
        except BaseException as error:
            self._end(error)
            raise
        self._answers[_key(completion.message)] = completion.message
        return completion

    async def use(self, name: str, arguments: Value, call: str = "") -> ToolResult:
        """What a tool gives, whatever was sent as its arguments; notices stand at the end of the text.

        Raises:
            asyncio.CancelledError: A limit is reached.
        """
        self._may_go_on()
        self._calls += 1
        try:
            result = await self.seat.call(ToolCall(name, arguments, call or f"use_{self._calls}"))
        except BaseException as error:
            self._end(error)
            raise
        return ToolResult(self.told(result.content), result.value, result.error, result.call_id)

    def _may_go_on(self) -> None:
        if self.ended is not None:
            raise asyncio.CancelledError("the turn is over")

    def _end(self, error: BaseException) -> None:
        if not isinstance(error, (TurnOver, ModelFault)):
            return
        self.ended = self.ended or error
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        raise asyncio.CancelledError("the turn is over")

    def _as_given(self, message: Message) -> Message:
        return self._answers.get(_key(message), message) if message.role == "assistant" else message


def _key(message: Message) -> _Key:
    """What an answer is known by after a framework had it in its hands."""
    uses = message.tool_uses
    return tuple([use.id for use in uses] + [canonical([use.name for use in uses])]) if uses else (message.text,)
