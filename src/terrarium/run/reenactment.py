"""A trial that is run again: its agents get the answers that were recorded, and no model is asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from terrarium.core import judgement
from terrarium.core.agent import Agent, Reply, StopReason
from terrarium.core.clock import Costs, Kind
from terrarium.core.errors import ConfigError, NotReplayable, ReplayDiverged, TerrariumError
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall, ToolResult
from terrarium.run import talk
from terrarium.run.approval import RecordedDecisions
from terrarium.run.judging import Asked
from terrarium.run.recorded_answers import recorded_answers
from terrarium.run.recording import Line, RecordedTurn, Recording
from terrarium.run.talk import Listen
from terrarium.run.totals import Totals

_BY_THE_WALL = (StopReason.TURN_TIME_LIMIT.value, StopReason.TIME_LIMIT.value)


class Reenactment:
    """What of a trial comes from its record when it is run again.

    Args:
        recording: The record.
        played: Do what the journal says of every agent, without the agents' own code.
    """

    def __init__(self, recording: Recording, played: bool = False) -> None:
        self._recording = recording
        self._played = played
        self.deterministic = recording.header.get("deterministic")
        """As the record says: the code of its agents need not be here."""
        self.totals: Totals | None = None
        """Of the trial that is run again; it knows them."""
        self.refused: NotReplayable | None = None
        """Why an agent could not be made."""
        self.unanswered: list[str] = []
        """What agents asked that the record does not answer."""

    def costs(self, costs: Costs) -> Costs:
        """World time as it was charged: what was measured costs what it cost then."""
        left = {key: deque(found) for key, found in self._recording.costs.items()}
        return RecordedCosts(costs.model, costs.tool, costs.command, left)

    def agent(self, name: str, kind: Callable[[], Any], make: Callable[[], Agent]) -> Agent:
        """The agent of that name.

        Args:
            name: Of the agent.
            kind: Gives its class; what thinks on its own time is played from the journal.
            make: Makes it.

        Raises:
            NotReplayable: It cannot be made.
        """
        if self._played:
            return RecordedAgent(Answers(self, name))
        try:
            if kind().timing == "measured":
                return RecordedAgent(Answers(self, name))
            made = make()
        except TerrariumError as error:
            told = f"agent {name!r} cannot be made here: {error}; its recorded deeds alone can be replayed (--played)"
            self.refused = NotReplayable(told, code="agent")
            raise self.refused from error
        return AnsweredAgent(made, Answers(self, name)) if getattr(made, "asks_model", True) else made

    def decisions(self) -> RecordedDecisions:
        """What was decided on tool calls then."""
        return RecordedDecisions(self._recording.lines, self.opened)

    def judge(self) -> Asked:
        """Who judges: the record."""
        return recorded_answers(judgement.PATH, self._recording.lines, self.opened)

    def lines_said(self) -> Listen:
        """Who talks to the agent: the record."""
        return recorded_answers(talk.PATH, self._recording.lines, self.opened)

    def turn(self, name: str, number: int) -> RecordedTurn | None:
        """An agent's turn, counted from 0."""
        turns = self._recording.turns.get(name, ())
        return turns[number] if number < len(turns) else None

    def opened(self, tree: Any) -> Any:
        """The value behind a tree of JSON of the record."""
        return self._recording.opened(tree)


@dataclass(frozen=True)
class RecordedCosts(Costs):
    """Costs in world time that were measured once, and are charged again."""

    replayed: Mapping[tuple[str, str], deque[int]] = field(default_factory=dict)

    def of(self, agent: str, kind: Kind, seconds: float) -> tuple[int, bool]:
        """What an action costs, and whether that was not known beforehand.

        Raises:
            ConfigError: The record holds no more costs of that kind.
        """
        known = self.replayed.get((agent, kind))
        if known:
            return known.popleft(), True
        fixed: int | None = getattr(self, kind)
        if fixed is None or known is not None:
            raise ConfigError(f"the record holds no more costs of a {kind} call of {agent!r}")
        return fixed, False


class Answers:
    """What one agent's model answered, turn by turn."""

    def __init__(self, reenactment: Reenactment, name: str) -> None:
        self.name = name
        self._of = reenactment
        self._number = -1
        self._given = 0

    def next_turn(self) -> RecordedTurn:
        """Go on to the agent's next turn; one that was not recorded is empty."""
        self._number, self._given = self._number + 1, 0
        return self.turn

    @property
    def turn(self) -> RecordedTurn:
        """The present turn; what an agent thinks before its first one stands in that."""
        number = max(self._number, 0)
        return self._of.turn(self.name, number) or RecordedTurn(0)

    async def next(self) -> Completion:
        """The next answer of this turn.

        Raises:
            ReplayDiverged: The record has no more of them.
            TerrariumError: What the turn failed with when it was recorded.
        """
        await asyncio.sleep(0)
        answers = self.turn.answers
        if self._given < len(answers):
            self._given += 1
            return self.opened(answers[self._given - 1]["data"]["completion"])  # type: ignore[no-any-return]
        if self.turn.error is not None:
            raise self.turn.error
        if self.turn.number == 0:
            held = f"the record holds {max(self._number, 0)} turns of it"
        else:
            held = f"the record holds {len(answers)}, and then the turn ended ({self.turn.stop})"
        asked = f"answer {self._given + 1} of its turn {max(self._number, 0) + 1}"
        raise self.refuse(f"agent {self.name!r} asks its model for {asked}; {held}")

    def refuse(self, told: str) -> ReplayDiverged:
        """The error for what the record does not hold; an agent that catches it does not get rid of it."""
        self._of.unanswered.append(told)
        return ReplayDiverged(told)

    @property
    def cut_short(self) -> bool:
        """The wall clock ended this turn while the model was asked: now nobody is slow enough."""
        turn = self.turn
        return turn.stop in _BY_THE_WALL and self._given >= len(turn.answers)

    def opened(self, tree: Any) -> Any:
        """The value behind a tree of JSON of the record."""
        return self._of.opened(tree)

    def time_is_up(self, seat: Any) -> BaseException:
        """What ends such a turn."""
        if self.turn.stop == StopReason.TIME_LIMIT and self._of.totals is not None:
            self._of.totals.over = self.turn.stop
        over: BaseException = seat.refusal.over(StopReason(self.turn.stop))
        return over


class AnsweredSeat:
    """A seat whose agent is given what its model answered before; everything else happens again."""

    def __init__(self, seat: Any, answers: Answers) -> None:
        self._seat = seat
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._seat, name)

    async def think(self, request: Callable[[], Awaitable[Completion]]) -> Completion:
        """One step, with the recorded answer; `request` is never called."""
        if self._answers.cut_short:
            raise self._answers.time_is_up(self._seat)
        done: Completion = await self._seat.think(self._answers.next)
        return done

    async def call(self, call: ToolCall) -> ToolResult:
        """Use a tool."""
        done: ToolResult = await self._seat.call(call)
        return done


class AnsweredAgent:
    """An agent whose code runs again, on the answers that its model gave before.

    Args:
        agent: Whose code.
        answers: What was answered.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"

    def __init__(self, agent: Agent, answers: Answers) -> None:
        self._agent = agent
        self._answers = answers

    async def open(self, seat: Any) -> None:
        """Get it ready."""
        await self._agent.open(AnsweredSeat(seat, self._answers))

    async def act(self, instruction: Message, seat: Any, resumed: bool = False) -> Reply:
        """Do one turn."""
        self._answers.next_turn()
        return await self._agent.act(instruction, AnsweredSeat(seat, self._answers))

    def save(self) -> bytes | None:
        """Its memory."""
        return self._agent.save()

    def load(self, memory: bytes) -> None:
        """Give it back its memory."""
        self._agent.load(memory)

    async def close(self) -> None:
        """End it."""
        await self._agent.close()


class RecordedAgent:
    """Does what the journal says that an agent did: its steps, its tool calls and its replies.

    Args:
        answers: What it did.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "measured"

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def open(self, seat: Any) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Any, resumed: bool = False) -> Reply:
        """Do the next recorded turn; calls that overlapped do so again."""
        turn = self._answers.next_turn()
        if turn.number == 0:
            raise self._answers.refuse(f"agent {seat.name!r} is asked for a turn that the record does not hold")
        running: dict[int, asyncio.Task[ToolResult]] = {}
        try:
            for line in turn.deeds:
                await self._do(line, seat, running)
            for call in running.values():
                await call
        finally:
            for call in running.values():
                call.cancel()
        if turn.error is not None:
            raise turn.error
        if turn.stop in _BY_THE_WALL:
            raise self._answers.time_is_up(seat)
        return Reply.say(turn.text, StopReason(turn.stop or StopReason.COMPLETED))

    async def _do(self, line: Line, seat: Any, running: dict[int, asyncio.Task[ToolResult]]) -> None:
        data = line["data"]
        if line["kind"] == "model":
            await seat.think(self._answers.next)
        elif line["kind"] == "tool_call":
            asked = data.get("approval", {}).get("asked", data["arguments"])  # what was done may be something else
            call = ToolCall(data["tool"], self._answers.opened(asked), data["id"])
            running[line["seq"]] = asyncio.ensure_future(seat.call(call))
            await asyncio.sleep(0)
        elif line["cause"] in running:
            await running.pop(line["cause"])

    def save(self) -> bytes | None:
        """It remembers nothing."""
        return b""

    def load(self, memory: bytes) -> None:
        """It remembers nothing."""

    async def close(self) -> None:
        """Nothing to give up."""
