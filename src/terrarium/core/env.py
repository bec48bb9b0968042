"""What a task program holds: `env`, a view of its world, and `agent`, a view of who acts in it.

Every use becomes a `Call`. The views keep no state; `env.random` and `env.clock` are derived, not recorded.
"""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from terrarium.core.allowed import Allowed, allowed, check_capabilities, complaint
from terrarium.core.calls import Handler
from terrarium.core.clock import Moment, Span, span_micros
from terrarium.core.diff import Diff
from terrarium.core.env_clock import EnvClock
from terrarium.core.errors import ConfigError
from terrarium.core.face import Face, Selector
from terrarium.core.handle import AgentView
from terrarium.core.heartbeat import TEXT, Asked, beats
from terrarium.core.journal import EventKind
from terrarium.core.judgement import Judging
from terrarium.core.replay import Call
from terrarium.core.seeds import child_seed
from terrarium.core.state import State
from terrarium.core.user import UserView, user_settings
from terrarium.core.values import Value, decode, dumps, encode
from terrarium.core.verdict import Check
from terrarium.core.webhook import TIMEOUT, Delivery, body_of, deliver
from terrarium.core.world import World

current: ContextVar[Env | None] = ContextVar("terrarium_env", default=None)
"""The `env` of the program that runs in this context."""


class Env:
    """The world as its task program sees it.

    Capabilities are attributes (`env.email.send(...)`); one of several instances is picked by calling the attribute
    (`env.postgres("primary").query(...)`).
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self.clock, self.judge = EnvClock(world), Judging(world)
        self.random = random.Random(child_seed(seed, "program"))
        """Randomness of the program: the same numbers at every run with the same seed."""

    # -- the schedule ---------------------------------------------------------------------------------------------

    def at(self, moment: Moment, callback: Callable[[], object]) -> int:
        """Call `callback` at a moment, also in the middle of a turn. Returns a ticket for `cancel`."""
        _need_function("env.at", callback)
        return int(self._world.call(Call("env.at", {"moment": moment, "callback": callback})))

    def after(self, span: Span, callback: Callable[[], object]) -> int:
        """Call `callback` once a span has passed. Returns a ticket."""
        _need_function("env.after", callback)
        return int(self._world.call(Call("env.after", {"span": span, "callback": callback})))

    def every(
        self,
        period: Span,
        callback: Callable[[], object],
        *,
        until: Moment | None = None,
        first: Moment | None = None,
    ) -> int:
        """Call `callback` at every period, the first time one period from now or at `first`. Returns a ticket.

        Where `first` is past, the times missed since then are made up for by one call at once.
        """
        _need_function("env.every", callback)
        args = {"period": period, "callback": callback, "until": until, "first": first}
        return int(self._world.call(Call("env.every", args)))

    def when(self, condition: Callable[[], object], callback: Callable[[], object]) -> int:
        """Call `callback` once, as soon as `condition()` holds. Returns a ticket.

        The condition may only look; it is evaluated when a step or an event has ended and something has changed.
        """
        _need_function("env.when", condition, callback)
        return int(self._world.call(Call("env.when", {"condition": condition, "callback": callback})))

    def cancel(self, ticket: int) -> bool:
        """Forget a callback; False where it was not waiting any more."""
        return bool(self._world.call(Call("env.cancel", {"ticket": ticket})))

    # -- proactive agents -----------------------------------------------------------------------------------------

    def heartbeat(
        self,
        agent: AgentView,
        *,
        every: Span,
        until: Moment | None = None,
        times: int | None = None,
        text: str = TEXT,
        watch: Sequence[str] | None = None,
        relevant: Callable[[], object] | None = None,
    ) -> Any:
        """Wake an agent at every period, and measure what it makes of it. Awaitable in an `async def` program.

        Args:
            agent: Whom.
            every: The period; the first beat is one period from now.
            until: Up to then, included; or
            times: so many beats.
            text: What it is told; `{now}` is the time, `{number}` that of the beat.
            watch: Capabilities in which changes by others are news; default: all.
            relevant: Says instead, when a beat is due, whether there is something to react to.

        Returns:
            A `Heartbeat`: `beats`, `false_alarms`, `missed`, mean `latency` in seconds of world time.

        Raises:
            ConfigError: No end, or a period of zero.
        """
        world = self._world
        asked = beats(world.call, lambda: self.clock.local, agent, every, until, times, text, watch, relevant)
        return self._perform(asked)

    def webhook(
        self,
        agent: AgentView,
        event: Mapping[str, Value],
        *,
        url: str | None = None,
        turn: bool = True,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Deliver an event to an agent. Awaitable in an `async def` program.

        Args:
            agent: Whom.
            event: The payload; it becomes JSON.
            url: Where a process in the agent's sandbox takes it as an HTTP POST, such as `http://localhost:8080/hook`.
            turn: Whether the agent also gets it as the instruction of a turn.
            timeout: Seconds of wall time for the receiver.

        Returns:
            The `Reply` of the turn, or a `Delivery` where there is no turn.

        Raises:
            ConfigError: The event is no dict, or the address is none.
        """
        body = body_of(event)
        posted = {"agent": agent.name, "url": url, "body": body, "timeout": timeout}

        def steps() -> Asked:
            result = None
            if url is not None:
                result = yield lambda: self._world.call(Call("env.webhook", posted))
            if turn:
                result = yield lambda: agent.act(body)
            return result

        return self._perform(steps())

    # -- simulated people -----------------------------------------------------------------------------------------

    def user(
        self,
        name: str,
        *,
        persona: str = "",
        goal: str = "",
        knows: str = "",
        script: Callable[..., object] | Sequence[str | Mapping[str, Value]] | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        delay: Span | tuple[Span, Span] = 0,
        turns: int = 50,
        limits: Mapping[str, Value] | None = None,
    ) -> UserView:
        """Make somebody act who is no agent: a simulated person of the task, or one who only talks and uses `tools`.

        A `goal` or `persona` is played by the job's model for people (`--user-model`); where the job names none, the
        `script` is played.

        Args:
            name: The id of a simulated person of `people`, who then acts with their own mailbox, calendar and chat
                whenever something reaches them; or a new name.
            persona: What they are like, for the model.
            goal: What they want; no agent is told.
            knows: What they know and may say when they are asked.
            script: Lines and rules, see the manual's page on people, or a generator function over their seat.
            tools: Functions of the program that they may use; as with `register_tools`.
            delay: World time before they answer, or its least and most, between which it is drawn.
            turns: How often they act at most.
            limits: Changes to what they may use: `steps`, `tool_calls`, `turn_seconds`, `tokens`, `cost`.

        Raises:
            ConfigError: Neither script nor model, a bad value, or a name that is an agent's or taken.
        """
        functions: dict[str, Callable[..., Any]] = {"script": script} if callable(script) else {}
        settings = user_settings(name, functions, persona, goal, knows, script, tools, delay, turns, limits)
        self._world.call(Call("env.user", {"name": name, "settings": settings, **functions}))
        return UserView(self._world, name, turns)

    def _perform(self, steps: Asked) -> Any:
        """Make the calls of `steps` one after the other; in an `async def` program, the coroutine that does."""
        program = self._world.calls.program
        return _awaited(steps) if program is not None and program.is_async else _done(steps)

    # -- capabilities ---------------------------------------------------------------------------------------------

    def acquire(self, spec: str, config: Mapping[str, Value] | None = None) -> Any:
        """Add a capability to the running world and return its admin face.

        Raises:
            Refused: There is one of that name.
            NotRegistered: There is no such type.
        """
        self._world.call(Call("env.acquire", {"spec": spec, "config": dict(config or {})}))
        return Face(self._world, spec)

    def release(self, spec: str) -> None:
        """Take a capability out of the world; its state is gone.

        Raises:
            CapabilityMissing: There is none of that name.
        """
        self._world.call(Call("env.release", {"spec": spec}))

    def __contains__(self, name: str) -> bool:
        return any(spec == name or spec.partition(":")[0] == name for spec in self._world.specs())

    def __getattr__(self, name: str) -> Selector:
        if name.startswith("_"):
            raise AttributeError(name)
        instances = [spec for spec in self._world.specs() if spec.partition(":")[0] == name]
        if not instances:
            self._world.capability(name)  # raises, and lists what there is
        return Selector(self._world, name, instances)

    # -- what changed ---------------------------------------------------------------------------------------------

    def state(self) -> State:
        """This moment, for `diff`. It costs nothing where every capability sees its writes."""
        found: State = self._world.call(Call("env.state", {}))
        return found

    def diff(self, before: State | None = None, after: State | None = None, *, by: str = "agents") -> Diff:
        """What differs between two moments, in every capability.

        Args:
            before: What `state` gave; default: when the first turn of an agent began.
            after: The same, later; default: now.
            by: Whose doing counts: `agents`, `everyone`, or the name of one actor. What others did to the same rows is
                taken as if it had been there before. `everyone` includes marks that only tell of a look.

        Raises:
            ConfigError: `after` is earlier than `before`.
        """
        return self._diff(before, after, by, deeds=False)

    def unchanged_except(
        self, *may: str | Allowed, before: State | None = None, after: State | None = None, by: str = "agents"
    ) -> bool:
        """Whether agents changed nothing but what is allowed: a check.

        What only follows from another change (counters that clients synchronise by, a shell's history) is passed over;
        each capability's page says what that is.

        Args:
            may: Patterns such as `"email"`, `"calendar:object"` or `"workspace:file:/root/*"`, or `allowed(...)`.
            before: As in `diff`.
            after: As in `diff`.
            by: As in `diff`.

        Returns:
            True.

        Raises:
            AssertionError: Something else changed, or a wanted change is missing; the message says what.
            ConfigError: A pattern names a capability that is not there.
        """
        given = [one if isinstance(one, Allowed) else allowed(one) for one in may]
        check_capabilities(given, self._world.specs())
        wrong = complaint(self._diff(before, after, by, deeds=True), given)
        if wrong is not None:
            raise AssertionError(wrong)
        return True

    def _diff(self, before: State | None, after: State | None, by: str, deeds: bool) -> Diff:
        args = {"before": before, "after": after, "by": by, "deeds": deeds}
        text = self._world.call(Call("env.diff", args))
        found: Diff = decode(json.loads(text), self._world.journal.blobs)
        return found

    # -- judging --------------------------------------------------------------------------------------------------

    def reward(self, name: str, value: float, *, agent: str | None = None, intrinsic: bool = False) -> None:
        """Give a reward at once, besides the verdict: to one agent, or to all."""
        args = {"name": name, "value": float(value), "agent": agent, "intrinsic": intrinsic}
        self._world.call(Call("env.reward", args))

    def checking(self, names: list[str]) -> None:
        """Say that checks follow; a resume point. `run_checkers` calls it."""
        self._world.call(Call("env.checking", {"names": names}))

    def check(self, check: Check) -> None:
        """Write a check down. `run_checkers` calls it."""
        self._world.call(Call("env.check", {"check": check}))


def _need_function(path: str, *given: object) -> None:
    for value in given:
        if not callable(value):
            raise ConfigError(f"{path} needs a function to call, not {value!r:.100}")


def _done(steps: Asked) -> Any:
    result: Any = None
    try:
        while True:
            result = steps.send(result)()
    except StopIteration as end:
        return end.value


async def _awaited(steps: Asked) -> Any:
    result: Any = None
    try:
        while True:
            result = steps.send(result)()
            if inspect.isawaitable(result):
                result = await result
    except StopIteration as end:
        return end.value


def install(world: World) -> None:
    """Put what `env` offers by itself behind its paths."""
    callbacks, clock, journal = world.callbacks, world.clock, world.journal

    def ticket(register: Callable[..., None]) -> Callable[..., int]:
        def run(number: int, **args: Any) -> int:
            args.pop("callback")
            args.pop("condition", None)
            register(number, **args)
            return number

        return run

    def note(kind: EventKind) -> Callable[..., None]:
        def run(_number: int, **args: Any) -> None:
            data = dict(vars(args["check"])) if kind is EventKind.CHECK else args
            journal.append(kind, "task", data, cause=callbacks.cause)

        return run

    def acquire(_number: int, spec: str, config: Mapping[str, Value]) -> None:
        world.calls.block(world.acquire(spec, config))

    def release(_number: int, spec: str) -> None:
        world.calls.block(world.release(spec))

    world.handle("env.at", Handler(ticket(callbacks.at)))
    world.handle("env.after", Handler(ticket(callbacks.after)))
    world.handle("env.every", Handler(ticket(callbacks.every)))
    world.handle("env.when", Handler(ticket(callbacks.when)))
    world.handle("env.cancel", Handler(lambda _number, ticket: callbacks.cancel(ticket)))
    world.handle("env.acquire", Handler(acquire, again=lambda _number, spec, config: world.remember(spec, config)))
    world.handle("env.release", Handler(release, again=lambda _number, spec: world.forget(spec)))
    world.handle("env.reward", Handler(note(EventKind.REWARD)))
    world.handle("env.check", Handler(note(EventKind.CHECK)))

    def checking(number: int, names: list[str]) -> None:
        world.states.judged = True
        if world.states.blind:
            world.calls.block(world.states.keep(number))

    def diff(_number: int, **asked: Any) -> str:
        # One text: where it is long it goes to a blob, and the journal stays readable.
        return dumps(encode(world.calls.block(world.states.diff(**asked)), journal.blobs))

    world.handle("env.state", Handler(lambda _number: world.calls.block(world.states.now()), "read"))
    world.handle("env.diff", Handler(diff, "read"))
    world.handle("env.checking", Handler(checking, snapshot="always"))

    async def advance(number: int, span: Span) -> None:
        await world.pass_time_and_turns(number, clock.micros + span_micros(span))

    async def advance_to(number: int, moment: Moment) -> None:
        await world.pass_time_and_turns(number, clock.moment(moment))

    async def webhook(_number: int, agent: str, url: str, body: str, timeout: float) -> Delivery:
        own = f"workspace:{agent}"
        return await deliver(world.network, own if own in world.specs() else "workspace", url, body, timeout)

    world.handle("env.activity", Handler(lambda _number: world.activity.take()))
    world.handle("env.heartbeat", Handler(lambda _number, **summary: None))
    world.handle("env.webhook", Handler(webhook, waits=True))
    world.handle("env.clock.advance", Handler(advance, waits=True, snapshot="turn"))
    world.handle("env.clock.advance_to", Handler(advance_to, waits=True, snapshot="turn"))
