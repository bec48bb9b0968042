"""A seat that answers from the journal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from terrarium.core.agent import Notice, StopReason
from terrarium.core.journal import Event, EventKind
from terrarium.core.model import Completion
from terrarium.core.sandbox import AgentSandbox
from terrarium.core.tool import ToolCall, ToolResult
from terrarium.run.refusal import Refusal
from terrarium.run.seat import TrialSeat


class ReplaySeat:
    """A seat that answers from the journal: an agent without saved memory lives through its past turns again."""

    def __init__(self, seat: TrialSeat, events: Iterable[Event]) -> None:
        self.name = seat.name
        self.tools = seat.tools
        self.sandbox: AgentSandbox | None = None
        self.system_prompt = seat.system_prompt
        self.budget = seat.budget
        self.refusal = Refusal()
        kinds = (EventKind.MODEL, EventKind.TOOL_RESULT, EventKind.NOTICE)
        own = (e for e in events if e.actor == seat.name and e.kind in kinds)
        self._answers = deque(e for e in own if "via" not in e.data)
        self._told: list[Notice] = []

    def notices(self) -> Sequence[Notice]:
        """What it was told then."""
        self._skip_notices()
        told, self._told = self._told, []
        return told

    async def think(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """The recorded answer; the model is not asked."""
        await asyncio.sleep(0)
        await self.refusal.passed()
        completion: Completion = self._next(EventKind.MODEL).data["completion"]
        return completion

    async def call(self, call: ToolCall) -> ToolResult:
        """The recorded result; nothing is done."""
        await self.refusal.passed()
        result: ToolResult = self._next(EventKind.TOOL_RESULT).data["result"]
        return result

    def _skip_notices(self) -> None:
        while self._answers and self._answers[0].kind is EventKind.NOTICE:
            self._told.append(self._answers.popleft().data["notice"])

    def _next(self, kind: EventKind) -> Event:
        self._skip_notices()
        if not self._answers or self._answers[0].kind is not kind:
            raise self.refusal.over(StopReason.ERROR)
        return self._answers.popleft()
