"""What the folder of a trial still tells after a crash: how it ended, or where it can go on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from terrarium.core.agent import StopReason
from terrarium.core.errors import EngineFault, JournalFault, WorkerLost
from terrarium.core.journal import SCHEMA, Event, EventKind, read
from terrarium.core.points import Points
from terrarium.core.verdict import Verdict
from terrarium.run.folder import RunFolder
from terrarium.run.spec import TrialResult, TrialSpec
from terrarium.run.totals import Totals

Point = tuple[int, str, list[Event]]
"""Where an unfinished try can go on: number and name of its last snapshot, and the events up to it."""

_OF_TRIAL = (
    StopReason.TURN_LIMIT,
    StopReason.TOKEN_LIMIT,
    StopReason.COST_LIMIT,
    StopReason.WORLD_TIME_LIMIT,
    StopReason.TIME_LIMIT,
)


def recovered(run: RunFolder, trial: TrialSpec) -> TrialResult | None:
    """The result of a trial that was scored and whose record is gone, from its journal; None where it was not scored.

    A worker that is killed between the last line of a journal and the record leaves such a trial.
    """
    tries = run.tries(trial.id)
    if not tries:
        return None
    events = _events(run, tries[-1])
    if not events or events[-1].kind is not EventKind.VERDICT:
        return None
    verdict = events[-1].data.get("verdict")
    if not isinstance(verdict, Verdict) or verdict.reward is None:
        return None
    stop = next((e.data["reason"] for e in reversed(events) if e.kind is EventKind.STOP), StopReason.COMPLETED.value)
    seconds = float(events[-1].wall.get("at", 0.0)) - float(events[0].wall.get("at", 0.0))
    return TrialResult(trial, verdict, stop, None, len(tries), round(seconds, 6), _totals(events, stop))


def known(run: RunFolder, trial: TrialSpec) -> TrialResult | None:
    """The record of a trial; one that was scored and whose record is gone gets it again from its journal.

    Raises:
        EngineFault: It cannot be written.
    """
    found = run.result(trial.id)
    if found is None:
        found = recovered(run, trial)
        if found is not None:
            drop_passed(run, trial)
            run.record(found)
    return found


def resume_point(run: RunFolder, folder: Path) -> Point | None:
    """Where an unfinished try goes on: at its last snapshot that can be read; None where there is none."""
    events = _events(run, folder)
    if any(event.kind is EventKind.VERDICT for event in events) and not _lost(events):
        return None
    for seq, name in reversed(_points(folder, events)):
        if _readable(run, name, folder.parent.name):
            return seq, name, [event for event in events if event.seq <= seq]
    return None


def branch_point(run: RunFolder, trial: TrialSpec) -> Point | None:
    """Where a fork begins anew after it failed: where it left the other trial; None for what is none.

    Raises:
        EngineFault: That can be read no more; without it, it would begin as another trial.
    """
    tries = run.tries(trial.id)
    if trial.branch is None or not trial.branch.seq or not tries:
        return None
    events = _events(run, tries[-1])
    for seq, name in stored_points(run, tries[-1], events):
        if seq == trial.branch.seq:
            return seq, name, [event for event in events if event.seq <= seq]
    raise EngineFault(f"where the fork {trial.id[:12]} begins is damaged or gone; fork its parent again")


def stored_points(run: RunFolder, folder: Path, events: Sequence[Event]) -> list[tuple[int, str]]:
    """Where the world of a try was saved and can be opened again: numbers of the last events before, and names."""
    return [(seq, name) for seq, name in _points(folder, events) if _readable(run, name, folder.parent.name)]


def _points(folder: Path, events: Sequence[Event]) -> list[tuple[int, str]]:
    stored = [(event.seq, str(event.wall.get("digest") or "")) for event in events if event.kind is EventKind.SNAPSHOT]
    last = events[-1].seq if events else 0
    in_turns = [point for point in Points(folder / "journal.jsonl").read() if point[0] <= last]
    return [(seq, name) for seq, name in sorted(stored + in_turns) if name]


def passed_points(
    run: RunFolder, trial_id: str, stored: tuple[Sequence[str], Collection[str]] | None = None
) -> set[str]:
    """The snapshots of the ends of a trial's turns: where it was scored, nobody goes on from them any more.

    Those in which it was judged stay, and its last: it may be graded again.

    Args:
        run: Where they are.
        trial_id: Of the trial.
        stored: Names of its snapshots, the last one last, and of those in which it was judged, where they are known;
            else its journals are read.
    """
    if stored is None:
        found = [one for folder in run.tries(trial_id) for one in _snapshots(folder)]
        stored = [name for name, _ in found], {name for name, judged in found if judged}
    names, judged = stored
    return set(names[:-1]) - set(names[-1:]) - set(judged)


def drop_passed(run: RunFolder, trial: TrialSpec, stored: tuple[Sequence[str], Collection[str]] | None = None) -> None:
    """Remove the `passed_points` of a trial that was scored, unless all its snapshots were asked for.

    This comes before its record: where a kill comes between, the trial is `recovered`, and this is done again.
    """
    if trial.snapshot not in ("every-turn", "every-step"):
        for name in passed_points(run, trial.id, stored):
            run.snapshots.drop(name)


def _snapshots(folder: Path) -> list[tuple[str, bool]]:
    """Name of each snapshot of a try, the last one last, and whether it was judged there; no more is decoded."""
    mark = f'"kind":"{EventKind.SNAPSHOT}"'.encode("ascii")
    found = [(name, False) for _, name in Points(folder / "journal.jsonl").read()]
    for path in [*sorted(folder.glob("lost-*.jsonl")), folder / "journal.jsonl"]:
        try:
            lines = [line for line in path.read_bytes().splitlines() if mark in line[:100]]
            events = [json.loads(line) for line in lines]
            found += [(str(name), "rows" in one["data"]) for one in events if (name := one["wall"].get("digest"))]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _events(run: RunFolder, folder: Path) -> list[Event]:
    """The journal of a try; nothing where it cannot be read, or is another trial's, or of another schema."""
    try:
        events = list(read(folder / "journal.jsonl", run.blobs))
    except JournalFault:
        return []
    header = events[0] if events and events[0].kind is EventKind.HEADER else None
    own = header is not None and (header.data.get("schema"), header.data.get("trial")) == (SCHEMA, folder.parent.name)
    return events if own else []


def _lost(events: list[Event]) -> bool:
    """Whether the try ended only because its process did."""
    errors = [event for event in events if event.kind is EventKind.ERROR]
    return bool(errors) and errors[-1].data.get("type") == WorkerLost.__name__ and _unscored(events)


def _unscored(events: list[Event]) -> bool:
    verdict = events[-1].data.get("verdict") if events[-1].kind is EventKind.VERDICT else None
    return isinstance(verdict, Verdict) and verdict.reward is None


def _readable(run: RunFolder, name: str, owner: str) -> bool:
    try:
        return bool(run.snapshots.state(name).get("owner") == owner)
    except EngineFault:
        return False


def _totals(events: list[Event], stop: str) -> dict[str, Any]:
    totals, people = Totals(over=stop if stop in _OF_TRIAL else None), dict[str, Totals]()
    faults = Counter[str]()
    for event in events:
        if event.kind is EventKind.TURN and event.data["state"] == "wakes":
            people.setdefault(event.actor, Totals()).turns += 1
        elif event.kind is EventKind.TURN:
            totals.turns += event.data["state"] == "begin"
        elif event.kind is EventKind.TOOL_CALL:
            people.get(event.actor, totals).tool_calls += 1
        elif event.kind is EventKind.MODEL:
            people.get(event.actor, totals).add(event.data["completion"])
        elif event.kind is EventKind.ERROR:
            faults[event.actor] += 1
    passed = (events[-1].time - events[0].time).total_seconds()
    used = {name: {**people[name].used, "faults": faults[name]} for name in sorted(people)}
    lived = {"people": used} if used else {}
    return {**vars(totals), **lived, "world_seconds": passed}
