"""Determinism: one task, seed and solution in 20 processes, two at a time on a loaded machine: equal journals."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.figure import Figure, at_most

LOADS = ("loaded",)
AT_ONCE = 2

TASK = '''
from terrarium import entry, run_checkers


@entry(capabilities=["email", "workspace"])
def office(env, agent):
    """Answer everybody while things happen."""
    names = sorted({"zoe", "ann", "bob", "eve", "kim"})
    env.random.shuffle(names)
    for name in names:
        env.email.send(f"{name}@x.example", "agent@world.example", f"From {name}", f"I am {name}.")
    env.after("5s", lambda: env.workspace.fs.write_file("/root/late.txt", str(env.random.random())))
    env.every("1h", lambda: agent.post("heartbeat"), until="15:00")
    env.when(lambda: env.email.count_inbox("ann@x.example"), lambda: env.workspace.fs.write_file("/root/ann.txt", "!"))
    agent.act("Answer everybody.")
    env.clock.advance("8h")
    return run_checkers({name: lambda name=name: env.email.count_inbox(f"{name}@x.example") for name in names})


@office.solution
def solve(seat):
    for mail in seat.call("email_list")["mails"]:
        seat.call("email_reply", id=mail["id"], body="Thanks.")
    while True:
        yield "done"
        seat.call("workspace_list", path="/root")
'''

RUN = """
import hashlib, pathlib, sys
from terrarium.core.journal import read
from terrarium.run.config import TaskConfig
from terrarium.run.trial import Trial, TrialConfig

result = Trial(TrialConfig(task=TaskConfig(path=sys.argv[1]), seed=7, trial_dir=sys.argv[2])).run_sync()
assert result.verdict.reward == 1.0, result.error
[journal] = pathlib.Path(sys.argv[2]).glob("trials/*/try-1/journal.jsonl")
lines = [event.equal_part() for event in read(journal)]
print(len(lines), hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """How many different journals there are."""
    runs = 2 if quick else 20
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        task = Path(folder) / "office" / "task.py"
        task.parent.mkdir()
        task.write_text(TASK, "utf-8")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = Counter(pool.map(lambda number: _digest(task.parent, Path(folder) / f"run-{number}"), range(runs)))
    events = ", ".join(sorted({line.split()[0] for line in found}))
    note = f"sha256 of all but `wall`, each run with its own PYTHONHASHSEED, {AT_ONCE} at a time; {events} events each"
    yield Figure(f"different journals in {runs} runs", len(found), "", at_most(1), note)


def _digest(task: Path, run: Path) -> str:
    """Number of events, and sha256 of their equal parts."""
    seed = str(1 + int(run.name.partition("-")[2]))
    env = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", RUN, str(task), str(run)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"a run failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()
