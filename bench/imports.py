"""Imports: how long `import terrarium` and `terrarium --help` take, as whole processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_most, median, seconds, shown

IMPORT, HELP = 150.0, 300.0  # milliseconds


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Milliseconds of the two, and of a Python that does nothing."""
    repeats = 1 if quick else 10
    script = Path(sys.executable).parent / "terrarium"
    asking = [str(script)] if script.exists() else [sys.executable, "-m", "terrarium.cli.main"]
    cases = (
        ("python -c pass", [sys.executable, "-c", "pass"], None),
        ('python -c "import terrarium"', [sys.executable, "-c", "import terrarium"], at_most(IMPORT)),
        ("terrarium --help", [*asking, "--help"], at_most(HELP)),
    )
    for what, command, target in cases:
        _process(command)  # compiles what is not compiled yet
        times = [1000 * seconds(_process, command) for _ in range(repeats)]
        yield Figure(what, median(times), "ms", target, f"median of {repeats}, fastest {shown(min(times))}")


def _process(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[-2:])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
