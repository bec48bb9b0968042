"""A job that is killed again and again: `python killed_job.py RUN SNAPSHOT SANDBOX ATTEMPTS TASK...` supervises it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from terrarium.cli.leftover import in_use, leftovers, processes
from terrarium.core.journal import Event, EventKind, read
from terrarium.core.values import Blobs
from terrarium.core.verdict import Verdict
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, SandboxConfig, TaskConfig
from terrarium.run.job import Job
from terrarium.sandbox.inside import cgroup

PATIENCE = 300.0  # seconds without a single trial scored before a job counts as stuck


def config(run: Path, snapshot: str, sandbox: str, attempts: int, tasks: list[str]) -> JobConfig:
    return JobConfig(
        agents=(AgentConfig(),),
        tasks=tuple(TaskConfig(path=task) for task in tasks),
        job_dir=str(run),
        n_attempts=attempts,
        n_workers=2,
        baseline=False,
        snapshot=snapshot,  # type: ignore[arg-type]
        sandbox_provider=SandboxConfig(name=sandbox),
        retry=RetryConfig(max_retries=100, min_wait_sec=0.01, max_wait_sec=0.1),
    )


class KilledJob:
    """One job, in a process of its own.

    Args:
        run: Its folder.
        tasks: What it runs.
        attempts: How often each.
        snapshot: The mode.
        sandbox: Where commands run.
    """

    def __init__(self, run: Path, tasks: list[Path], attempts: int, snapshot: str, sandbox: str) -> None:
        self.run = run
        self.trials = attempts * len(tasks)
        self.kills: Counter[str] = Counter()
        self.workers: set[int] = set()
        """Every worker that was seen."""
        self.records: dict[str, bytes] = {}
        """Those of the scored trials, as they were at the last kill."""
        self._command = [sys.executable, "-m", "tests.journeys.killed_job", str(run), snapshot, sandbox]
        self._command += [str(attempts), *map(str, tasks)]
        self._supervisor: subprocess.Popen[bytes] | None = None

    def finish(self) -> None:
        """Run it to its end."""
        with self._log().open("ab") as log:
            subprocess.run(self._command, check=True, timeout=1500, stdout=log, stderr=log, cwd=_ROOT)

    def besiege(self, kills: int, seconds: float, dice: random.Random) -> None:
        """Kill a worker or the supervisor at random instants, evenly over the job, and then let it end.

        Args:
            kills: How often.
            seconds: The most that is waited before a kill; of slow tasks, until one of them can be gone on with.
            dice: Chooses.
        """
        try:
            for number in range(kills):
                self._start()
                self._until_scored((self.trials - 8) * number // kills)
                if seconds >= 1.0:
                    self._until(self._saved)
                time.sleep(dice.random() * seconds)
                self._kill(dice)
        finally:
            if self._supervisor is not None:
                self._supervisor.kill()
                self._supervisor.wait()
                self._no_workers()
        self.finish()

    def _start(self) -> None:
        if self._supervisor is None or self._supervisor.poll() is not None:
            assert self._supervisor is None or self._supervisor.returncode == -signal.SIGKILL, "it ended by itself"
            with self._log().open("ab") as log:
                self._supervisor = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=_ROOT)

    def _until_scored(self, wanted: int) -> None:
        """Until so many trials are scored, and a worker is there that could be killed."""
        self._until(lambda: self._records() >= wanted and bool(workers(self.run)))

    def _records(self) -> int:
        return len(list((self.run / "verdicts").glob("*.json")))

    def _saved(self) -> bool:
        """Whether a trial that is not scored has a snapshot."""
        running = [path for path in (self.run / "trials").glob("*/try-*/journal.jsonl") if not self._scored(path)]
        return any(b'"digest":"' in line for path in running for line in _snapshots(path))

    def _scored(self, journal: Path) -> bool:
        return (self.run / "verdicts" / f"{journal.parts[-3]}.json").exists()

    def _until(self, met: Callable[[], bool]) -> None:
        assert self._supervisor is not None
        seen, since = -1, time.monotonic()
        while not met():
            now = self._records()
            if now > seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() < since + PATIENCE, f"stuck at {seen}: {self.told()}"
            assert self._supervisor.poll() is None, f"ended by itself: {self.told()}"
            time.sleep(0.02)

    def _kill(self, dice: random.Random) -> None:
        assert self._supervisor is not None
        alive = workers(self.run)
        self.workers.update(alive)
        if dice.random() < 0.3 or not alive:
            self._supervisor.kill()
            self._supervisor.wait()
            self._no_workers()
            self.kills["supervisor"] += 1
        else:
            os.kill(dice.choice(alive), signal.SIGKILL)
            self.kills["worker"] += 1
        self._compare_records()

    def _no_workers(self) -> None:
        end = time.monotonic() + 20
        while left := workers(self.run):
            assert time.monotonic() < end, f"workers live on without their supervisor: {left}"
            time.sleep(0.02)

    def _compare_records(self) -> None:
        """What was scored before is as it was."""
        now = {path.name: path.read_bytes() for path in (self.run / "verdicts").glob("[!.]*.json")}
        for name, before in self.records.items():
            assert now.get(name) == before, f"the record of a scored trial was written again: {name}"
        self.records = {
            name: text for name, text in now.items() if text.endswith(b"}") and b'"reward":null' not in text
        }

    # -- what is there at the end ---------------------------------------------------------------------------------

    def told(self) -> str:
        """The end of what its supervisor said."""
        return self._log().read_text("utf-8", "replace")[-2000:] if self._log().exists() else ""

    def journals(self) -> dict[str, Path]:
        """Of every trial, the journal of its last try."""
        found = {}
        for trial in sorted((self.run / "trials").iterdir()):
            found[trial.name] = max(trial.glob("try-*/journal.jsonl"), key=lambda path: int(path.parent.name[4:]))
        return found

    def events(self, journal: Path) -> list[Event]:
        return list(read(journal, Blobs(self.run / "blobs")))

    def story(self, journal: Path) -> list[str]:
        """What an unbroken trial must have in common with a killed one: its events, or its rows and its verdict."""
        events = self.events(journal)
        if events[0].data["deterministic"]:
            return [event.equal_part() for event in events]
        final = next(e for e in reversed(events) if e.kind is EventKind.SNAPSHOT and e.data.get("final"))
        return [str(sorted(final.data["rows"].items())), str(events[-1].data)]

    def scored(self) -> Counter[str]:
        """How often each trial was scored, by all that was ever written of it, lost or not."""
        count: Counter[str] = Counter()
        for path in self._written():
            for event in self.events(path):
                judged = event.data.get("verdict") if event.kind is EventKind.VERDICT else None
                count[path.parts[-3]] += isinstance(judged, Verdict) and judged.reward is not None
        return count

    def _written(self) -> list[Path]:
        """All journals, and what was cut off them."""
        tries = self.run / "trials"
        return [*tries.glob("*/try-*/journal.jsonl"), *tries.glob("*/try-*/lost-*.jsonl")]

    def resumed(self) -> list[Path]:
        """What was cut off where trials went on: one file each time."""
        return list((self.run / "trials").glob("*/try-*/lost-*.jsonl"))

    def begun_anew(self) -> set[str]:
        """Trials that have more than one try."""
        return {path.parts[-2] for path in (self.run / "trials").glob("*/try-2")}

    def given_up(self) -> list[Path]:
        """Tries that have a snapshot, and were not gone on with."""
        last = set(self.journals().values())
        earlier = [path for path in (self.run / "trials").glob("*/try-*/journal.jsonl") if path not in last]
        kind = EventKind.SNAPSHOT
        return [path for path in earlier if any(e.kind is kind and "digest" in e.wall for e in self.events(path))]

    def passed(self) -> set[str]:
        """Snapshots that are there and that nobody goes on from any more: those before the last of a scored trial."""
        there = {path.name for path in (self.run / "snapshots").iterdir()}
        named: set[str] = set()
        for journal in self.journals().values():
            paths = [path for path in self._written() if path.parts[-3] == journal.parts[-3]]
            events = [event for path in paths for event in self.events(path)]
            last = self.events(journal)[-3].wall["digest"]
            stages = {event.wall["digest"] for event in events if "digest" in event.wall and "rows" in event.data}
            named |= {event.wall["digest"] for event in events if "digest" in event.wall} - stages - {last}
        return there & named

    def left(self) -> list[str]:
        """What should not be there any more once `terrarium clean` has been there."""
        subprocess.run(
            [sys.executable, "-m", "terrarium.cli.main", "clean", str(self.run), "--yes"], check=True, stdout=-3
        )
        found = [str(path) for path in leftovers(self.run)]
        found += [f"worker {pid}" for pid in workers(self.run)]
        found += [f"zygote {one.pid}" for one in processes() if one.master in self.workers]
        found += [told for told in [in_use(self.run, processes())] if told]
        for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
            try:
                found += [
                    f"{mounts}: mount" for line in mounts.read_text("utf-8").splitlines() if str(self.run) in line
                ]
            except OSError:
                continue
        groups = cgroup.find()
        for place in sorted(set(groups.places.values())) if groups else ():
            names = [path.name for path in Path(place).iterdir() if path.name.startswith(cgroup.PREFIX)]
            found += [name for name in names if any(f"-{pid}-" in name for pid in self.workers)]
        return found

    def _log(self) -> Path:
        return self.run.with_suffix(".log")


def _snapshots(journal: Path) -> list[bytes]:
    return [line for line in journal.read_bytes().splitlines() if b'"kind":"snapshot"' in line[:60]]


def workers(run: Path) -> list[int]:
    """The workers of a run; a dead one that nobody has waited for counts no more."""
    return [one.pid for one in processes() if "terrarium.run.worker" in one.argv and str(run) in one.argv]


_ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    asyncio.run(Job(config(Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), sys.argv[5:])).run())
