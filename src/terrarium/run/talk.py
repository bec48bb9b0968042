"""A chat: the program of a task, with a person who says what its agent is told, line by line."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from terrarium.core.agent import Reply
from terrarium.core.calls import Handler
from terrarium.core.env import Env
from terrarium.core.errors import AgentFault, ConfigError, ModelFault
from terrarium.core.handle import AgentView
from terrarium.core.replay import Call
from terrarium.core.task import Task
from terrarium.core.world import World

PATH = "env.listen"

Listen = Callable[[str], Awaitable[str | None]]
"""Gets what the task itself would tell the agent; gives what the person says, None where that is all."""


def talking(task: Task) -> Task:
    """The task with a person between its program and its agent: each line is a turn.

    Raises:
        ConfigError: It has several agents, or an `async def` program.
    """
    function = task.entry.function
    if len(task.agents) != 1 or inspect.iscoroutinefunction(function):
        raise ConfigError(f"one can talk to the agent of a `def` program with one agent, which {task.name!r} is not")

    @functools.wraps(function)
    def program(env: Env, agent: AgentView, **params: Any) -> Any:
        return function(env, Talking(env, agent), **params)

    entry = copy.copy(task.entry)
    entry.function = program
    return replace(task, entry=entry)


class Talking:
    """The agent as the program of a task sees it: `act` lasts until the person has nothing more to say."""

    def __init__(self, env: Env, agent: AgentView) -> None:
        self._world, self._agent = env._world, agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    def act(self, instruction: str) -> Reply:
        """The reply to the person's last line; a turn that failed for its agent's or model's sake is passed over."""
        reply = Reply.say("")
        while True:
            line = self._world.call(Call(PATH, {"suggested": instruction}))
            if line is None:
                return reply
            try:
                reply = self._agent.act(line)
            except (ModelFault, AgentFault):
                continue


def install_listener(world: World, listen: Listen | None) -> None:
    """Put a person behind `env.listen`; the world stands still while they type. None: nobody is there."""

    async def heard(suggested: str) -> str | None:
        return None if listen is None else await listen(suggested)

    world.handle(PATH, Handler(lambda _number, suggested: world.calls.block(heard(suggested)), snapshot="turn"))
