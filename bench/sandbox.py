"""The local sandbox: from opening to the first output, thirty at once, closing, and a round trip of its shell."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_most, median, shown
from terrarium.core.network import Caller, Network
from terrarium.core.sandbox import Ground
from terrarium.sandbox.inside import kernel
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.zygote import zygote

SERVICES = 8
TOGETHER = 30
FIRST, ALL, CLOSED, ROUND_TRIP = 30.0, 450.0, 15.0, 100.0  # milliseconds, and microseconds for the last

BARE = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from terrarium.sandbox.inside import kernel
flags = (kernel.NEWUSER | kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS)
times = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    pid = kernel.clone(flags)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Start, thirty, close, round trip; bare namespaces and docker beside them."""
    repeats, trips = (2, 20) if quick else (20, 3000)
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        first, start, together, closed, trip = asyncio.run(_measure(Path(folder), repeats, trips, 2 if quick else 5))
    bare = _bare(repeats)
    what = f"open to first shell output, {SERVICES} services"
    yield Figure(what, median(start), "ms", at_most(FIRST), f"{_best(start)}; the first of a process {shown(first)} ms")
    yield Figure("a child in new namespaces of the same kinds, nothing else", median(bare), "ms", None, _best(bare))
    yield _docker(quick)
    what = f"{TOGETHER} opened together, all with output"
    yield Figure(what, median(together), "ms", at_most(ALL), _best(together))
    yield Figure("close", median(closed), "ms", at_most(CLOSED), _best(closed))
    yield Figure("round trip of the shell: `true`", median(trip), "µs", at_most(ROUND_TRIP), _best(trip))


def _best(values: list[float]) -> str:
    return f"best {shown(min(values))} of {len(values)}"


async def _answer(connection: socket.socket, caller: Caller) -> None:
    connection.close()


async def _world(number: int) -> LocalSandbox:
    network = Network()
    for service in range(SERVICES):
        await network.serve(f"service{service}.world", 1000 + service, _answer)
    return LocalSandbox(Ground(network=network, name=f"workspace:{number}"))


async def _open(box: LocalSandbox, folder: Path) -> None:
    await box.open(folder)
    await box.shell("echo ready")


async def _measure(
    place: Path, repeats: int, trips: int, crowds: int
) -> tuple[float, list[float], list[float], list[float], list[float]]:
    start, together, closed, trip = [], [], [], []
    for number in range(repeats + 1):
        box = await _world(number)
        began = time.perf_counter()
        await _open(box, place / f"one-{number}")
        start.append(1e3 * (time.perf_counter() - began))
        began = time.perf_counter()
        await box.close()
        closed.append(1e3 * (time.perf_counter() - began))
    for crowd in range(crowds):
        boxes = [await _world(number) for number in range(TOGETHER)]
        began = time.perf_counter()
        await asyncio.gather(*(_open(box, place / f"all-{crowd}-{number}") for number, box in enumerate(boxes)))
        together.append(1e3 * (time.perf_counter() - began))
        await asyncio.gather(*(box.close() for box in boxes))
    box = await _world(0)
    await _open(box, place / "trips")
    for _ in range(trips):
        began = time.perf_counter()
        await box.shell("true")
        trip.append(1e6 * (time.perf_counter() - began))
    await box.close()
    zygote().close()
    return start[0], start[1:], together, closed, trip


def _bare(repeats: int) -> list[float]:
    source = str(Path(kernel.__file__).parents[3])
    command = [sys.executable, "-I", "-S", "-c", BARE, source, str(repeats)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [1e3 * value for value in json.loads(done.stdout)]


def _docker(quick: bool) -> Figure:
    what = "docker run --rm busybox true"
    try:
        found = subprocess.run(["docker", "image", "inspect", "busybox"], capture_output=True, timeout=20, check=False)
        if found.returncode:
            return Figure(what, None, "ms", None, "no docker daemon here that has the image busybox")
        times = []
        for _ in range(1 if quick else 5):
            began = time.perf_counter()
            subprocess.run(["docker", "run", "--rm", "busybox", "true"], capture_output=True, timeout=60, check=True)
            times.append(1e3 * (time.perf_counter() - began))
    except (OSError, subprocess.SubprocessError) as error:
        return Figure(what, None, "ms", None, f"docker could not be run: {type(error).__name__}")
    return Figure(what, median(times), "ms", None, _best(times))
