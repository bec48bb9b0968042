"""A tree of worlds: every node stays as it is, and can be left in any number of ways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.errors import ConfigError, EngineFault
from terrarium.core.journal import EventKind
from terrarium.run.config import TaskConfig
from terrarium.run.tree import Move, Node, Tree, best_first
from terrarium.run.trial import TrialConfig

TASK = """
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def walk(env, agent):
    "Walk to seven, while the mail comes in."
    place = [0]
    env.every("5s", lambda: env.email.send("a@x.example", "agent@world.example", "tick", str(env.clock.now)))

    def go(steps: int) -> int:
        "Walk."
        place[0] += steps
        env.workspace.fs.write_file("place", str(place[0]))
        return place[0]

    agent.register_tools(go)
    agent.act("go to 7")
    reply = agent.act("and now?")
    return run_checkers({
        "seven": lambda: env.workspace.fs.read_text("place") == "7",
        "said": lambda: reply.text == "done",
    })
"""


def _go(steps: int) -> Move:
    return {"tool": "go", "args": {"steps": steps}}


def _tree(folder: Path, source: str = TASK, **more: Any) -> Tree:
    (folder / "walk.py").write_text(source)
    return Tree(TrialConfig(TaskConfig(path=str(folder / "walk.py")), trial_dir=str(folder / "run"), **more))


def test_steps_lead_to_worlds_that_know_nothing_of_each_other(tmp_path):
    async def search() -> None:
        root = await _tree(tmp_path).plant()
        assert (root.instruction, root.ended, root.results, root.path) == ("go to 7", False, [], [])
        one, two = await asyncio.gather(root.step(_go(3)), root.step(_go(5)))
        assert [node.results[0].value for node in (one, two)] == [3, 5]
        deep = await one.step(_go(2), _go(2))
        assert [result.value for result in deep.results] == [5, 7]
        assert (await root.step(_go(1))).results[0].value == 1, "the root is as it was"
        assert [(await node.finish()).reward for node in (one, deep, one)] == [0.0, 0.5, 0.0]
        second = await deep.step({"say": "there"})
        assert second.instruction == "and now?"
        end = await second.step({"say": "done"})
        assert end.ended
        assert end.verdict.passed
        assert end.path == [_go(3), _go(2), _go(2), {"say": "there"}, {"say": "done"}]
        assert (deep.depth, len(root.children)) == (2, 3)
        with pytest.raises(ConfigError, match="come to its end"):
            await end.step(_go(1))
        with pytest.raises(ConfigError, match="at least one move"):
            await deep.step()
        moved = [event for event in end.trajectory.events if event.kind is EventKind.TOOL_CALL]
        assert [event.data["id"] for event in moved] == ["move_1", "move_2", "move_3"]

    asyncio.run(search())


def test_the_same_moves_lead_to_the_same_world_whether_in_one_step_or_in_many(tmp_path):
    async def search() -> None:
        root = await _tree(tmp_path).plant()
        whole = await root.step(_go(1), _go(2), {"say": "x"}, {"say": "done"})
        node = root
        for move in (_go(1), _go(2), {"say": "x"}, {"say": "done"}):
            node = await node.step(move)
        plain = [[event.equal_part() for event in found.trajectory.events[1:]] for found in (whole, node)]
        assert plain[0] == plain[1]
        assert whole.verdict == node.verdict

    asyncio.run(search())


def test_best_first_finds_what_a_single_path_misses(tmp_path):
    def propose(node: Node) -> Iterable[Sequence[Move]]:
        if node.instruction != "go to 7":
            return [[{"say": "done"}]]
        place = node.results[-1].value if node.results else 0
        return [[{"say": "x"}]] if place == 7 else [[_go(steps)] for steps in (4, 3, -1)]

    def value(node: Node) -> float:
        if node.ended or node.instruction != "go to 7":
            return 1.0
        return -abs(7 - node.results[-1].value) if node.results else -7.0

    async def search(budget: int) -> tuple[Node, int]:
        tree = _tree(tmp_path)
        return await best_first(await tree.plant(), propose, value, budget), tree.steps - 1

    found, steps = asyncio.run(search(20))
    assert found.verdict.passed
    assert steps <= 20
    short, steps = asyncio.run(search(2))
    assert (short.ended, steps) == (False, 2), "the most promising world, where the budget ends"


def test_an_async_value_may_look_at_the_end(tmp_path):
    async def value(node: Node) -> float:
        return 2.0 if node.ended else float((await node.finish()).reward or 0.0)

    async def search() -> Node:
        return await best_first(await _tree(tmp_path).plant(), lambda node: [[_go(7)], [_go(1)]], value, 4)

    assert asyncio.run(search()).results[0].value in (7, 14, 8)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (TASK.replace("def walk", "async def walk").replace("agent.act(", "await agent.act("), "can be paused"),
        (TASK.replace("place = [0]", "raise RuntimeError('broken')"), "RuntimeError: broken"),
    ],
)
def test_a_task_that_cannot_be_searched_says_why(tmp_path, source, told):
    with pytest.raises(EngineFault, match=told):
        asyncio.run(_tree(tmp_path, source).plant())


@pytest.mark.parametrize("move", [{}, {"say": 1}, {"tool": "go", "say": "x"}, {"tool": "go", "arg": 1}, {"tool": 3}])
def test_a_move_that_is_none_is_refused(tmp_path, move):
    async def search() -> None:
        root = await _tree(tmp_path).plant()
        with pytest.raises((ConfigError, EngineFault), match=r"move 0|unknown key"):
            await root.step(move)
        assert (await root.step(_go(1))).results[0].value == 1

    asyncio.run(search())
