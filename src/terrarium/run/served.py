"""Who answers at a model server, from the text that names it: a policy, a script, a cassette or reference solutions."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, nearest
from terrarium.core.model import Model
from terrarium.core.registry import find
from terrarium.model.scripted import ScriptedModel
from terrarium.model.server.fault import Fault

POLICIES = ("echo", "tools")
_SCRIPTS = (".json", ".jsonl", ".toml")

Brain = tuple[Model | Mapping[str, Model], Sequence[Fault]]


def brain(spec: str, name: str = "") -> Brain:
    """Who answers, and the faults that its script asks for.

    Args:
        spec: `echo` or `tools`; the path of a script (.json, .jsonl, .toml); `cassette:PATH`; `solution:PATH` of a task
            or taskset, whose tasks are models by their names; or `package.module:function` of messages and tools.
        name: What the model is called; by default as its source says.

    Raises:
        ConfigError: It is none of these, or cannot be read.
        TaskBroken: A task cannot be loaded.
    """
    kind, colon, rest = spec.partition(":")
    if spec in POLICIES:
        from terrarium.model.server import policy

        return ScriptedModel(getattr(policy, spec), name or spec), ()
    if kind == "cassette" and colon:
        from terrarium.model.server.recording import RecordedModel

        return RecordedModel(rest, name), ()
    if kind == "solution" and colon:
        return solutions(rest, name), ()
    if spec.endswith(_SCRIPTS):
        from terrarium.model.server.script import read_script

        script = read_script(spec)
        return script.model(name or Path(spec).stem), script.faults
    if colon:
        return _imported(spec, name), ()
    known = f"{', '.join(POLICIES)}, a script (.json, .jsonl, .toml), cassette:PATH, solution:PATH, package.module:name"
    raise ConfigError(f"there is no policy {spec!r}{nearest(spec, POLICIES)}; there are: {known}")


def solutions(path: str, name: str = "") -> Model | Mapping[str, Model]:
    """The reference solutions of the tasks at a path, each a model with the name of its task.

    Of a task with several agents each has its own: `task@agent`. Where there is one solution only, it answers under
    every name.

    Raises:
        ConfigError: There is no task, or none with a solution.
        TaskBroken: A task cannot be loaded.
    """
    from terrarium.core.errors import TaskBroken
    from terrarium.model.server.solution import SolutionModel
    from terrarium.task.taskset import find as tasks_at

    found = tasks_at(Path(path))
    if found.broken:
        raise TaskBroken(found.broken[0].message)
    models: dict[str, Model] = {}
    for task in found.tasks:
        for agent, solution in task.entry.solutions.items():
            called = task.name if len(task.agents) == 1 else f"{task.name}@{agent}"
            models[called] = SolutionModel(solution, task.params, name or called)
    if not models:
        raise ConfigError(f"no task at {path} has a reference solution")
    return next(iter(models.values())) if len(models) == 1 else models


def _imported(spec: str, name: str) -> Model:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    made: Any = find("model", spec)
    if not callable(made):
        raise ConfigError(f"{spec} is no function of messages and tools")
    if inspect.iscoroutinefunction(made):
        return _AsyncPolicy(made, name or spec)
    return ScriptedModel(made, name or spec)


class _AsyncPolicy:
    """A policy that is a coroutine function."""

    def __init__(self, function: Any, name: str) -> None:
        self.name = name
        self._function = function

    async def generate(self, messages: Any, tools: Any) -> Any:
        """What the function gives."""
        answer = await self._function(messages, tools)
        return await ScriptedModel([answer], self.name).generate(messages, tools)

    async def close(self) -> None:
        """Nothing to give up."""
        await asyncio.sleep(0)
