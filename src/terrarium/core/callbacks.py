"""What a program registered to be called back, and the passing of time that calls it.

Callbacks are known by the number of the call that registered them. Functions are never saved: a program that runs
again registers them again, under the same numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from terrarium.core.clock import Clock, Schedule, Span, span_micros
from terrarium.core.errors import (
    BudgetSpent,
    ConfigError,
    ProgramError,
    ReentrantCall,
    ReplayDiverged,
    TerrariumError,
    describe,
)
from terrarium.core.journal import EventKind, Journal
from terrarium.core.program import Program
from terrarium.core.replay import Live
from terrarium.core.tool import Tool
from terrarium.core.values import Value, decode, dumps, encode

Function = Callable[..., Any]


class Neighbours(Protocol):
    """Those in a world who act at their own moments, without being asked by its program."""

    def due(self) -> int | None:
        """When the next of them acts, in microseconds; None where nobody will."""
        ...

    async def act(self) -> None:
        """Have the one act who is due. The caller holds the baton, and time stands."""
        ...


class Callbacks:
    """The schedule and the conditions of a world, the functions behind them, and their firing.

    Args:
        clock: World time, which only this class moves.
        journal: Where `fire` and `fired` are written.
        version: A number that grows with every write the world can see.
        last_moment: When the trial's world time is used up, in microseconds.
    """

    def __init__(
        self, clock: Clock, journal: Journal, version: Callable[[], int], last_moment: int | None = None
    ) -> None:
        self.clock = clock
        self.journal = journal
        self.program: Program | None = None
        self.schedule = Schedule()
        self.conditions: list[int] = []
        self.depth = 0
        """How many callbacks are running; the program may not wait in one."""
        self.testing = False
        """Whether a condition is being evaluated; nobody may write meanwhile."""
        self.cause: int | None = None
        """The event that explains what is written now: a call, a tool call, a fire."""
        self.failure: Exception | None = None
        """What a callback raised; it reaches the program when its present wait ends."""
        self.interrupted: Callable[[], bool] = lambda: False
        """Whether time should stop passing for now, because turns were queued."""
        self.neighbours: Neighbours | None = None
        self.blind = False
        """Some capability cannot see its writes: conditions are evaluated whenever they might have come true."""
        self._version = version
        self._settled = 0
        self._last_moment = last_moment
        self._functions: dict[int, Function] = {}
        self._tests: dict[int, Function] = {}

    # -- registering ----------------------------------------------------------------------------------------------

    def at(self, number: int, moment: Any) -> None:
        """Call number `number` back at a moment; one in the past is due at once."""
        self.schedule.add(number, self.clock.moment(moment))

    def after(self, number: int, span: Span) -> None:
        """Call number `number` back once a span has passed."""
        self.schedule.add(number, self.clock.micros + span_micros(span))

    def every(self, number: int, period: Span, until: Any = None, first: Any = None) -> None:
        """Call number `number` back at every period from now on, or from `first` on, up to and including `until`.

        Of the times that are past already, only the last is made up for.
        """
        now, step = self.clock.micros, span_micros(period)
        if step <= 0:
            raise ConfigError("`every` needs a period above zero")
        start = now + step if first is None else self.clock.moment(first)
        start += max(0, now - start) // step * step
        end = None if until is None else self.clock.moment(until)
        self.schedule.add(number, start, step, end)

    def when(self, number: int) -> None:
        """Call number `number` back once its condition holds; it is looked at when the next step or event has ended."""
        self.conditions.append(number)
        self._settled = -1

    def cancel(self, number: int) -> bool:
        """Forget callback `number`; False where it was not waiting."""
        if number in self.conditions:
            self.conditions.remove(number)
            return True
        return self.schedule.cancel(number)

    def register(self, number: int, functions: Mapping[str, Function], tools: bool) -> None:
        """Keep the functions that call `number` brought.

        Args:
            number: Of the call.
            functions: `callback` and `condition` of a schedule, or an agent's tools by their names.
            tools: That they are tools: called back as `(tool, arguments)`, with the arguments as plain values.
        """
        if tools:
            own = dict(functions)
            self._functions[number] = lambda tool, arguments: own[tool](**Tool.of(own[tool], tool).bind(arguments))
        elif functions:
            self._functions[number] = functions["callback"]
            if "condition" in functions:
                self._tests[number] = functions["condition"]

    def save(self) -> dict[str, Any]:
        """Numbers and times as plain data."""
        return {
            "schedule": self.schedule.save(),
            "conditions": list(self.conditions),
            "settled": self._settled,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Continue from what `save` returned; the functions come with the program's replay."""
        self.schedule.load(saved["schedule"])
        self.conditions = list(saved["conditions"])
        self._settled = saved["settled"]

    def looked_at(self, version: int) -> None:
        """The conditions were looked at last when the world had this version; -1: they must be looked at."""
        self._settled = version

    def due(self) -> int | None:
        """When the next thing happens by itself; None where nothing will."""
        found = [self.schedule.due(), self._neighbours_due()]
        return min((moment for moment in found if moment is not None), default=None)

    def last(self) -> int | None:
        """When the last thing happens that is known of now."""
        found = [self.schedule.last(), self._neighbours_due()]
        return max((moment for moment in found if moment is not None), default=None)

    def _neighbours_due(self) -> int | None:
        return None if self.neighbours is None else self.neighbours.due()

    # -- the passing of time --------------------------------------------------------------------------------------

    async def pass_time(self, span: int, pausing: bool = False) -> None:
        """Let `span` microseconds pass, firing whatever becomes due. The caller holds the baton.

        Args:
            span: Microseconds.
            pausing: Stop early as soon as `interrupted()`.

        Raises:
            BudgetSpent: The trial's world time is used up.
        """
        target = max(self.clock.micros + span, self.clock.present())
        spent = self._last_moment is not None and target > self._last_moment
        if spent:
            target = max(self.clock.micros, self._last_moment or 0)
        while self.failure is None and not (pausing and self.interrupted()):
            due = self.due()
            await self.clock.until(target if due is None else min(due, target))
            if due is None or due > target:
                self.clock.move(target)
                break
            if self.schedule.due() == due:
                await self._serve(lambda: self._run_due(target, pausing))
            elif self.neighbours is not None:
                self.clock.move(due)
                await self.neighbours.act()
            await self.settle()
        await self.settle()
        if spent and self.clock.micros >= target:
            raise BudgetSpent("the trial's world time is used up (limits.world_days)")

    async def settle(self) -> None:
        """Evaluate the conditions, if anything changed since the last time. The caller holds the baton."""
        again = self._stale()
        while again and self.failure is None:
            again = await self._serve(self._run_conditions)

    def _stale(self) -> bool:
        return bool(self.conditions) and (self.blind or self._version() != self._settled)

    async def _serve(self, job: Callable[[], bool]) -> bool:
        return job() if self.program is None else await self.program.serve(job)

    @property
    def _one_by_one(self) -> bool:
        """An `async def` program is let run after each firing: a task of its own may have waited for it."""
        return self.program is not None and self.program.is_async

    def _run_due(self, target: int, pausing: bool) -> bool:
        """On the program's thread: fire what is due up to `target`, in order; True where there may be more."""
        while self.failure is None and not (pausing and self.interrupted()):
            due = self._neighbours_due()
            entry = self.schedule.take(target if due is None else min(due, target))
            if entry is None:
                break
            self.clock.move(entry.time)
            self._fire_and_keep(entry.number)
            if self._one_by_one or self.clock.wall:
                return True
            if self._stale():
                self._run_conditions()
        return False

    def _run_conditions(self) -> bool:
        """On the program's thread: fire the first condition that holds, and look again, until none does.

        Returns:
            Whether somebody must look again: an `async def` program comes between.
        """
        while self.failure is None:
            self._settled = self._version()
            holding = next((number for number in list(self.conditions) if self._holds(number)), None)
            if holding is None:
                break
            self.conditions.remove(holding)
            self._fire_and_keep(holding)
            if self._one_by_one:
                return True
        return False

    def _holds(self, number: int) -> bool:
        self.testing = True
        try:
            return self.failure is None and bool(_at_once(self._tests[number]()))
        except Exception as error:
            self.failure = _own(error)
            self.conditions.remove(number)  # told once: it would poison every later wait
            return False
        finally:
            self.testing = False

    # -- firing ---------------------------------------------------------------------------------------------------

    def _fire_and_keep(self, number: int) -> None:
        _, error = self.fire(number)
        if error is not None:
            self.failure = self.failure or _own(error)

    def fire(self, number: int, **payload: Value) -> tuple[Value, Exception | None]:
        """On the program's thread: run callback `number` between `fire` and `fired`; give its result or its error."""
        tree: dict[str, Any] = {
            "callback": number,
            **({"with": encode(payload, self.journal.blobs)} if payload else {}),
        }
        seq = self.journal.append_text(EventKind.FIRE, "world", dumps(tree), cause=number)
        outer, self.cause = self.cause, seq
        result: Value = None
        failed: Exception | None = None
        told = "{}"
        try:
            result = self._run(number, decode(tree.get("with", {}), self.journal.blobs))
        except Exception as error:
            failed = error
            facts = describe(error)
            told = dumps({"error": encode({"type": facts["type"], "message": facts["message"]})})
        finally:
            self.cause = outer
        self.journal.append_text(EventKind.FIRED, "world", told, cause=seq)
        return result, failed

    def refire(self, number: int, data: Mapping[str, Any]) -> str | None:
        """The same during a replay: nothing is written, and what it raises the program was told already.

        Returns:
            The type of what it raised.
        """
        try:
            self._run(number, decode(data.get("with", {}), self.journal.blobs))
        except (ReplayDiverged, Live):
            raise
        except Exception as error:
            return type(error).__name__
        return None

    def _run(self, number: int, payload: Mapping[str, Value]) -> Value:
        function = self._functions[number]
        self.depth += 1
        try:
            return _at_once(function(**payload))
        finally:
            self.depth -= 1


def _at_once(result: Any) -> Any:
    if inspect.iscoroutine(result):
        result.close()
        raise ReentrantCall("a callback cannot be an `async def`: it may not wait")
    return result


def _own(error: Exception) -> TerrariumError:
    """What a callback raised, as the program is told it at its wait: a replay can raise only errors of this tree."""
    if isinstance(error, TerrariumError):
        return error
    told = ProgramError(f"{type(error).__name__}: {error}")
    told.__cause__ = error
    return told
