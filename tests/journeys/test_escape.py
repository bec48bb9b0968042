"""Nothing gets out of a sandbox: every way that we know is tried from inside, and the host is looked at afterwards.

What was tried stands in `escape/`: `probe*.py` (ways out), `attacks.py` (ways to harm) and `driver.py` (neighbours).
Each row of the table that is printed is one of them: see it with `-s`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("escape") / "driver.py"
USER = 64_321  # of nobody: a plain user without an entry anywhere
pytestmark = pytest.mark.alone  # how the machine is afterwards is part of it

KINDS = ("local", "landlock")


@dataclass(frozen=True)
class State:
    """How a host is."""

    start: float
    memory: int
    processes: int
    disk: int

    @classmethod
    def now(cls) -> State:
        """As it is at present."""
        starts = []
        for _ in range(15):
            began = time.perf_counter()
            subprocess.run(["true"], check=True)
            starts.append(time.perf_counter() - began)
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        processes = sum(path.name.isdigit() for path in Path("/proc").iterdir())
        return cls(
            statistics.median(starts), int(fields["MemAvailable"].split()[0]) // 1024, processes, _free() // 2**20
        )

    def normal(self, before: State) -> str | None:
        """What is not as it was, with room for whatever else this machine does."""
        wrong = {
            f"starting a process takes {self.start * 1000:.1f} ms": self.start > 10 * before.start + 0.05,
            f"{before.memory - self.memory} MiB of memory are gone": before.memory - self.memory > 2048,
            f"{self.processes - before.processes} more processes": self.processes - before.processes > 100,
            f"{before.disk - self.disk} MiB of disk are gone": before.disk - self.disk > 2048,
        }
        return ", ".join(told for told, is_wrong in wrong.items() if is_wrong) or None


def _free() -> int:
    return shutil.disk_usage(Path.cwd()).free


def _run(kind: str, user: int | None, folder: Path, *words: str) -> dict[str, str | None]:
    folder.mkdir(mode=0o755)
    if user is not None:
        os.chown(folder, user, user)
    before = State.now()
    python, path = _python(user)
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(
        [python, "-B", str(DRIVER), kind, str(folder), *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": path,
        },
        timeout=110,
        **as_user,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, str | None] = json.loads(done.stdout)
    for _ in range(10):
        wrong = State.now().normal(before)
        if wrong is None:
            break
        time.sleep(0.5)
    found["host: as before within 5 s"] = wrong
    return found


def _table(title: str, found: dict[str, str | None]) -> str:
    width = max(map(len, found))
    rows = [f"{what.ljust(width)}  {'OPEN: ' + said if said else 'shut'}" for what, said in found.items()]
    return "\n".join([title, "-" * len(title), *rows, ""])


def _cases() -> list[object]:
    cases = []
    for kind in KINDS:
        for who in ("this user", "a plain user"):
            cases.append(pytest.param(kind, who, id=f"{kind} as {who}"))
    return cases


@pytest.mark.parametrize(("kind", "who"), _cases())
def test_nothing_gets_out(kind: str, who: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    user = USER if who == "a plain user" else None
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can run it as another user")
    missing = _missing(kind)
    if missing:
        pytest.skip(missing)
    folder = Path(f"/tmp/escape-{os.getpid()}-{kind}-{who[0]}")
    try:
        found = _run(kind, user, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = _table(f"{kind} as {who}", found)
    (tmp_path / "escape.txt").write_text(table)
    print(table)
    still = {what: said for what, said in found.items() if said}
    assert not still, table


def test_the_probes_notice_that_there_are_no_walls() -> None:
    """As a plain user, and only the probes: they change nothing where they succeed."""
    user = USER if os.geteuid() == 0 else None
    folder = Path(f"/tmp/escape-{os.getpid()}-none")
    try:
        found = _run("terrarium.sandbox.landlock:UnsafeSandbox", user, folder, "probe")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    noticed = {what.removeprefix("probe: ") for what, said in found.items() if said}
    wanted = {"host_files", "processes", "seccomp", "privileges", "namespaces", "kernel_doors", "host_sockets"}
    assert wanted | {"socket_families", "metadata_and_world"} <= noticed, _table("no walls", found)


def _python(user: int | None) -> tuple[str, str]:
    """An interpreter that the user may run, and where it finds the library."""
    if user is None:
        return sys.executable, ""
    import terrarium

    there = [Path(terrarium.__file__).parent.parent, *(Path(one) for one in sys.path if one.endswith("site-packages"))]
    look = "import os, subprocess, sys, terrarium.core.sandbox; subprocess.run([sys.executable, '-c', ''], check=True)"
    for python in (sys.executable, "/usr/bin/python3"):
        env = {"PYTHONPATH": os.pathsep.join(map(str, there)), "PATH": os.environ["PATH"]}
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            words = [python, "-Bc", look]
            subprocess.run(words, user=user, group=user, extra_groups=[], env=env, capture_output=True, check=True)
            return python, env["PYTHONPATH"]
    pytest.skip(f"user {user} can run no interpreter that finds the library")


def _missing(kind: str) -> str | None:
    """What this machine lacks for that kind."""
    from terrarium.core.registry import TABLES

    return None if kind in TABLES["sandbox"] else f"there is no {kind} sandbox yet"
