"""Replay: a program with a model that takes a second, run first, resumed from its journal, and replayed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from bench.figure import Figure, at_least, median, seconds, spread
from terrarium.core.agent import Reply, Seat
from terrarium.core.journal import EventKind, read
from terrarium.core.message import Message, TextBlock
from terrarium.core.model import Completion
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.replaying import replay
from terrarium.run.trial import Trial, TrialConfig

TARGET = 20.0  # times faster than the first run

TASK = '''
from terrarium import entry, run_checkers


@entry(capabilities=["email"])
def talk(env, agent):
    """Talk for some turns."""
    for turn in range({turns}):
        env.email.send("ann@corp.example", "agent@world.example", f"Mail {{turn}}", "News.")
        agent.act(f"Turn {{turn}}: what is new?")
    return run_checkers({{"told": lambda: env.email.count_inbox("agent@world.example") == {turns}}})
'''


class SlowAgent:
    """Thinks for some seconds of wall time and says a word.

    Args:
        seconds: How long a thought takes.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    thoughts: ClassVar[list[float]] = []

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Think once."""

        async def request() -> Completion:
            self.thoughts.append(time.perf_counter())
            await asyncio.sleep(self._seconds)
            return Completion(Message("assistant", [TextBlock("Nothing.")]), "end", model="slow")

        await seat.think(request)
        return Reply.say("Nothing.")

    def save(self) -> bytes | None:
        """It has no memory."""
        return b""

    def load(self, memory: bytes) -> None:
        """It has no memory."""

    async def close(self) -> None:
        """Nothing to give up."""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """The first run, the runs against the journal cut at its last snapshot, the replays, and the ratios."""
    turns, think, repeats = (2, 0.05, 1) if quick else (10, 1.0, 5)
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        task = Path(folder) / "talk" / "task.py"
        task.parent.mkdir()
        task.write_text(TASK.format(turns=turns), "utf-8")
        run = Path(folder) / "run"
        agent = AgentConfig(name="slow", import_path="bench.replay:SlowAgent", kwargs={"seconds": think})
        place = TaskConfig(path=str(task.parent))
        trial = Trial(TrialConfig(task=place, agent=agent, trial_dir=str(run), snapshot="every-turn"))
        first = seconds(_whole, trial)
        thought = len(SlowAgent.thoughts)
        again = []
        for _ in range(repeats):
            _cut(run)
            again.append(seconds(_whole, trial))
        replays = [seconds(_replayed, run) for _ in range(repeats)]
        if len(SlowAgent.thoughts) != thought:
            raise RuntimeError("the model was asked again")
    yield Figure(f"first run, {turns} turns of {think:g} s", first, "s", None, "1 run")
    yield Figure("run again against its journal", median(again), "s", None, spread(again))
    yield Figure("times faster", first / median(again), "×", at_least(TARGET), "the model is not asked again")
    yield Figure("replayed, every event compared", median(replays), "s", None, spread(replays))
    yield Figure("times faster", first / median(replays), "×", at_least(TARGET), "as `terrarium replay` does it")


def _whole(trial: Trial) -> None:
    result = trial.run_sync()
    if result.verdict.reward != 1.0:
        raise RuntimeError(f"the trial failed: {result.error}")


def _replayed(run: Path) -> None:
    [journal] = run.glob("trials/*/try-*/journal.jsonl")
    done = asyncio.run(replay(journal))
    if not (done.identical and done.exact):
        raise RuntimeError(f"it went another way: {done.difference}")


def _cut(run: Path) -> None:
    """Leave the journal as a crash behind its last snapshot would."""
    [journal] = run.glob("trials/*/try-*/journal.jsonl")
    last = [event.seq for event in read(journal) if event.kind is EventKind.SNAPSHOT and event.wall.get("digest")][-1]
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:last]))
    for verdict in (run / "verdicts").iterdir():
        verdict.unlink()
