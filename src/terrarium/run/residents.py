"""The simulated people of a trial: they live beside its agents, and what they use and break counts apart.

What somebody does happens at one moment of world time, at the end of the delay in which they thought about it. So it
comes between two moments of whoever acts then, or waits, and nothing else is under way meanwhile. It is played on
their own seat and written down under their name, as an agent's turn is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.agent.user.ending import ending_of, words
from terrarium.core.agent import Agent, Reply, StopReason, TurnOver
from terrarium.core.calls import Handler
from terrarium.core.errors import (
    ConfigError,
    ModelFault,
    ModelRefused,
    Refused,
    TerrariumError,
    UsageError,
    UserBroken,
    UserFault,
)
from terrarium.core.journal import Event, EventKind
from terrarium.core.person import can_be_user
from terrarium.core.secrets import Secrets
from terrarium.core.seeds import child_seed
from terrarium.core.task import Limits
from terrarium.core.user import Outcome
from terrarium.core.values import Value
from terrarium.core.world import World
from terrarium.run.carry import seat_again, seat_state
from terrarium.run.guard import Guard, TimeIsUp
from terrarium.run.memories import Memories
from terrarium.run.resident_seat import ResidentSeat

LIMITS = {"steps": 30, "tool_calls": 60, "turn_seconds": 120.0}
_OWN_LIMITS = ("cost", "steps", "tokens", "tool_calls", "turn_seconds")
_OVER = (StopReason.TOKEN_LIMIT.value, StopReason.COST_LIMIT.value)

MakeMind = Callable[[str, Mapping[str, Any], "Callable[..., Any] | None", bool], Agent]
"""Makes what plays a person: name, settings, script, and whether they act by themselves."""


def no_mind(name: str, settings: Mapping[str, Any], script: Callable[..., Any] | None, lives: bool) -> Agent:
    """Nobody can be played where nobody said how.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(f"nothing here plays the simulated person {name!r}")


@dataclass
class Resident:
    """One simulated person.

    Attributes:
        seat: Theirs.
        guard: Of the code that plays them.
        limits: What they may use.
        delay: The least and the most time before they answer, in microseconds.
        turns: How often they may act.
        lives: Whether they act by themselves.
        hopeless: Whether what they fail at they will fail at again: no model plays them.
        due: When they act next; None: nothing has reached them.
        posted: What they were told and have not acted on.
        drawn: How many delays were drawn for them.
        faults: How often they failed.
    """

    seat: ResidentSeat
    guard: Guard
    limits: Limits
    delay: tuple[int, int]
    turns: int
    lives: bool
    hopeless: bool
    due: int | None = None
    posted: list[str] = field(default_factory=list)
    drawn: int = 0
    faults: int = 0

    @property
    def over(self) -> bool:
        """Whether they have used what they may."""
        return self.seat.totals.turns >= self.turns or self.seat.totals.over is not None


class Residents:
    """Makes people act at their moments.

    Args:
        world: Where they live.
        mind: Makes what plays them.
        seed: Of the trial's program.
        secrets: What nobody may write down.
        open_seconds: Wall time in which what plays them must be ready.
        trial: Its id.
    """

    def __init__(
        self, world: World, mind: MakeMind, seed: int, secrets: Secrets, open_seconds: float, trial: str
    ) -> None:
        self._world, self._mind, self._seed, self._secrets = world, mind, seed, secrets
        self._open_seconds, self._trial = open_seconds, trial
        self._people: dict[str, Resident] = {}
        self._guards: dict[str, Guard] = {}
        self._seats: dict[str, Any] = {}
        self._memories = Memories(self._guards, self._seats, secrets, LIMITS["turn_seconds"])
        self._carried: Mapping[str, Any] = {}
        self._acting = False
        self._began, self._spent = 0.0, 0.0
        world.callbacks.neighbours = self
        world.handle("env.user", Handler(self._join, tools=True, again=self._join))
        world.handle("env.user_answer", Handler(self._answer, waits=True, snapshot="turn"))
        world.handle("env.user_post", Handler(self._post))
        world.handle("env.user_used", Handler(lambda _n, name: self._used(name), "read"))

    @property
    def stuck(self) -> bool:
        """The code that plays somebody did not end though it was told to."""
        return any(guard.stuck for guard in self._guards.values())

    @property
    def used(self) -> dict[str, dict[str, Value]]:
        """What each has used so far."""
        return {name: self._used(name) for name in sorted(self._people)}

    def seconds(self) -> float:
        """Wall time for which they have acted so far, and everybody else stood still."""
        return self._spent + (time.monotonic() - self._began if self._acting else 0.0)

    # -- their moments --------------------------------------------------------------------------------------------

    def due(self) -> int | None:
        """When the next one acts; see `Neighbours.due`."""
        if not self._people or self._acting:
            return None
        return min((moment for moment in map(self._due, self._people.values()) if moment is not None), default=None)

    async def act(self) -> None:
        """Have the one act who is due; see `Neighbours.act`."""
        waiting = [(moment, name) for name, one in self._people.items() if (moment := self._due(one)) is not None]
        if not waiting:
            return
        one = self._people[min(waiting)[1]]
        one.due = None
        told, one.posted = "\n".join(one.posted), []
        try:
            await self._turn(one, told)
        except UserFault as error:
            self._world.callbacks.failure = self._world.callbacks.failure or error

    def _due(self, one: Resident) -> int | None:
        if not one.lives or one.over:
            return None
        if one.due is None and self._world.notices.waiting(one.seat.name):
            one.due = self._world.clock.micros + self._drawn(one)
        return one.due

    def _drawn(self, one: Resident) -> int:
        """The next delay of theirs."""
        one.drawn += 1
        return random.Random(child_seed(self._seed, "person", one.seat.name, one.drawn)).randint(*one.delay)

    # -- what the program does with them --------------------------------------------------------------------------

    def _join(self, number: int, /, name: str, settings: Mapping[str, Any], **functions: Callable[..., Any]) -> None:
        """Somebody is there from now on."""
        lives = name in self._world.residents
        if name in self._people:
            raise Refused(f"there is a simulated person {name!r} already")
        if not lives and (name in self._world.people or not can_be_user(name, self._world.agents)):
            raise ConfigError(
                f"env.user({name!r}): a person of the task must be declared with `simulated`, and anybody else needs a "
                "name of their own: a letter, then letters, digits, '.', '-' and '_', 32 at most"
            )
        for key in settings["limits"]:
            if key not in _OWN_LIMITS:
                raise ConfigError(f"env.user({name!r}): limits are {', '.join(_OWN_LIMITS)}, not {key!r:.100}")
        limits = Limits().with_({**LIMITS, **settings["limits"]})
        mind = self._mind(name, settings, functions.get("script"), lives)
        seat = ResidentSeat(name, self._world, limits, self._secrets)
        seat.equip(number, functions)
        guard = Guard(name, mind, self._trial)
        least, most = settings["delay"]
        hopeless = not getattr(mind, "asks_model", True)
        one = Resident(seat, guard, limits, (least, most), settings["turns"], lives, hopeless)
        self._people[name], self._guards[name], self._seats[name] = one, guard, seat
        self._take_up(one)

    async def _answer(self, number: int, name: str, text: str) -> dict[str, Value]:
        one, world = self._people[name], self._world
        if one.delay[1]:
            await world.pass_time_and_turns(number, world.clock.micros + self._drawn(one))
        if one.over:
            return {"text": "", "outcome": Outcome.LIMIT.value}
        async with world.turnstile.passing(number, world.clock.micros), world.baton.hold("world"):
            reply = await self._turn(one, words(text))
            await world.callbacks.settle()
        said, outcome = ending_of(reply.text)
        if reply.stop in _OVER:
            outcome = Outcome.LIMIT.value
        return {"text": said, "outcome": outcome}

    def _post(self, _number: int, name: str, text: str) -> None:
        one = self._people[name]
        if not one.lives:
            raise ConfigError(f"{name!r} lives nowhere: declare a person of that id with `simulated`, or use `answer`")
        if not isinstance(text, str):
            raise ConfigError(f"what {name!r} is told must be text, not {text!r:.100}")
        one.posted.append(words(text))
        one.due = self._world.clock.micros if one.due is None else min(one.due, self._world.clock.micros)

    def _used(self, name: str) -> dict[str, Value]:
        one = self._people[name]
        return {**one.seat.totals.used, "faults": one.faults}

    # -- turns ----------------------------------------------------------------------------------------------------

    async def _turn(self, one: Resident, told: str) -> Reply:
        """What somebody does; the caller holds the baton.

        Raises:
            UserFault: They failed.
        """
        seat, cause = one.seat, self._world.callbacks.cause
        seat.totals.turns += 1
        seat.sit(0)
        seat.begin(seat.totals.turns, told)
        self._note(one, "wakes", instruction=told)
        self._acting, self._began = True, time.monotonic()
        try:
            seat.tell()
            reply = await self._done(one, told)
        except UserFault as fault:
            one.faults += 1
            self._note(one, "rests", stop=StopReason.ERROR.value, text="")
            facts = {"type": type(fault).__name__, "message": str(fault), "boundary": fault.boundary, "code": None}
            self._world.journal.append(EventKind.ERROR, seat.name, facts)
            raise
        finally:
            self._spent, self._acting = self.seconds(), False
            self._world.callbacks.cause = cause
        self._note(one, "rests", stop=reply.stop, text=reply.text)
        return reply

    async def _done(self, one: Resident, told: str) -> Reply:
        name = one.seat.name
        try:
            place = await self._memories.wake(name, self._open_seconds)
            reply = await one.guard.act(told, place, one.limits.turn_seconds)
            return one.seat.end(self._secrets.scrub(reply))
        except TurnOver as over:
            if over.stop.value in _OVER or self._world.callbacks.failure is not None:
                return one.seat.end(Reply.say("", over.stop))
            raise UserBroken(f"the simulated person {name!r} did not come to an end: {over.stop.value}") from over
        except TimeIsUp:
            seconds = f"{one.limits.turn_seconds:g} s"
            raise self._fault(one, f"did not come to an end within {seconds} of wall time", None) from None
        except Exception as error:
            cause = error.__cause__ if isinstance(error, TerrariumError) and error.__cause__ else error
            raise self._fault(one, f"failed: {type(cause).__name__}: {cause}", error) from error

    def _fault(self, one: Resident, how: str, error: Exception | None) -> UserFault:
        """The error of a person; what their script does wrong it does wrong again."""
        mends = isinstance(error, ModelFault) and not isinstance(error, ModelRefused)
        hopeless = one.hopeless or isinstance(error, (ModelRefused, UsageError))
        kind = UserBroken if hopeless and not mends else UserFault
        return kind(self._secrets.scrub(f"the simulated person {one.seat.name!r} {how}"))

    def _note(self, one: Resident, state: str, **more: Value) -> None:
        one.seat.acts = state == "wakes"
        data = {"state": state, "number": one.seat.turn, **more}
        self._world.journal.append(EventKind.TURN, one.seat.name, data, seen_by=(one.seat.name,))

    # -- resuming -------------------------------------------------------------------------------------------------

    def save(self) -> dict[str, Value]:
        """What a snapshot holds of them."""
        return {name: self._saved(name, one) for name, one in self._people.items()} if self._people else {}

    def _saved(self, name: str, one: Resident) -> dict[str, Value]:
        return {
            **seat_state(one.seat),
            "totals": dict(vars(one.seat.totals)),
            "due": self._due(one),
            "posted": list(one.posted),
            "drawn": one.drawn,
            "faults": one.faults,
            "memory": self._memories.save(name),
        }

    def load(self, carried: Mapping[str, Any], past: Sequence[Event]) -> None:
        """Keep what `save` gave until the program, run again, says who is there."""
        self._carried, self._memories.past = carried, past

    def _take_up(self, one: Resident) -> None:
        saved = self._carried.get(one.seat.name)
        if saved is None:
            return
        seat_again(one.seat, saved)
        for key, value in saved["totals"].items():
            setattr(one.seat.totals, key, value)
        one.due, one.posted, one.drawn, one.faults = saved["due"], saved["posted"], saved["drawn"], saved["faults"]
        self._memories.load(one.seat.name, saved["memory"])

    async def close(self, seconds: float) -> list[tuple[str, TerrariumError]]:
        """Close what plays them; gives those that could not be closed, and why."""
        failed: list[tuple[str, TerrariumError]] = []
        for name in sorted(self._guards):
            try:
                await self._guards[name].close(seconds)
            except Exception as error:
                failed.append((name, self._guards[name].fault(error)))
        return failed
