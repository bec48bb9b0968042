"""Grading a run again: a corrected check that journals answer, and one that needs a snapshot of every trial."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_least, median, spread
from bench.trials import TASK
from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
from terrarium.run.job import Job
from terrarium.run.regrade import regrade

TARGET = 50.0  # trials a second, on one core
LOOKING_TARGET = 30.0

CHECK = 'env.email.count_inbox("ann@corp.example") == 1'
CORRECTED = f"bool({CHECK})"
LOOKING = 'env.email.list_inbox("ann@corp.example")[0]["body"] == "Gladly."'


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Trials a second of the two corrections; the trials themselves are run before."""
    trials, repeats = (3, 1) if quick else (200, 3)
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        task = Path(folder) / "one_mail" / "task.py"
        task.parent.mkdir()
        task.write_text(TASK, "utf-8")
        place = Path(folder) / "run"
        config = JobConfig(
            agents=(AgentConfig(name="oracle"),),
            tasks=(TaskConfig(path=str(task.parent)),),
            seeds=tuple(range(trials)),
            baseline=False,
            job_dir=str(place),
        )
        asyncio.run(Job(config).run())
        for name, check, target, looked in (
            ("answered by the journal", CORRECTED, TARGET, 0),
            ("answered by snapshots", LOOKING, LOOKING_TARGET, 1),
        ):
            task.write_text(TASK.replace(CHECK, check), "utf-8")
            speeds = [_speed(place, trials, looked) for _ in range(repeats)]
            yield Figure(name, median(speeds), "trials/s", at_least(target), spread(speeds))


def _speed(run: Path, trials: int, looked: int) -> float:
    began = time.perf_counter()
    found = asyncio.run(regrade(run))
    seconds = time.perf_counter() - began
    if not all(one.verdict.reward == 1.0 and one.looked == looked for one in found.trials):
        raise RuntimeError(f"not everything was graded again: {found.counts}")
    return trials / seconds
