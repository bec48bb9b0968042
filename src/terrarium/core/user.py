"""A simulated person as their task program sees them: `user = env.user(...)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from terrarium.core.clock import Span, span_micros
from terrarium.core.errors import ConfigError, UserFault
from terrarium.core.replay import Call
from terrarium.core.values import Value
from terrarium.core.world import World

TOOL = "tool-"  # before the names of a person's tools, among the functions of one call
TEXT_LIMIT = 20_000  # characters of what is said to or by a person


class Outcome(StrEnum):
    """How a conversation with a simulated person ended."""

    SATISFIED = "satisfied"
    """They say that they have what they wanted."""
    GAVE_UP = "gave_up"
    """They see no way to it, or nothing is left that they could say."""
    TRANSFER = "transfer"
    """They were passed on to somebody else."""
    OUT_OF_SCOPE = "out_of_scope"
    """They were asked for what they cannot know."""
    LIMIT = "limit"
    """They have acted as often, or used as much, as they may."""
    ERROR = "error"
    """They failed; no agent is to be judged by that."""


def user_settings(
    name: str,
    functions: dict[str, Callable[..., Any]],
    persona: str,
    goal: str,
    knows: str,
    script: Callable[..., object] | Sequence[str | Mapping[str, Value]] | None,
    tools: Sequence[Callable[..., Any]],
    delay: Span | tuple[Span, Span],
    turns: int,
    limits: Mapping[str, Value] | None,
) -> dict[str, Value]:
    """What `env.user` was told as plain values, a delay in microseconds; its tools join `functions`.

    Raises:
        ConfigError: A value cannot be that.
    """
    for key, text in (("persona", persona), ("goal", goal), ("knows", knows)):
        if not isinstance(text, str):
            raise ConfigError(f"env.user({name!r}): {key} must be text, not {text!r:.100}")
    if isinstance(script, str) or not (script is None or callable(script) or isinstance(script, (list, tuple))):
        raise ConfigError(
            f"env.user({name!r}): a script is a list of lines and rules, or a function, not {script!r:.100}"
        )
    if type(turns) is not int or turns < 1:
        raise ConfigError(f"env.user({name!r}): turns must be a whole number from 1, not {turns!r:.100}")
    given: tuple[Any, ...] = tuple(tools)
    for function in given:
        called: Any = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(called, str):
            raise ConfigError(f"env.user({name!r}): tools are functions with a name, not {function!r:.100}")
        if TOOL + called in functions:
            raise ConfigError(f"env.user({name!r}): two tools are called {called!r}; a tool needs a name of its own")
        functions[TOOL + called] = function
    least, most = delay if isinstance(delay, (tuple, list)) else (delay, delay)
    if not 0 <= span_micros(least) <= span_micros(most):
        raise ConfigError(f"env.user({name!r}): a delay is a span, or the least and the most, not {delay!r:.100}")
    return {
        "persona": persona,
        "goal": goal,
        "knows": knows,
        "script": None if script is None or callable(script) else list(script),
        "delay": [span_micros(least), span_micros(most)],
        "turns": turns,
        "limits": dict(limits or {}),
    }


class UserView:
    """A simulated person as their task program sees them.

    Args:
        world: Where they are.
        name: Who.
        turns: How often they may act.
    """

    def __init__(self, world: World, name: str, turns: int) -> None:
        self._world = world
        self.name = name
        self.outcome: str | None = None
        """How the conversation ended, one of `Outcome`; None while it goes on."""
        self.said: list[str] = []
        """What they have said, in order."""
        self._turns = turns
        self._closing: str | None = None

    @property
    def done(self) -> bool:
        """Whether the conversation has ended."""
        return self.outcome is not None

    def start(self) -> Any:
        """Their first words. Awaitable in an `async def` program.

        Raises:
            UserFault: They failed.
            ReentrantCall: Inside a callback.
        """
        return self.answer("")

    def answer(self, text: str) -> Any:
        """What they say to what the agent has said; empty once they are done. Awaitable in an `async def` program.

        Who ends the conversation with words has these delivered: they are given back, and `done` holds after the
        agent's answer to them.

        Raises:
            UserFault: They failed; `outcome` is `error`.
            ReentrantCall: Inside a callback.
        """
        if self._closing is not None and self.outcome is None:
            self.outcome = self._closing
        if self.outcome is None and len(self.said) >= self._turns:
            self.outcome = Outcome.LIMIT.value
        program = self._world.calls.program
        apart = program is not None and program.is_async
        if self.outcome is not None:
            return _at_once("") if apart else ""
        try:
            heard = self._world.call(Call("env.user_answer", {"name": self.name, "text": str(text)[:TEXT_LIMIT]}))
        except UserFault:
            self.outcome = Outcome.ERROR.value
            raise
        return self._later(heard) if inspect.isawaitable(heard) else self._heard(heard)

    def post(self, text: str) -> None:
        """Tell them something, such as that they have changed their mind: they act on it as soon as time passes.

        Raises:
            ConfigError: They live nowhere: only simulated people of the task act by themselves.
        """
        self._world.call(Call("env.user_post", {"name": self.name, "text": text}))

    @property
    def used(self) -> dict[str, Value]:
        """What they have used so far: `turns`, `steps`, `tool_calls`, `tokens`, `cost`, and their `faults`."""
        found: dict[str, Value] = self._world.call(Call("env.user_used", {"name": self.name}))
        return found

    async def _later(self, heard: Any) -> str:
        try:
            return self._heard(await heard)
        except UserFault:
            self.outcome = Outcome.ERROR.value
            raise

    def _heard(self, heard: Mapping[str, Any]) -> str:
        text, outcome = str(heard["text"]), heard["outcome"]
        if text:
            self.said.append(text)
        if outcome is not None and text:
            self._closing = outcome
        elif outcome is not None:
            self.outcome = outcome
        return text


async def _at_once(text: str) -> str:
    return text
