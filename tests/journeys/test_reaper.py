"""Whoever of runner, worker and zygote is killed: nothing of a sandbox is left, and what lives is left alone."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrarium.sandbox.inside import cgroup, confine, kernel
from terrarium.sandbox.tier import tier

SCRIPT = Path(__file__).with_name("killed_worker.py")
PARTS = ("runner", "worker", "zygote")
COMBINATIONS = [part for count in (1, 2, 3) for part in itertools.combinations(PARTS, count)]
TRIAL = hashlib.sha256(b"a trial").hexdigest()
_marks = itertools.count()

pytestmark = pytest.mark.alone  # a run that somebody else starts would end what was left


def _processes() -> Iterator[tuple[int, int, str]]:
    """(pid, parent, arguments) of everybody."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parent = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
                yield int(folder.name), parent, (folder / "cmdline").read_text("utf-8", "replace").replace("\0", " ")


def _marked(mark: str) -> list[int]:
    return [pid for pid, _, words in _processes() if words.startswith("sleep") and mark in words]


def _groups(worker: int) -> list[str]:
    found = cgroup.find()
    places = sorted(set(found.places.values())) if found else []
    return [name for place in places for name in os.listdir(place) if f"-{worker}-" in name]  # noqa: PTH208


def _until(met, told: str) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end, told
        time.sleep(0.02)


def _run_folder(folder: Path) -> Path:
    place = folder / "out" / "trials" / TRIAL / "try-1"
    (place / "world").mkdir(parents=True)
    (folder / "out" / "job.json").write_text("{}")
    (place / "journal.jsonl").write_text(json.dumps({"seq": 1, "wall": {"host": socket.gethostname()}}) + "\n")
    return place / "world"


def _clean(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "terrarium.cli.main", "clean", str(folder), "--yes"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("killed", COMBINATIONS, ids="+".join)
@pytest.mark.parametrize("kind", ["local", "landlock"])
def test_nothing_is_left(kind, killed, tmp_path):
    if kind == "local" and tier().number > 1:
        pytest.skip(f"no namespaces here: {tier().reasons[0]}")
    if kind == "landlock" and kernel.landlock_version() < confine.WANTED:
        pytest.skip("Landlock that keeps signals in needs Linux 6.12")
    mark = f"8{os.getpid():07}{next(_marks):03}"
    world = _run_folder(tmp_path)
    runner = subprocess.Popen(
        [sys.executable, str(SCRIPT), "RUNNER", str(world), kind, mark], stdout=subprocess.PIPE, text=True
    )
    pids = {"runner": runner.pid}
    try:
        assert runner.stdout is not None
        pids["worker"] = int(runner.stdout.readline())
        assert runner.stdout.readline() == "up\n"
        (pids["zygote"],) = (
            pid for pid, parent, words in _processes() if parent == pids["worker"] and "zygote_process" in words
        )
        _until(lambda: len(_marked(mark)) >= 10, "the commands do not run")
        for part in killed:
            os.kill(pids[part], signal.SIGKILL)
        _until(lambda: not _marked(mark), "processes of a sandbox live on")
        if killed == ("zygote",):
            _until(lambda: not _children(pids["worker"], "zygote"), "the zygote lives on")
            assert "left alone" in _clean(tmp_path)
            assert world.is_dir()
            os.kill(pids["worker"], signal.SIGKILL)
        _until(lambda: not _alive(pids["worker"]), "the worker lives on")
        _clean(tmp_path)
        assert not world.exists()
        _until(lambda: not _groups(pids["worker"]), "control groups are left")
    finally:
        runner.kill()
        runner.wait()
        runner.stdout.close()
        for pid in _marked(mark):
            os.kill(pid, signal.SIGKILL)


def _children(parent: int, word: str) -> list[int]:
    return [pid for pid, above, words in _processes() if above == parent and word in words]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
