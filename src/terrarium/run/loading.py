"""Loading the task of a trial in this process, into a module of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from terrarium.core.errors import TaskBroken
from terrarium.core.task import Task
from terrarium.run.spec import TrialSpec
from terrarium.task.taskset import reload

STUCK = "stuck"
SECONDS = 60.0  # for executing a task file

_harmless: set[tuple[str, str]] = set()
"""Task files that were executed in this process before, and did not block."""


async def load_task(trial: TrialSpec) -> tuple[Task, str]:
    """The task, with the limits of the trial, and the name of its module.

    The first time the file is executed on a thread, as it may block.

    Raises:
        TaskBroken: It cannot be loaded; with the code `stuck`, its file is still being executed after 60 s, and this
            process can do nothing else any more.
    """
    if (trial.path, trial.task_digest) in _harmless:
        task, loaded = reload(Path(trial.path), trial.task)
    else:
        loading = asyncio.ensure_future(asyncio.to_thread(reload, Path(trial.path), trial.task))
        done, _ = await asyncio.wait([loading], timeout=SECONDS)
        if not done:
            raise TaskBroken(f"{trial.path} was still being executed after {SECONDS:g} s", code=STUCK)
        task, loaded = loading.result()
        _harmless.add((trial.path, trial.task_digest))
    limits = task.limits.with_(trial.limits)
    return replace(task, limits=limits, digest=trial.task_digest), loaded
