"""Every registered agent keeps the contract; and the suite notices one that does not."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import pytest

from agent import framework_agents
from terrarium.agent.null import NullAgent
from terrarium.agent.solution import think
from terrarium.core.agent import Reply, TurnOver
from terrarium.core.message import TextBlock
from terrarium.core.registry import TABLES, find
from terrarium.model.scripted import ScriptedModel
from terrarium.testing import check_agent


def solve(seat: Any) -> Any:
    seat.call("workspace_write", path="a.txt", content=seat.call("remember", text="x"))
    yield "first"
    yield str(seat.call("workspace_list"))


def uses_a_tool(messages: Any, tools: Any) -> Any:
    if messages[-1].role == "user":
        return {"tool": "remember", "args": {"text": "y"}}
    return "done"


def framework(make: Any) -> dict[str, Any]:
    return {"model": ScriptedModel(uses_a_tool), "agent": make}


ARGUMENTS: dict[str, dict[str, Any]] = {
    "oracle": {"solution": solve},
    "puppet": {"moves": [{"tool": "remember", "args": {"text": "y"}}, {"say": "one"}, {"tool": "nosuch"}]},
    "scripted": {"script": [{"tool": "remember", "args": {"text": "y"}}, "one", {"tool": "nosuch"}, "two"]},
    "random": {"seed": 3, "calls": 9},
    "function": framework(framework_agents.plain),
    "openai_agents": framework(framework_agents.openai_agents),
    "langgraph": framework(framework_agents.langgraph),
    "autogen": framework(framework_agents.autogen),
    "human": {"terminal": "/dev/null"},  # one who has left
}


@pytest.mark.parametrize("name", sorted(TABLES["agent"]))
def test_every_agent(name: str):
    try:
        importlib.import_module(TABLES["agent"][name].partition(":")[0])
    except ImportError as error:
        pytest.skip(f"not there yet: {error}")
    check_agent(lambda: find("agent", name)(**ARGUMENTS.get(name, {})))


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
