"""The guard of an agent: its code is bounded in time, and whatever it raises is the agent's fault and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import Any, Protocol, TypeVar

from terrarium.core.agent import Agent, Reply, TurnOver
from terrarium.core.errors import AgentFault, TerrariumError
from terrarium.core.message import Message
from terrarium.run.refusal import Refusal

T = TypeVar("T")

GRACE = 1.0  # seconds in which code that was cancelled must end

_endless: set[asyncio.Task[Any]] = set()
"""What did not end though it was cancelled; a task nobody refers to would be destroyed with a complaint."""


class TimeIsUp(Exception):
    """The agent took longer than it may; never leaves this room."""


class GuardedSeat(Protocol):
    """A seat that can tell when its agent acts on though its turn is over."""

    refusal: Refusal


class Guard:
    """Calls the code of one agent.

    Args:
        name: Of the agent.
        agent: Whose code it is.
        trial: The id of the trial; with the name it stands in the stack while the agent's code runs, so that a process
            which stands still can be asked whose fault it is (see `blame`).
    """

    def __init__(self, name: str, agent: Agent, trial: str = "") -> None:
        self.name = name
        self.stuck = False
        """Its code did not end though it was cancelled; only its process can be ended."""
        self.hurried = asyncio.Event()
        """Set by who ends the present turn as if its time were up."""
        self.lent: Callable[[], float] = lambda: 0.0
        """Seconds of wall time for which it had to stand still so far, because others acted; it is given them back."""
        self._agent = agent
        mark = marked("agent", trial, name)
        self._run = _under(mark, _foreign)
        self._call = _under(mark, _foreign_call)

    async def open(self, seat: Any, seconds: float) -> None:
        """Get it ready.

        Raises:
            AgentFault: It failed, or took longer than `seconds`.
        """
        await self._bounded("open", lambda: self._agent.open(seat), seconds)

    async def act(self, instruction: str, seat: Any, seconds: float, resumed: bool = False) -> Reply:
        """One turn, or the rest of one that was cut short.

        Raises:
            TimeIsUp: It took longer than `seconds`.
            TurnOver: It let its seat end the turn.
            AgentFault: It failed, does not stop, or replied with something else than a `Reply`.
        """
        self.hurried.clear()
        told = Message("user", instruction)
        reply = await self._until(lambda: self._agent.act(told, seat, resumed), seconds, seat.refusal)
        if not isinstance(reply, Reply):
            raise AgentFault(f"agent {self.name!r} replied with {type(reply).__name__}, not a Reply")
        return reply

    def save(self) -> bytes | None:
        """Its memory.

        Raises:
            AgentFault: It failed, or gave something else than bytes.
        """
        memory = self._at_once("save", self._agent.save)
        if memory is not None and not isinstance(memory, bytes):
            raise AgentFault(f"agent {self.name!r}: save() gave {type(memory).__name__}, not bytes or None")
        return memory

    def load(self, memory: bytes) -> None:
        """Give it back its memory.

        Raises:
            AgentFault: It failed.
        """
        self._at_once("load", lambda: self._agent.load(memory))

    async def close(self, seconds: float) -> None:
        """End it.

        Raises:
            AgentFault: It failed, or took longer than `seconds`.
        """
        await self._bounded("close", self._agent.close, seconds)

    def fault(self, error: BaseException, where: str = "") -> TerrariumError:
        """What its code raised, as an error of ours."""
        if isinstance(error, TerrariumError):
            return error
        told = AgentFault(f"agent {self.name!r}: {where}{type(error).__name__}: {error}")
        told.__cause__ = error
        return told

    async def _bounded(self, what: str, work: Callable[[], Awaitable[Any]], seconds: float) -> None:
        try:
            await self._until(work, seconds, where=f"{what}(): ")
        except TimeIsUp:
            limit = f"{seconds:g} s (limits.{what}_seconds)"
            raise AgentFault(f"agent {self.name!r}: {what}() did not end within {limit}") from None
        except (Exception, TurnOver) as error:
            raise self.fault(error, f"{what}(): ") from error

    def _at_once(self, what: str, work: Callable[[], T]) -> T:
        try:
            done: T = self._call(work)
            return done
        except (Exception, SystemExit, KeyboardInterrupt, TurnOver) as error:
            raise self.fault(error, f"{what}(): ") from error

    async def _until(
        self, work: Callable[[], Awaitable[T]], seconds: float, refusal: Refusal | None = None, where: str = ""
    ) -> T:
        """What `work` comes to, in a task of its own: one that swallows its cancellation is left behind."""
        if self.stuck:
            raise AgentFault(f"agent {self.name!r} is still busy with what it was told to end")
        task: asyncio.Task[tuple[T, BaseException | None]] = asyncio.ensure_future(self._run(work))
        ends = () if refusal is None else (refusal.spent.wait(), self.hurried.wait())
        ending = [asyncio.ensure_future(end) for end in ends]
        waited, before, left = {task, *ending}, self.lent(), max(0.0, seconds)
        try:
            while True:
                finished, _ = await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                before, left = (now := self.lent()), now - before
                if finished or left <= 0:
                    break
        except asyncio.CancelledError:
            await self._end(task, refusal)
            raise
        finally:
            for end in ending:
                end.cancel()
        if not task.done():
            await self._end(task, refusal)
            if refusal is not None and refusal.spent.is_set():
                raise AgentFault(f"agent {self.name!r} acts on and on though its turn is over: let TurnOver pass")
            if self.stuck:
                raise AgentFault(f"agent {self.name!r}: {where}it did not stop though its time was up")
            if task.cancelled():
                raise TimeIsUp
        result, ended = task.result()
        if ended is not None:
            raise self.fault(ended, where) from ended
        return result

    async def _end(self, task: asyncio.Task[Any], refusal: Refusal | None) -> None:
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
        if not task.done():
            if refusal is not None:
                refusal.close()
            self.stuck = True
            _endless.add(task)
        elif not task.cancelled():
            task.exception()  # asked for, so that nobody complains that nobody did


def marked(whose: str, trial: str, name: str) -> str:
    """How code that is not the engine's is called in the stack: only ascii, so that a bare dump of it can be read."""
    return f"terrarium:{whose}:{trial}:{name.encode('utf-8', 'replace').hex()}"


def _under(mark: str, function: Any) -> Any:
    """The function under another name in the stack."""
    return FunctionType(function.__code__.replace(co_name=mark), function.__globals__, mark)


async def _foreign(work: Any) -> Any:
    try:
        return await work(), None
    except (SystemExit, KeyboardInterrupt) as error:  # from a task, either would end the engine's loop
        return None, error


def _foreign_call(work: Any) -> Any:
    return work()
