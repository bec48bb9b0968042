"""What the agents of a trial remember: saved with the world, and given back after a resume."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from terrarium.core.agent import Notice, TurnOver
from terrarium.core.journal import Event
from terrarium.core.secrets import Secrets
from terrarium.run.carry import turns_of
from terrarium.run.guard import Guard, GuardedSeat
from terrarium.run.replay_seat import ContinuingSeat, ReplaySeat
from terrarium.run.seat import TrialSeat


class Memories:
    """The memories of the agents of one trial.

    Args:
        guards: Of the agents, by name.
        seats: Theirs.
        secrets: Hidden in what is saved.
        turn_seconds: Of wall time that a past turn may take to be lived through again.
    """

    def __init__(
        self, guards: Mapping[str, Guard], seats: Mapping[str, TrialSeat], secrets: Secrets, turn_seconds: float
    ) -> None:
        self._guards, self._seats, self._secrets, self._turn_seconds = guards, seats, secrets, turn_seconds
        self._saved: dict[str, bytes | None] = {}
        self._opened: set[str] = set()
        self.past: Sequence[Event] = ()
        """What happened before this was resumed."""

    def save(self, name: str) -> bytes | None:
        """What an agent remembers, its secrets hidden.

        Raises:
            AgentFault: Its code failed.
        """
        if name not in self._opened:
            return self._saved.get(name)
        memory = self._guards[name].save()
        return self._secrets.hide(memory) if isinstance(memory, bytes) else memory

    def load(self, name: str, saved: bytes | None) -> None:
        """Keep what `save` gave until the agent is needed."""
        self._saved[name] = saved

    async def wake(self, name: str, seconds: float) -> GuardedSeat:
        """Open an agent before its first turn; after a resume, it gets its memory back, or lives its past again.

        Args:
            name: Whose.
            seconds: Of wall time that opening it may take.

        Returns:
            The seat for its turn: its own, or where that was cut short, one that answers from the journal first.

        Raises:
            AgentFault: Its code failed.
        """
        seat, guard = self._seats[name], self._guards[name]
        if name in self._opened:
            return seat
        self._opened.add(name)
        await guard.open(seat, seconds)
        memory = self._saved.get(name)
        if memory is not None:
            guard.load(self._secrets.reveal(memory))
            return seat
        told: list[Notice] = []
        for instruction, answers, ended in turns_of(name, self.past):
            if not ended:
                return ContinuingSeat(seat, answers, told)
            then = ReplaySeat(seat, answers, told)
            with contextlib.suppress(Exception, TurnOver):  # as the turn itself ended
                await guard.act(instruction, then, self._turn_seconds)
            then.drain()
        return seat
