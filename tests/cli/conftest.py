"""The real command, as a process of its own, on tiny tasks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "terrarium.cli.main"]
SMALL = ("-j", "1", "--plain")

PASSES = """
    from terrarium import entry, run_checkers

    @entry(capabilities=["workspace"])
    def program(env, agent):
        agent.act("Write done.txt")
        return run_checkers({"written": lambda: env.workspace.fs.exists("done.txt")})

    @program.solution
    def solve(seat):
        seat.call("workspace_write", path="done.txt", content="yes")
        return "I wrote it"
"""
FAILS = PASSES.replace('agent.act("Write done.txt")', 'raise ValueError("no\\x1b[31m luck [bold]today[/bold]")')


class Shop:
    """A folder in which commands are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def task(self, name: str, source: str = PASSES) -> Path:
        path = self.folder / name / "task.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path.parent

    def start(self, *args: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TERRARIUM_DEBUG": ""},
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def __call__(self, *args: str | Path, code: int = 0) -> str:
        """What the command said on both streams; it must end with `code`."""
        process = self.start(*args)
        out, err = process.communicate(timeout=100)
        assert process.returncode == code, out + err
        assert "Traceback" not in out + err
        return out + err


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()
