"""Same task, seed and scripted agent: the same journal to the byte, but for `wall`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

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
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig
trial = Trial(TrialConfig(task=TaskConfig(path=sys.argv[1]), seed=int(sys.argv[3]), trial_dir=sys.argv[2]))
result = trial.run_sync()
assert result.verdict.reward == 1.0, (result.error, result.verdict)
"""


def _journal(task: Path, run: Path, hash_seed: int, seed: int = 5) -> str:
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", RUN, str(task), str(run), str(seed)]
    subprocess.run(command, env=env, check=True, timeout=100)
    from terrarium.core.journal import read

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


def test_another_seed_is_another_world(tmp_path):
    task = _task(tmp_path)
    one = _journal(task, tmp_path / "one", 0, seed=1)
    other = _journal(task, tmp_path / "other", 0, seed=2)
    assert one != other
