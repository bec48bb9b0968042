"""Replay of a recorded trial: it is run again on its recorded model answers, and every event is compared."""

from __future__ import annotations

import asyncio
import functools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from terrarium.core.aside import aside
from terrarium.core.errors import RETRIED, ConfigError, NotReplayable, TaskBroken, TerrariumError
from terrarium.core.removal import try_remove_tree
from terrarium.core.task import Task
from terrarium.run.difference import Difference, count_promised, first_broken_promise, first_difference, warnings
from terrarium.run.folder import RunFolder
from terrarium.run.loading import SECONDS as LOAD_SECONDS
from terrarium.run.recording import Line, Recording
from terrarium.run.reenactment import Reenactment
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialSpec, code_of
from terrarium.run.trial import TrialRun
from terrarium.task.taskset import find


@dataclass(frozen=True)
class Replay:
    """How a replay came out.

    Attributes:
        journal: What was replayed.
        trial: The id of the trial.
        task: The name of its task.
        exact: Every event was compared. False: a part of the trial is not deterministic, and only what is promised
            there was: rows, replies, rewards, checks and verdict.
        compared: How many events of the record that was.
        difference: The first one; None where there is none.
        warnings: What is not as it was and decides nothing by itself: versions, digests, places.
        seconds: How long it took.
    """

    journal: Path
    trial: str
    task: str
    exact: bool
    compared: int
    difference: Difference | None
    warnings: tuple[str, ...]
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether the trial went the same way."""
        return self.difference is None


async def replay(journal: Path | str, task: Path | str | None = None, played: bool = False) -> Replay:
    """Run a recorded trial again and compare. What was recorded is only read.

    No model is asked: agents are given the answers that their models gave. Agents without a model act again, and those
    that think on their own time (`timing = "measured"`) do what they did.

    Args:
        journal: The journal of a try.
        task: Where its task is now, if it has moved.
        played: Do what the journal says of every agent, without the agents' own code.

    Raises:
        NotReplayable: It cannot be; `code` says why.
    """
    place = None if task is None else Path(task)
    return await asyncio.wrap_future(runtime().submit(_replay(Path(journal), place, played)))


async def _replay(journal: Path, place: Path | None, played: bool) -> Replay:
    began = time.monotonic()
    recording = await aside(lambda: Recording(journal))
    spec = recording.spec
    found, task_warnings = await _task(recording, spec, place)
    reenactment = Reenactment(recording, played or others_acted(spec))
    await aside(recording.look_through)
    scratch = Path(tempfile.mkdtemp(prefix="terrarium-replay-"))
    try:
        run = RunFolder(scratch)
        trial = replace(spec, path=found.path, task=found.name, snapshot=_mode(recording, spec))
        result = await TrialRun(trial, run, record=reenactment).run()
        if reenactment.refused is not None:
            raise reenactment.refused
        tries = run.tries(trial.id)
        lines = await aside(lambda: _lines_of(tries[-1])) if tries else []
        if not lines:
            told = result.error["message"] if result.error else "it left no journal"
            raise NotReplayable(f"{journal} cannot be replayed here: {told}", code="failed")
    finally:
        await aside(functools.partial(try_remove_tree, scratch))
    exact, rows = _deterministic(recording, found), not found.entry.wall
    recorded = recording.lines
    difference = first_difference(recorded, lines) if exact else first_broken_promise(recorded, lines, rows)
    if difference is not None and reenactment.unanswered:
        difference = replace(difference, note=reenactment.unanswered[0])
    told_warnings = [*task_warnings, *_warnings(recording), *warnings(recording.header, lines[0]["data"])]
    if others_acted(spec) and not played:
        told_warnings.append("another agent acted before this fork: all deeds of its agents come from the journal")
    if not rows:
        told_warnings.append("the task runs by the wall clock: the rows of its world were not compared")
    elif not exact and not any("rows" in line["data"] for line in recorded):
        told_warnings.append("the trial was recorded without snapshots: the rows of its world could not be compared")
    compared = len(recorded) if exact else count_promised(recorded, rows)
    seconds = round(time.monotonic() - began, 3)
    return Replay(journal, spec.id, spec.task, exact, compared, difference, tuple(told_warnings), seconds)


def others_acted(spec: TrialSpec) -> bool:
    """Whether a trial is a fork in whose first part somebody else acted: its agents cannot act that again."""
    return spec.branch is not None and (spec.branch.agent or spec.branch.seed is not None)


def _mode(recording: Recording, spec: TrialSpec) -> str:
    """Worlds are saved only where events say so; the ends of turns need not be."""
    return "auto" if spec.snapshot == "every-turn" else spec.snapshot


def _deterministic(recording: Recording, task: Task) -> bool:
    """Whether every event can be compared: also where costs were measured, as they are taken from the record."""
    return bool(recording.header.get("traits", {}).get("deterministic")) and not task.entry.wall


def _lines_of(folder: Path) -> list[Line]:
    return Recording(folder / "journal.jsonl").lines


async def _task(recording: Recording, spec: TrialSpec, place: Path | None) -> tuple[Task, list[str]]:
    """The task, and what has changed about it.

    Raises:
        NotReplayable: It is not where it was, or cannot be loaded.
    """
    path = place or Path(spec.path)
    advice = "" if place else "; if it has moved, say where it is with --task"
    if not path.exists():
        raise NotReplayable(f"the task {spec.task!r} is not at {path}{advice}", code="task-missing")
    loading = asyncio.ensure_future(asyncio.to_thread(find, path))
    done, _ = await asyncio.wait([loading], timeout=LOAD_SECONDS)
    if not done:
        raise NotReplayable(f"{path} was still being executed after {LOAD_SECONDS:g} s", code="task-broken")
    try:
        taskset = loading.result()
    except (ConfigError, TaskBroken) as error:
        raise NotReplayable(f"the task {spec.task!r} cannot be loaded: {error}", code="task-broken") from error
    named = [task for task in taskset.tasks if task.name == spec.task]
    if not named and len(taskset.tasks) == 1:
        named = list(taskset.tasks)  # its folder was given another name
    if len(named) != 1:
        if taskset.broken:
            told = taskset.broken[0].message
            raise NotReplayable(f"the task {spec.task!r} cannot be loaded: {told}", code="task-broken")
        raise NotReplayable(f"{path} has no task {spec.task!r}{advice}", code="task-missing")
    return named[0], list(_changes(spec, named[0]))


def _changes(spec: TrialSpec, task: Task) -> Iterator[str]:
    if task.name != spec.task:
        yield f"the task was called {spec.task!r} and is now called {task.name!r}"
    if task.digest != spec.task_digest:
        yield f"the task was changed since: its digest was {spec.task_digest[:12]} and is now {task.digest[:12]}"
    try:
        code = code_of(spec.agent, spec.sandbox, task.path, spec.approval)
    except TerrariumError:
        code = ""
    if spec.code and code != spec.code:
        yield f"the agent's or sandbox's own code was changed since: its digest was {spec.code[:12]}"


def _warnings(recording: Recording) -> Iterator[str]:
    verdict = recording.verdict_of_record
    if verdict is not None and verdict != recording.lines[-1]["data"]["verdict"]:
        yield "the verdict in the trial's record is another than that of its journal: one of them was edited"
    error = recording.error
    if error is not None and error.get("boundary") in RETRIED:
        yield f"the trial ended with {error.get('type')}, a failure of the machinery, which is not replayed"
