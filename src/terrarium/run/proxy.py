"""The proxy of a seat: programs of an agent, such as an MCP client in its sandbox, use the agent's tools through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from terrarium.core.agent import StopReason, TurnOver
from terrarium.core.journal import Event
from terrarium.core.tool import Tool, ToolCall, ToolResult
from terrarium.core.world import World
from terrarium.run.checkpoint_tool import KEEP, RETURN
from terrarium.run.seat import TrialSeat
from terrarium.run.waiting_tool import WAIT

VIA = "mcp"  # how the events of such calls say where they came from


class SeatProxy:
    """Acts in the name of one agent; see `terrarium.core.proxy.Proxy`.

    A call takes no place in the turnstile, where the agent itself may stand: it is let in like any other request of a
    service, so a program inside a command never waits for that command to end.

    Args:
        seat: Whose.
        world: Where.
    """

    def __init__(self, seat: TrialSeat, world: World) -> None:
        self._seat = seat
        self._world = world
        self._watching: list[Callable[[], None]] = []
        seat.tools_changed = self._tell

    async def tools(self) -> Sequence[Tool]:
        """What the agent can use now."""
        async with self._world.baton.hold(self._seat.name):
            there = self._seat.tools if self._seat.acts else self._seat.offered()
            return [tool for tool in there if tool.name not in (KEEP, RETURN)]

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when a turn begins with other tools."""
        self._watching.append(changed)

    def _tell(self) -> None:
        for changed in self._watching:
            changed()

    async def call(self, call: ToolCall) -> ToolResult:
        """Use a tool; see `Proxy.call`."""
        seat = self._seat
        async with self._world.baton.hold(seat.name):
            refused = self._refused(call)
            if refused is not None:
                return refused
            try:
                asked, result, seconds = await seat.effect(call, VIA)
            except TurnOver:
                return ToolResult("error: the tool failed, and the trial ends", error="failed", call_id=call.id)
            await self._world.callbacks.settle()
            if seat.using is not None:
                self._owe(asked, result, seconds)
                return result
        if call.name == WAIT and result.error is None:
            result = await seat.wait_for_notice(result)
        # Nothing is awaited between this question and the answer of `acting`, which locks at once where it can.
        if seat.acts and not seat.moment.locked():
            cost, told = seat.cost_of(asked, seconds)
            async with seat.acting(cost):
                seat.answer(asked, result, {**told, "via": VIA})
            return result
        async with self._world.baton.hold(seat.name):
            self._owe(asked, result, seconds)
        return result

    def _owe(self, asked: Event, result: ToolResult, seconds: float) -> None:
        """Leave the cost to what the agent does next; where wall time counts, that has it in it already."""
        cost, told = self._seat.cost_of(asked, seconds)
        if not told:
            self._seat.owed += cost
        self._seat.answer(asked, result, {"via": VIA})

    def _refused(self, call: ToolCall) -> ToolResult | None:
        """Why it may not be used now."""
        seat, world = self._seat, self._world
        over = seat.over or (StopReason.ERROR if world.callbacks.failure is not None else None)
        error, why = "limit", ""
        if not seat.acts:
            why = f"{seat.name} has no turn now; tools can be used while one is under way"
        elif call.name in (KEEP, RETURN) and seat.own_tools:
            error, why = (
                "refused",
                f"{call.name} is for the agent itself: a program would be gone with what it set back",
            )
        elif over is not None or seat.budget.tool_calls <= 0:
            why = f"the turn is over: {(over or StopReason.TOOL_CALL_LIMIT).value}"
        elif (seat.using is not None or seat.moment.locked()) and call.name == WAIT:
            error, why = "refused", f"{WAIT} cannot be used now: the time of {seat.name} stands until its command ends"
        elif seat.using is not None and any(tool.command for tool in seat.tools if tool.name == call.name):
            error, why = "refused", f"{call.name} cannot be used from within a command: run it there"
        return ToolResult(f"error: {why}", error=error, call_id=call.id) if why else None
