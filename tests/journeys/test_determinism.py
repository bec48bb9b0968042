"""Same task, seed and scripted agent: the same journal to the byte, but for `wall`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terrarium.core.journal import read
from terrarium.core.registry import find as part
from terrarium.task.taskset import find

TASKSETS = Path(__file__).parents[2] / "tasksets" / "office"

TASK = """
from terrarium import entry, run_checkers

@entry(capabilities=["email", "workspace"])
def busy(env, agent):
    names = {"zoe", "ann", "bob", "eve", "kim"}
    who = sorted(names)
    env.random.shuffle(who)
    for name in who:
        env.email.send(from_addr=f"{name}@x.example", to="agent@world.example", subject=f"from {name}", body=name)
    env.after("5s", lambda: env.workspace.fs.write_file("/root/late.txt", str(env.random.random())))
    env.every("1h", lambda: agent.post("heartbeat"), until="15:00")
    env.when(lambda: env.email.count_inbox("ann@x.example"), lambda: env.workspace.fs.write_file("/root/ann.txt", "!"))
    agent.act("Answer everybody.")
    env.clock.advance("8h")
    return run_checkers({"answered": lambda: all(env.email.count_inbox(f"{n}@x.example") for n in who)})

@busy.solution
def solve(seat):
    for mail in seat.call("email_list")["mails"]:
        seat.call("email_reply", id=mail["id"], body="Thanks.")
    while True:
        yield "done"
        seat.call("workspace_list", path="/root")
"""

RUN = """
import sys
from terrarium.run.config import TaskConfig
from terrarium.run.trial import Trial, TrialConfig
trial = Trial(TrialConfig(task=TaskConfig(path=sys.argv[1]), seed=int(sys.argv[3]), trial_dir=sys.argv[2]))
result = trial.run_sync()
assert result.verdict.reward == 1.0, (result.error, result.verdict)
"""


SHIPPED = """
import hashlib, sys
from pathlib import Path
from terrarium.core.journal import read
from terrarium.run.config import SandboxConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig
from terrarium.task.taskset import find

for task in find(Path(sys.argv[1])).tasks:
    if task.name not in sys.argv[3:]:
        continue
    where = TaskConfig(path=task.path.removesuffix("/task.py"), name=task.name)
    folder = Path(sys.argv[2]) / task.name
    config = TrialConfig(where, seed=5, trial_dir=str(folder), sandbox_provider=SandboxConfig(name="memory"))
    result = Trial(config).run_sync()
    assert result.verdict.passed, (task.name, result.error, result.verdict)
    [journal] = folder.glob("trials/*/try-1/journal.jsonl")
    parts = "\\n".join(event.equal_part() for event in read(journal))
    print(task.name, hashlib.sha256(parts.encode()).hexdigest())
"""


def _journal(task: Path, run: Path, hash_seed: int, seed: int = 5) -> str:
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", RUN, str(task), str(run), str(seed)]
    subprocess.run(command, env=env, check=True, timeout=100)
    [journal] = run.glob("trials/*/try-1/journal.jsonl")
    return hashlib.sha256("\n".join(event.equal_part() for event in read(journal)).encode()).hexdigest()


def _task(folder: Path) -> Path:
    (folder / "busy").mkdir()
    (folder / "busy" / "task.py").write_text(TASK)
    return folder / "busy"


def test_runs_under_different_hash_seeds_write_equal_journals(tmp_path):
    task = _task(tmp_path)
    digests = {_journal(task, tmp_path / f"run-{n}", n) for n in range(1, 5)}
    assert len(digests) == 1


@pytest.mark.alone
@pytest.mark.parametrize("runs", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_every_shipped_task_writes_equal_journals_in_other_processes_on_a_busy_machine(tmp_path, runs):
    """T-W3: two processes at a time, each with hash seeds of its own, beside one that computes without end."""
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda number: _shipped(tmp_path / str(number), number), range(runs)))
    finally:
        spinning.kill()
        spinning.wait()
    assert set(found[0]) == set(_deterministic())
    assert len(found[0]) > 10
    assert [digests for digests in found if digests != found[0]] == []


def _deterministic() -> list[str]:
    """The shipped tasks all of whose capabilities promise equal rows; a database server does not."""
    return [
        task.name
        for task in find(TASKSETS).tasks
        if all(part("capability", spec.partition(":")[0]).traits.deterministic for spec in task.capabilities)
    ]


def _shipped(run: Path, number: int) -> dict[str, str]:
    """Digest of the journal of each shipped task, all run in one process."""
    env = {**os.environ, "PYTHONHASHSEED": str(number + 1)}
    command = [sys.executable, "-c", SHIPPED, str(TASKSETS), str(run), *_deterministic()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_another_seed_is_another_world(tmp_path):
    task = _task(tmp_path)
    one = _journal(task, tmp_path / "one", 0, seed=1)
    other = _journal(task, tmp_path / "other", 0, seed=2)
    assert one != other
