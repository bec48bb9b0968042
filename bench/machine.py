"""The machine: what it is, how busy others keep it, and keeping it busy on purpose."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_SPIN = "import os, sys\nparent = int(sys.argv[1])\nwhile os.getppid() == parent:\n    sum(range(100_000))\n"


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def facts() -> dict[str, str]:
    """CPU, cores, kernel and Python, as text."""
    return {
        "CPU": _cpu_model(),
        "cores": str(cores()),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def load_average() -> str:
    """The three load averages, as text."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def speed() -> float:
    """Million turns a second of an empty Python loop, the best of some: machines that share a host change theirs."""
    turns, best = 1_000_000, 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _turn in range(turns):
            pass
        best = max(best, turns / (time.perf_counter() - began))
    return best / 1e6


@contextlib.contextmanager
def spinning(processes: int) -> Iterator[None]:
    """Have so many processes compute without end meanwhile; they end with this one, whatever ends it."""
    spinners = [subprocess.Popen([sys.executable, "-I", "-c", _SPIN, str(os.getpid())]) for _ in range(processes)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


class Others:
    """How much of the machine processes that are none of ours used, from the making of this to `cores`."""

    SHORTEST = 1.0  # seconds; the system counts hundredths

    def __init__(self) -> None:
        self._began = _busy(), _own(), _uptime()

    def cores(self) -> float | None:
        """Cores that others kept busy on average; None where the system does not tell."""
        busy, own, at = self._began
        span = _uptime() - at
        now = _busy()
        if busy is None or now is None or span < self.SHORTEST:
            return None
        return max(0.0, (now - busy - (_own() - own)) / span)


def _busy() -> float | None:
    """CPU seconds that everything on this machine has used, those included that its host took away."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _uptime() -> float:
    return os.times().elapsed
