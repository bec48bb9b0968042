"""Forks: a new trial that begins in the middle of another one.

It gets a journal that begins as the other's does, and the world as it was saved there. From then on it is an ordinary
trial that goes on where it was interrupted.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, EngineFault, JournalFault
from terrarium.core.files import link_or_copy
from terrarium.core.journal import Event, EventKind, read, rewritten
from terrarium.core.points import Points
from terrarium.core.removal import try_remove_tree
from terrarium.run.branch import Branch
from terrarium.run.config import AgentConfig
from terrarium.run.difference import first_difference
from terrarium.run.folder import RunFolder
from terrarium.run.lock import Lock
from terrarium.run.recording import Recording
from terrarium.run.recovery import known, stored_points
from terrarium.run.reenactment import Reenactment
from terrarium.run.replaying import others_acted
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult, TrialSpec, code_of
from terrarium.run.trial import TrialRun


def fork(
    run: RunFolder,
    parent: TrialSpec,
    turn: int,
    *,
    agent: AgentConfig | None = None,
    seed: int | None = None,
    instruction: str | None = None,
    inject: Sequence[dict[str, Any]] = (),
    number: int = 1,
    snapshot: str | None = None,
) -> TrialSpec:
    """Prepare a trial that leaves another one when a turn begins; `run_fork` runs it.

    Where the world was not saved at that moment, the other trial happens again on its recorded model answers.

    Args:
        run: Where both are.
        parent: The other one.
        turn: The number of the turn, from 1.
        agent: Who acts from then on; None: the same, with what it remembers.
        seed: What the agent and the world draw from then on; None: as before.
        instruction: What the agent is told in that turn; None: what the program says.
        inject: Calls that are made when that turn begins, each `{"call": "env.email.send", "args": {...}}`.
        number: Tells equal forks apart.
        snapshot: When its world is saved; None: as the parent's.

    Raises:
        ConfigError: The parent has no such turn, or its world was not saved there and cannot be had again.
        JournalFault: The parent's journal cannot be read.
        EngineFault: The fork cannot be written.
    """
    tries = run.tries(parent.id)
    if not tries:
        raise ConfigError(f"trial {parent.id[:12]} has never been run in {run.path}")
    other = agent is not None and agent.public() != parent.agent.public()
    branch = Branch(parent.id, 0, turn, seed, instruction, list(inject), other, number)
    point = point_before(run, tries[-1], turn)
    if point is not None:
        return prepare(run, parent, tries[-1], point, replace(branch, seq=point[0]), agent, snapshot)
    with tempfile.TemporaryDirectory(prefix="terrarium-fork-") as folder:
        again = RunFolder(Path(folder))
        source = runtime().submit(act_again(parent, tries[-1] / "journal.jsonl", again)).result()
        point = point_before(again, source, turn)
        if point is None:
            raise ConfigError(
                f"nothing is saved right before turn {turn}: its world cannot be saved, or it was posted, or brought "
                "by a heartbeat, in the middle of a wait; leave the trial at an earlier turn"
            )
        branch = replace(branch, seq=point[0])
        return prepare(run, parent, source, point, branch, agent, snapshot, again)


async def act_again(parent: TrialSpec, journal: Path, again: RunFolder) -> Path:
    """Have a trial that was recorded happen again, its world saved at every turn.

    Args:
        parent: Which.
        journal: What was recorded.
        again: Where to.

    Returns:
        The folder of the new try.

    Raises:
        ConfigError: It goes another way now, or cannot be run again; the message says why.
    """
    recording = Recording(journal)
    reenactment = Reenactment(recording, others_acted(parent))
    trial = replace(parent, snapshot="every-turn")
    await TrialRun(trial, again, record=reenactment).run()
    source = again.tries(trial.id)[-1]
    if reenactment.refused is not None:
        raise ConfigError(str(reenactment.refused))
    if recording.header.get("traits", {}).get("deterministic"):
        told = first_difference(recording.lines, Recording(source / "journal.jsonl").lines)
        if told is not None:
            raise ConfigError(f"its world was not saved there, and run again it goes another way: {told.text()}")
    return source


def prepare(
    run: RunFolder,
    parent: TrialSpec,
    source: Path,
    point: tuple[int, str],
    branch: Branch,
    agent: AgentConfig | None,
    snapshot: str | None = None,
    origin: RunFolder | None = None,
) -> TrialSpec:
    """The folder of a trial that begins as the try `source` did, up to one of its points.

    Args:
        run: Where both are.
        parent: Whose try it is.
        source: Its folder.
        point: Number of the last event that both have, and name of the snapshot; 0: none.
        branch: What the fork is.
        agent: Who acts from then on; None: the same.
        snapshot: When its world is saved; None: as the parent's.
        origin: The run in which `source` is; None: the same.

    Raises:
        JournalFault: The parent's journal cannot be read.
        EngineFault: It cannot be written.
    """
    acts = agent or parent.agent
    code = code_of(acts, parent.sandbox, parent.path, parent.approval) if agent is not None else parent.code
    more = {"given_name": None, "baseline": False, "snapshot": snapshot or parent.snapshot}
    spec = replace(parent, agent=acts, branch=branch, code=code, **more)  # type: ignore[arg-type]
    folder = run.trial(spec.id) / "try-1"
    if point[0] == 0 or folder.exists():
        return spec
    lines = _lines(source / "journal.jsonl", point[0])
    fresh = folder.with_name(f".try-1.{os.getpid()}")
    try:
        fresh.mkdir(parents=True, exist_ok=True)
        if origin is not None:
            for blob in origin.blobs.folder.glob("[0-9a-f]*"):
                run.blobs.folder.mkdir(parents=True, exist_ok=True)
                link_or_copy(blob, run.blobs.folder / blob.name)
        adopted = run.snapshots.adopt(point[1], spec.id, None if origin is None else origin.snapshots)
        own = [_header(lines[0][0], spec), *(_unsaved(raw, line) for raw, line in lines[1:])]
        (fresh / "journal.jsonl").write_bytes(b"".join(own))
        Points(fresh / "journal.jsonl").add(point[0], adopted)
        fresh.rename(folder)
    except OSError as error:
        raise EngineFault(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        try_remove_tree(fresh)
    return spec


def point_before(run: RunFolder, folder: Path, turn: int) -> tuple[int, str] | None:
    """Where the world of a try was saved when a turn was about to begin; (0, "") is its beginning, None nowhere.

    Raises:
        ConfigError: There is no such turn.
        JournalFault: The journal cannot be read.
    """
    events = list(read(folder / "journal.jsonl", run.blobs))
    begins = _turn_events(events, "begin")
    if not 1 <= turn <= len(begins):
        raise ConfigError(f"the trial has {len(begins)} turns; there is none with the number {turn}")
    if turn == 1:
        return 0, ""
    begin = begins[turn - 1].seq
    ended = max((event.seq for event in _turn_events(events, "end") if event.seq < begin), default=0)
    return max((point for point in stored_points(run, folder, events) if ended <= point[0] < begin), default=None)


def _turn_events(events: Sequence[Event], state: str) -> list[Event]:
    return [event for event in events if event.kind is EventKind.TURN and event.data["state"] == state]


def _lines(journal: Path, last: int) -> list[tuple[dict[str, Any], bytes]]:
    """The lines up to an event, parsed and as they stand there."""
    try:
        raw = [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        found = [(told, line) for line in raw if (told := json.loads(line))["seq"] <= last]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalFault(f"{journal} cannot be read: {error}") from error
    if not found or found[0][0]["kind"] != EventKind.HEADER:
        raise JournalFault(f"{journal} does not begin with a header")
    return found


def _header(told: dict[str, Any], spec: TrialSpec) -> bytes:
    assert spec.branch is not None
    own = {"trial": spec.id, "agent": spec.agent.public(), "branch": spec.branch.to_json()}
    edited = {"deterministic": False} if spec.branch.edits or spec.branch.agent else {}
    wall = {**told["wall"], "pid": os.getpid(), "host": socket.gethostname(), "path": spec.path}
    return rewritten({**told, "data": {**told["data"], **own, **edited}, "wall": wall})


def _unsaved(told: dict[str, Any], line: bytes) -> bytes:
    """A snapshot of the parent's is the parent's: it may be dropped at any time."""
    if told["kind"] != EventKind.SNAPSHOT or "digest" not in told["wall"]:
        return line
    return rewritten({**told, "wall": {key: value for key, value in told["wall"].items() if key != "digest"}})


async def run_fork(run: RunFolder, spec: TrialSpec) -> TrialResult:
    """Run a fork that was prepared, on this process's engine; one that was scored already is not run again.

    Raises:
        ConfigError: It is being run.
        EngineFault: Its record cannot be written.
    """

    async def go() -> TrialResult:
        with Lock(run.path, shared=True), Lock(run.trial(spec.id)):
            found = known(run, spec)
            return found if found is not None and found.scored else await TrialRun(spec, run).run()

    return await asyncio.wrap_future(runtime().submit(go()))
