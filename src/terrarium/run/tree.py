"""Search: a tree of worlds, each of which is a trial that was stopped between two moves of its agent.

A step from a node forks its trial, makes moves there and stops again, so every node stays as it is and can be left in
any number of ways.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from terrarium.core.agent import StopReason
from terrarium.core.errors import ConfigError, EngineFault
from terrarium.core.journal import EventKind
from terrarium.core.points import Points
from terrarium.core.tool import ToolResult
from terrarium.core.trajectory import Trajectory, load
from terrarium.core.verdict import Verdict
from terrarium.run.branch import Branch
from terrarium.run.config import AgentConfig
from terrarium.run.fork import prepare
from terrarium.run.lock import Lock
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult, TrialSpec
from terrarium.run.trial import Trial, TrialConfig, TrialRun

Move = Mapping[str, Any]
"""`{"tool": name, "args": {...}}`, or `{"say": text}`, which ends the turn."""


class Tree:
    """The worlds that can be reached in one task.

    Args:
        config: The task, seed and limits; its agent does not count. `trial_dir` is where all of it is written.

    Raises:
        ConfigError: There is no such task.
        TaskBroken: It cannot be loaded.
    """

    def __init__(self, config: TrialConfig) -> None:
        trial = Trial(config)
        self.run = trial.folder
        self.steps = 0
        """Worlds that were made, the root among them."""
        self._spec = replace(trial.spec, agent=AgentConfig(name="puppet"), snapshot="auto", code="")

    async def plant(self) -> Node:
        """The root: the agent has its first instruction and has done nothing yet.

        Raises:
            EngineFault: The task failed, or cannot be stopped between two moves; the message says why.
        """
        return await self.grow(self._spec, None, (), 0)

    async def grow(self, spec: TrialSpec, parent: Node | None, moves: Sequence[Move], steps: int | None) -> Node:
        """Run a trial up to its next stop.

        Args:
            spec: Of the trial.
            parent: The node that it leaves.
            moves: What its agent does.
            steps: After how many steps it stops; None: it does not.

        Raises:
            EngineFault: It failed.
        """
        self.steps += 1

        async def go() -> TrialResult:
            with Lock(self.run.path, shared=True), Lock(self.run.trial(spec.id)):
                return await TrialRun(spec, self.run, pause_after=steps).run()

        result = await asyncio.wrap_future(runtime().submit(go()))
        if result.error is not None:
            raise EngineFault(f"the search cannot go on: {result.error['type']}: {result.error['message']}")
        return Node(self, spec, result, parent, tuple(moves))


class Node:
    """One world of a tree."""

    def __init__(
        self, tree: Tree, spec: TrialSpec, result: TrialResult, parent: Node | None, moves: tuple[Move, ...]
    ) -> None:
        self.tree, self.parent, self.moves = tree, parent, moves
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.children: list[Node] = []
        self._spec, self._result = spec, result
        self._left = 0

    @property
    def trial(self) -> str:
        """The id of its trial, whose journal tells everything."""
        return self._spec.id

    @property
    def ended(self) -> bool:
        """Whether its trial has come to a verdict."""
        return self._result.stop != StopReason.PAUSED.value

    @property
    def verdict(self) -> Verdict:
        """How it was judged; unscored while it has not ended."""
        return self._result.verdict

    @property
    def path(self) -> list[Move]:
        """The moves that lead here from the root."""
        return [] if self.parent is None else [*self.parent.path, *self.moves]

    @cached_property
    def trajectory(self) -> Trajectory:
        """Everything that happened from the beginning to here."""
        return load(self._folder / "journal.jsonl", self.tree.run.blobs)

    @property
    def instruction(self) -> str:
        """What the agent was told last."""
        told = [event.data for event in self.trajectory.of(EventKind.TURN) if event.data["state"] == "begin"]
        return str(told[-1]["instruction"])

    @property
    def results(self) -> list[ToolResult]:
        """What the tool calls of the moves to here gave, in order."""
        count = sum("tool" in move for move in self.moves)
        every = [event.data["result"] for event in self.trajectory.of(EventKind.TOOL_RESULT)]
        return every[len(every) - count :]

    async def step(self, *moves: Move) -> Node:
        """The world that these moves lead to; this one stays as it is. Several at once may be asked for.

        Raises:
            ConfigError: It has ended, there is no move, or one is not understood.
            EngineFault: The trial failed.
        """
        child = await self._leave(moves, len(moves))
        self.children.append(child)
        return child

    async def finish(self, text: str = "") -> Verdict:
        """How it would be judged if the agent said this and nothing more; this world stays as it is.

        Raises:
            ConfigError: It has ended.
            EngineFault: The trial failed.
        """
        return (await self._leave([{"say": text}], None)).verdict

    async def _leave(self, moves: Sequence[Move], steps: int | None) -> Node:
        if self.ended:
            raise ConfigError("this world has come to its end: nothing can be done in it")
        if not moves:
            raise ConfigError("a step is at least one move")
        points = Points(self._folder / "journal.jsonl").read()
        if not points:
            raise EngineFault(f"the world of {self.trial[:12]} was not saved where it was stopped")
        self._left += 1
        first = sum("tool" in move for move in self.path) + 1
        agent = AgentConfig(name="puppet", kwargs={"moves": [dict(move) for move in moves], "first": first})
        branch = Branch(self.trial, points[-1][0], 0, agent=True, number=self._left)
        spec = prepare(self.tree.run, self._spec, self._folder, points[-1], branch, agent)
        return await self.tree.grow(spec, self, moves, steps)

    @property
    def _folder(self) -> Path:
        return self.tree.run.tries(self.trial)[-1]


async def best_first(
    root: Node,
    propose: Callable[[Node], Iterable[Sequence[Move]]],
    value: Callable[[Node], float | Awaitable[float]],
    budget: int,
) -> Node:
    """Best-first search: always go on from the most promising world.

    Args:
        root: Where to begin.
        propose: The steps to try from a node, each one or more moves.
        value: How promising a node is; higher is better. An `async def` may finish it to see.
        budget: How many steps may be made.

    Returns:
        A node that has ended and passed; else of those that have ended the one with the highest reward; else the most
        promising one.
    """
    made = 0
    waiting: list[tuple[float, int, Node]] = [(-await _worth(value, root), 0, root)]
    best: tuple[float, float, Node] = (-1.0, -waiting[0][0], root)
    while waiting and made < budget:
        _, _, node = heapq.heappop(waiting)
        for moves in propose(node):
            if made >= budget:
                break
            child = await node.step(*moves)
            made, worth = made + 1, await _worth(value, child)
            reward = child.verdict.reward
            rank = (-1.0 if reward is None else reward, worth, child)
            best = rank if rank[:2] > best[:2] else best
            if child.verdict.passed:
                return child
            if not child.ended:
                heapq.heappush(waiting, (-worth, made, child))
    return best[2]


async def _worth(value: Callable[[Node], float | Awaitable[float]], node: Node) -> float:
    found = value(node)
    return found if isinstance(found, (int, float)) else await found
