"""Loading the task of a trial in this process, into a module of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from terrarium.core.errors import TaskBroken
from terrarium.core.task import Task
from terrarium.run.spec import TrialSpec
from terrarium.task.taskset import reload

SECONDS = 60.0  # for executing a task file

_harmless: set[tuple[str, str]] = set()
"""Task files that were executed in this process before, and did not block."""


class TaskStuck(TaskBroken):
    """The file of a task is still being executed; the process that does so can do nothing else any more."""


async def load_task(trial: TrialSpec) -> tuple[Task, str]:
    """The task, with the limits of the trial, and the name of its module.

    The first time the file is executed on a thread, as it may block.

    Raises:
        TaskStuck: It is still being executed after 60 s.
        TaskBroken: It cannot be loaded.
    """
    if (trial.path, trial.task_digest) in _harmless:
        task, loaded = reload(Path(trial.path), trial.task)
    else:
        loading = asyncio.ensure_future(asyncio.to_thread(reload, Path(trial.path), trial.task))
        done, _ = await asyncio.wait([loading], timeout=SECONDS)
        if not done:
            raise TaskStuck(f"{trial.path} was still being executed after {SECONDS:g} s")
        task, loaded = loading.result()
        _harmless.add((trial.path, trial.task_digest))
    limits = task.limits.with_(trial.limits)
    return replace(task, limits=limits, digest=trial.task_digest), loaded
