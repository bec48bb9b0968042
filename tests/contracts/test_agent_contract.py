"""Every registered agent keeps the contract; and the suite notices one that does not."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import framework_agents
from terrarium.agent.null import NullAgent
from terrarium.agent.solution import think
from terrarium.core.agent import Reply, TurnOver
from terrarium.core.message import Message, TextBlock
from terrarium.core.registry import TABLES, find
from terrarium.model.scripted import ScriptedModel
from terrarium.testing import check_agent


def solve(seat: Any) -> Any:
    seat.call("workspace_write", path="a.txt", content=seat.call("remember", text="x"))
    yield "first"
    yield str(seat.call("workspace_list"))


def converse(messages: Sequence[Message], call: Any) -> Any:
    """Use a tool twice at once, then one that there is not, then answer."""
    done = sum(message.role == "assistant" for message in messages) % 3
    return ([call, call], {"tool": "nosuch"}, "done")[done]


def uses_a_tool(messages: Sequence[Message], tools: Any) -> Any:
    return {"tool": "remember", "args": {"text": "y"}} if messages[-1].role == "user" else "done"


FRAMEWORKS = ("autogen", "function", "langgraph", "openai_agents")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "oracle": {"solution": solve},
    "puppet": {"moves": [{"tool": "remember", "args": {"text": "y"}}, {"say": "one"}, {"tool": "nosuch"}]},
    "scripted": {"script": [{"tool": "remember", "args": {"text": "y"}}, "one", {"tool": "nosuch"}, "two"]},
    "random": {"seed": 3, "calls": 9},
    "human": {"terminal": "/dev/null"},  # one who has left
    **{name: {"agent": f"framework_agents:{framework_agents.MADE[name]}"} for name in FRAMEWORKS},
}

ANSWERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(FRAMEWORKS, uses_a_tool),
    "shell": lambda messages, tools: converse(messages, {"tool": "bash", "args": {"command": "echo hello"}}),
    "tool_loop": lambda messages, tools: converse(messages, {"tool": "remember", "args": {"text": "y"}}),
}
"""Of the models of those who ask one."""


def made(name: str) -> Any:
    model = {"model": ScriptedModel(ANSWERS[name])} if name in ANSWERS else {}
    return find("agent", name)(**ARGUMENTS.get(name, {}), **model)


@pytest.mark.parametrize("name", sorted(TABLES["agent"]))
def test_every_agent(name: str):
    try:
        importlib.import_module(TABLES["agent"][name].partition(":")[0])
    except ImportError as error:
        pytest.skip(f"not there yet: {error}")
    if getattr(find("agent", name), "wants_gateway", False):
        pytest.skip("a program in a sandbox with a network, which this world has not: tests/agent/test_command.py")
    if name == "crewai":
        pytest.skip("it wants an environment of its own: tests/agent/test_crewai.py")
    check_agent(lambda: made(name))


class Timeless(NullAgent):
    timing = "whenever"  # type: ignore[assignment]


class Fickle(NullAgent):
    count = itertools.count()

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        return Reply.say(f"{next(self.count)}")


class Odd(NullAgent):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        return Reply("", stop="bored")


class Lossy(NullAgent):
    def __init__(self) -> None:
        self.turns = 0

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        self.turns += 1
        return Reply.say("")

    def save(self) -> bytes | None:
        return b"%d" % self.turns


class Stubborn(NullAgent):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        for _ in range(3):
            try:
                await think(seat, "stubborn", TextBlock("more"))
            except TurnOver:
                seat.budget.steps = 5
        return Reply.say("")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Timeless, "timing: one of"),
        (Fickle, "deterministic: "),
        (Odd, "'bored', which is no StopReason"),
        (Lossy, "load: "),
        (Stubborn, "TurnOver was swallowed"),
    ],
)
def test_the_suite_names_the_broken_clause(kind, told):
    with pytest.raises(AssertionError, match=told):
        check_agent(kind)
