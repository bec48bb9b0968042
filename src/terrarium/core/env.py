"""What a task program holds: `env`, a view of its world, and `agent`, a view of who acts in it.

Every use becomes a `Call`. The views keep no state; `env.random` and `env.clock` are derived, not recorded.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from terrarium.core.agent import Reply
from terrarium.core.calls import Handler
from terrarium.core.capability import admin_methods
from terrarium.core.clock import Moment, Span, moment_micros, span_micros
from terrarium.core.errors import CapabilityMissing
from terrarium.core.journal import EventKind
from terrarium.core.message import Message
from terrarium.core.replay import Call
from terrarium.core.seeds import child_seed
from terrarium.core.trajectory import Conversation
from terrarium.core.values import Value, from_micros
from terrarium.core.verdict import Check
from terrarium.core.world import World

current: ContextVar[Env | None] = ContextVar("terrarium_env", default=None)
"""The `env` of the program that runs in this context."""


class EnvClock:
    """World time, as `env.clock`."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> datetime:
        """The present time of the world, in UTC."""
        return from_micros(self._world.now())

    def advance(self, span: Span) -> Any:
        """Let time pass; whatever becomes due happens on the way. Awaitable in an `async def` program.

        Args:
            span: A timedelta, seconds, or text such as `30m`.

        Raises:
            ReentrantCall: Inside a callback.
            BudgetSpent: The trial's world time is used up.
        """
        return self._world.call(Call("env.clock.advance", {"span": span}))

    def advance_to(self, moment: Moment) -> Any:
        """Let time pass until a moment (a datetime, ISO text or `HH:MM`); nothing happens if it is past."""
        return self._world.call(Call("env.clock.advance_to", {"moment": moment}))


class Env:
    """The world as its task program sees it.

    Capabilities are attributes (`env.email.send(...)`); one of several instances is picked by calling the attribute
    (`env.postgres("primary").query(...)`).
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self.clock = EnvClock(world)
        self.random = random.Random(child_seed(seed, "program"))
        """Randomness of the program: the same numbers at every run with the same seed."""

    # -- the schedule ---------------------------------------------------------------------------------------------

    def at(self, moment: Moment, callback: Callable[[], object]) -> int:
        """Call `callback` at a moment, also in the middle of a turn. Returns a ticket for `cancel`."""
        return int(self._world.call(Call("env.at", {"moment": moment, "callback": callback})))

    def after(self, span: Span, callback: Callable[[], object]) -> int:
        """Call `callback` once a span has passed. Returns a ticket."""
        return int(self._world.call(Call("env.after", {"span": span, "callback": callback})))

    def every(
        self,
        period: Span,
        callback: Callable[[], object],
        *,
        until: Moment | None = None,
        first: Moment | None = None,
    ) -> int:
        """Call `callback` at every period, the first time one period from now or at `first`. Returns a ticket."""
        args = {"period": period, "callback": callback, "until": until, "first": first}
        return int(self._world.call(Call("env.every", args)))

    def when(self, condition: Callable[[], object], callback: Callable[[], object]) -> int:
        """Call `callback` once, as soon as `condition()` holds. Returns a ticket.

        The condition may only look; it is evaluated when a step or an event has ended and something has changed.
        """
        return int(self._world.call(Call("env.when", {"condition": condition, "callback": callback})))

    def cancel(self, ticket: int) -> bool:
        """Forget a callback; False where it was not waiting any more."""
        return bool(self._world.call(Call("env.cancel", {"ticket": ticket})))

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


class Selector:
    """The instances of one type of capability: an attribute of `env`."""

    def __init__(self, world: World, name: str, instances: list[str]) -> None:
        self._world = world
        self._name = name
        self._instances = instances

    def __call__(self, instance: str) -> Face:
        """The instance of that name.

        Raises:
            CapabilityMissing: There is none; the message lists the names.
        """
        spec = self._name if instance == "default" else f"{self._name}:{instance}"
        if spec not in self._instances:
            names = ", ".join(found.partition(":")[2] or "default" for found in self._instances)
            raise CapabilityMissing(f"there is no {self._name} called {instance!r}; there are: {names}")
        return Face(self._world, spec)

    def __iter__(self) -> Iterator[Face]:
        return iter([Face(self._world, spec) for spec in self._instances])

    def __len__(self) -> int:
        return len(self._instances)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        spec = self._name if self._name in self._instances else self._instances[0]
        if spec not in (self._name, f"{self._name}:default") and len(self._instances) > 1:
            names = ", ".join(found.partition(":")[2] for found in self._instances)
            raise AttributeError(
                f"there are several {self._name}; pick one: env.{self._name}({names.split(', ')[0]!r})"
            )
        return getattr(Face(self._world, spec), name)


class Face:
    """The admin face of one capability, or a part of it such as `fs`."""

    def __init__(self, world: World, spec: str, prefix: str = "") -> None:
        self._world = world
        self._spec = spec
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        world, spec, path = self._world, self._spec, self._prefix + name
        known = world.paths.bound.get(f"{spec}.{path}")
        if known is not None:
            return known
        capability = world.capability(spec)
        if not self._prefix and name in getattr(capability, "faces", ()):
            return Face(world, spec, f"{name}.")
        methods = admin_methods(capability)
        if path not in methods:
            raise AttributeError(f"{spec} has no {path!r}; it has: {', '.join(sorted(methods))}")
        if methods[path].fact:
            return world.call(Call(f"env.{spec}.{path}", {}))
        function: Any = capability
        for part in path.split("."):
            function = getattr(function, part)
        names, required = _parameters(getattr(function, "__func__", function), inspect.ismethod(function))

        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = {**dict(zip(names, args, strict=False)), **kwargs}
            if len(arguments) != len(args) + len(kwargs) or not required <= arguments.keys() <= names.keys():
                arguments = (
                    inspect.signature(function).bind(*args, **kwargs).arguments
                )  # raises, and says what is wrong
            for key, value in arguments.items():
                if isinstance(value, os.PathLike):
                    arguments[key] = os.fspath(value)
            return world.call(Call(f"env.{spec}.{path}", arguments))

        call.__name__ = name
        call.__doc__ = function.__doc__
        world.paths.bound[f"{spec}.{path}"] = call
        return call


@functools.cache
def _parameters(function: Callable[..., Any], bound: bool) -> tuple[dict[str, None], frozenset[str]]:
    """Names of a method's parameters in their order, and of those that must be given; worked out once."""
    known = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    return dict.fromkeys(p.name for p in known), frozenset(p.name for p in known if p.default is p.empty)


class AgentView:
    """An agent as its task program sees it.

    Args:
        world: The world it acts in.
        name: Its name.
        path: `agent`, or `agents.<name>` where a task has several.
    """

    def __init__(self, world: World, name: str, path: str) -> None:
        self._world = world
        self._path = path
        self.name = name

    def act(self, instruction: str) -> Any:
        """Have the agent do one turn. Awaitable in an `async def` program.

        Returns:
            A `Reply`: text, messages, and in `stop` why the turn ended.

        Raises:
            ReentrantCall: Inside a callback; use `post`.
            AgentFault, ModelFault, SandboxFault, CapabilityFault: The turn could not be done.
        """
        return self._world.call(Call(f"{self._path}.act", {"instruction": instruction}))

    def post(self, instruction: str) -> None:
        """Queue a turn: it is done when the present turn has ended, or when the program waits next."""
        self._world.call(Call(f"{self._path}.post", {"instruction": instruction}))

    def register_tools(self, *functions: Callable[..., Any]) -> None:
        """Offer typed, documented functions of the program to the agent as tools, from its next turn on.

        They run on the program's thread and may use `env`, but not wait.

        Raises:
            ConfigError: A parameter has no type, or the name is not allowed.
        """
        self._world.call(Call(f"{self._path}.register_tools", {f.__name__: f for f in functions}))

    @property
    def replies(self) -> list[Reply]:
        """The reply of every turn so far, queued turns included."""
        found: list[Reply] = self._world.call(Call(f"{self._path}.replies", {}))
        return found

    @property
    def messages(self) -> list[Message]:
        """Everything said to and by the agent so far."""
        found: list[Message] = self._world.call(Call(f"{self._path}.messages", {}))
        return found

    def get_trajectory(self) -> Conversation:
        """The messages so far, with totals."""
        found: Conversation = self._world.call(Call(f"{self._path}.get_trajectory", {}))
        return found

    @property
    def system_prompt(self) -> str | None:
        """What the agent is told before everything else."""
        found: str | None = self._world.call(Call(f"{self._path}.system_prompt", {}))
        return found

    @system_prompt.setter
    def system_prompt(self, text: str | None) -> None:
        self._world.call(Call(f"{self._path}.set_system_prompt", {"text": text}))


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
    world.handle("env.checking", Handler(lambda _number, names: None, snapshot="always"))

    async def advance(number: int, span: Span) -> None:
        await world.pass_time_and_turns(number, clock.micros + span_micros(span))

    async def advance_to(number: int, moment: Moment) -> None:
        await world.pass_time_and_turns(number, moment_micros(moment, clock.micros))

    world.handle("env.clock.advance", Handler(advance, waits=True, snapshot="turn"))
    world.handle("env.clock.advance_to", Handler(advance_to, waits=True, snapshot="turn"))
