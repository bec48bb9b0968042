"""Seats that answer from the journal: an agent without saved memory lives through its past again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from terrarium.core.agent import Budget, Notice, StopReason
from terrarium.core.errors import EngineFault
from terrarium.core.journal import Event, EventKind
from terrarium.core.model import Completion
from terrarium.core.sandbox import AgentSandbox
from terrarium.core.tool import Tool, ToolCall, ToolResult
from terrarium.run.refusal import Refusal
from terrarium.run.seat import TrialSeat

_ANSWERS = (EventKind.MODEL, EventKind.TOOL_RESULT)


class ReplaySeat:
    """A seat for a turn that has ended.

    Args:
        seat: Whose it was.
        events: Of the agent in that turn.
        told: Notices of earlier turns that it has not asked for; those of this turn join them.
    """

    def __init__(self, seat: TrialSeat, events: Iterable[Event], told: list[Notice]) -> None:
        self.name = seat.name
        self.tools = seat.tools
        self.sandbox: AgentSandbox | None = None
        self.system_prompt = seat.system_prompt
        self.budget = seat.budget
        self.refusal = Refusal()
        own = (event for event in events if event.kind in (*_ANSWERS, EventKind.NOTICE))
        self._answers = deque(event for event in own if "via" not in event.data)
        self._told = told

    def notices(self) -> Sequence[Notice]:
        """What it was told then."""
        told = list(self.pending())
        self._told.clear()
        return told

    async def think(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """The recorded answer; the model is not asked."""
        await asyncio.sleep(0)
        await self.refusal.passed()
        completion: Completion = self.answer(EventKind.MODEL).data["completion"]
        return completion

    async def call(self, call: ToolCall) -> ToolResult:
        """The recorded result; nothing is done."""
        await self.refusal.passed()
        result: ToolResult = self.answer(EventKind.TOOL_RESULT).data["result"]
        return result

    def left(self, kind: EventKind) -> int:
        """How many answers of a kind there are still."""
        return sum(event.kind is kind for event in self._answers)

    def pending(self) -> list[Notice]:
        """What it has been told by now and not asked for."""
        while self._answers and self._answers[0].kind is EventKind.NOTICE:
            self._told.append(self._answers.popleft().data["notice"])
        return self._told

    def drain(self) -> None:
        """The turn is over: what was not asked for waits for the next one."""
        self._told += [event.data["notice"] for event in self._answers if event.kind is EventKind.NOTICE]
        self._answers.clear()

    def peek(self) -> Event:
        """The next event that is answered with; there is one."""
        return self._answers[0]

    def answer(self, kind: EventKind) -> Event:
        """The next recorded answer.

        Raises:
            TurnOver: There is none of that kind: it ended here, or did something else.
        """
        self.pending()
        if not self._answers or self._answers[0].kind is not kind:
            raise self.refusal.over(StopReason.ERROR)
        return self._answers.popleft()


class ContinuingSeat:
    """A seat for a turn that was cut short: it answers from the journal what stands there, and then is the live one.

    Args:
        seat: The live one, as it was when the journal ends.
        events: Of the agent in this turn so far.
        told: Notices of earlier turns that it has not asked for.
    """

    def __init__(self, seat: TrialSeat, events: Iterable[Event], told: list[Notice]) -> None:
        self.name = seat.name
        self.tools: Sequence[Tool] = seat.tools
        self.sandbox = seat.sandbox
        self.system_prompt = seat.system_prompt
        self.refusal = seat.refusal
        self._live = seat
        self._past = ReplaySeat(seat, events, told)

    @property
    def budget(self) -> Budget:
        """What it might still use at this point of the turn."""
        now, past = self._live.budget, self._past
        steps, calls = past.left(EventKind.MODEL), past.left(EventKind.TOOL_RESULT)
        return now if not steps + calls else replace(now, steps=now.steps + steps, tool_calls=now.tool_calls + calls)

    @property
    def _answering(self) -> bool:
        return any(self._past.left(kind) for kind in _ANSWERS)

    def notices(self) -> Sequence[Notice]:
        """What it was told then; at the end of the journal what it had not asked for yet waits at the live seat."""
        if self._answering:
            return self._past.notices()
        there = len(self._live.told)
        told = list(self._past.notices())
        return [*told[: len(told) - there], *self._live.notices()]

    async def think(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """The recorded answer, while there is one.

        Raises:
            EngineFault: It does something else than before; the trial is tried again from its beginning.
        """
        if not self._answering:
            return await self._live.think(request)
        await asyncio.sleep(0)
        completion: Completion = self._next(EventKind.MODEL, "thinks").data["completion"]
        return completion

    async def call(self, call: ToolCall) -> ToolResult:
        """The recorded result, while there is one.

        Raises:
            EngineFault: It does something else than before; the trial is tried again from its beginning.
        """
        if not self._answering:
            return await self._live.call(call)
        result: ToolResult = self._next(EventKind.TOOL_RESULT, f"uses {call.name}", call.name).data["result"]
        return result

    def _next(self, kind: EventKind, does: str, tool: str | None = None) -> Event:
        self._past.pending()
        event = self._past.peek()
        if event.kind is not kind or (tool is not None and event.data["tool"] != tool):
            before = "thought" if event.kind is EventKind.MODEL else f"used {event.data['tool']}"
            raise EngineFault(
                f"agent {self.name!r} {does}, where before it {before} (event {event.seq}): it does not come to the "
                "same from the same answers, so it cannot be resumed in the middle of a turn"
            )
        return self._past.answer(kind)
