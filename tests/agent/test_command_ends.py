"""What is left of a command-line agent whose trial ends, or whose worker is killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.agent.test_command import little, needs_namespaces, turns


def running(mark: str) -> list[int]:
    """The processes of this machine whose command line holds a mark."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def gone(mark: str) -> bool:
    until = time.monotonic() + 20
    while running(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@needs_namespaces
def test_a_program_that_ends_for_nobody_ends_with_its_trial(play: Any) -> None:
    mark = f"mark-{uuid4()}"
    after = 'env.reward(env.workspace.shell.exec("pgrep -c little").stdout.strip(), 0)'
    task = turns("stubborn\nscatter 5\nask hi\nsleep 600", after=after)
    played = play(task, little(args=[mark]), limits={"turn_seconds": 2.0})
    assert played.said == ["turn_time_limit: ", "0"]
    assert played.reward == 1.0
    assert gone(mark)


RUN = """
import sys
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

agent = AgentConfig(
    name="little", import_path="tests.agent.test_command:Little", model_name="tests.agent.test_command:Echo/m",
    kwargs={"args": [sys.argv[2]]},
)
task = TaskConfig(path=sys.argv[1] + "/task.py")
Trial(TrialConfig(task=task, agent=agent, trial_dir=sys.argv[1] + "/run")).run_sync()
"""


@needs_namespaces
def test_of_a_worker_that_is_killed_no_program_is_left(tmp_path: Path) -> None:
    head = "from terrarium import entry, run_checkers\n\n"
    (tmp_path / "task.py").write_text(head + turns("stubborn\nscatter 5\nask hi\nsleep 600"))
    mark = f"mark-{uuid4()}"
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path), mark],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests"), str(root / "tests/agent")])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while len(running(mark)) < 7 and worker.poll() is None:  # the worker, the program and its children
            assert time.monotonic() < until
            time.sleep(0.05)
        assert worker.poll() is None
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert gone(mark)
