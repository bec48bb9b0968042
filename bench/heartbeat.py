"""Heartbeats: an idle agent is woken 1,000 times in one trial, beside bare turns and a clock that wakes nobody."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_most, median, spread
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

TARGET = 1.0  # seconds for 1,000 heartbeats

TASK = """
from terrarium import entry, run_checkers


@entry(capabilities=["email"], limits={{"turns": 2000, "world_days": 60}})
def idle(env, agent):
    beats = []

    def turns():
        for number in range({count}):
            beats.append(agent.act(f"[{{env.clock.now:%Y-%m-%d %H:%M}}] Heartbeat: check for changes."))

    def passing():
        for number in range({count}):
            env.clock.advance("30m")
            beats.append(number)

    def heartbeat():
        beats.extend(env.heartbeat(agent, every="30m", times={count}).beats)

    {what}()
    return run_checkers({{"every one": lambda: len(beats) == {count}}})
"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Seconds for the trial with the heartbeats, and for what they are made of."""
    count, repeats = (20, 1) if quick else (1000, 1 if loaded else 5)
    beats, turns, passing = [], [], []
    for _ in range(repeats):  # in turns, so that a machine that changes its speed changes that of all three
        beats.append(_trial("heartbeat", count))
        turns.append(_trial("turns", count))
        passing.append(_trial("passing", count))
    yield Figure(f"{count:,} heartbeats of an idle agent", median(beats), "s", at_most(TARGET), spread(beats))
    yield Figure(f"{count:,} bare turns of it", median(turns), "s", None, spread(turns))
    yield Figure(f"{count:,} times half an hour, nobody woken", median(passing), "s", None, spread(passing))
    ratio = median(beats) / (median(turns) + median(passing))
    yield Figure("heartbeats to turns and time together", ratio, "×", None, "1 means: measuring costs nothing")


def _trial(what: str, count: int) -> float:
    """Wall seconds of one trial."""
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        task = Path(folder) / "idle" / "task.py"
        task.parent.mkdir()
        task.write_text(TASK.format(what=what, count=count), "utf-8")
        trial = Trial(
            TrialConfig(
                task=TaskConfig(path=str(task.parent)),
                agent=AgentConfig(name="null"),
                trial_dir=str(Path(folder) / "run"),
            )
        )
        began = time.perf_counter()
        result = trial.run_sync()
        seconds = time.perf_counter() - began
        if result.verdict.reward != 1.0:
            raise RuntimeError(f"the trial failed: {result.error}")
        return seconds
