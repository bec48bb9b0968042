"""The database of a world: its first answer, cold and from the pool, and what many of them take."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most, median, shown
from terrarium.capability.postgres.binaries import find
from terrarium.capability.postgres.pool import pool
from terrarium.capability.postgres.postgres import Postgres
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Network
from terrarium.core.seeds import Rng
from terrarium.sandbox.zygote import zygote

COLD, WARM, MEMORY = 150.0, 30.0, 4096.0
WORLDS, STARTED = 200, 40


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Cold, warm, a round trip, a snapshot; many worlds; beside them a plain server of the same programs."""
    repeats = 2 if quick else 10
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), repeats))
        yield _figure("first answer, nothing started", found["cold"], "ms", COLD)
        yield _figure("first answer, from the pool", found["warm"], "ms", WARM)
        plain, what = _plain(1 if quick else 3), "the same programs: initdb, pg_ctl start, psql"
        if plain:
            yield Figure(what, median(plain), "ms", None, _best(plain))
        else:
            yield Figure(what, None, "ms", None, "another user than root cannot run them here")
        yield _figure("a further answer", found["trip"], "ms", None)
        yield _figure("snapshot", found["save"], "ms", None)
        if not loaded:
            worlds, started = (4, 2) if quick else (WORLDS, STARTED)
            memory = asyncio.run(_many(Path(folder) / "many", worlds, started))
            what = f"memory of {worlds} worlds open, {started} of them with a server"
            yield Figure(what, memory, "MiB", at_most(MEMORY), "proportional set size of this process and its children")


def _figure(what: str, values: list[float], unit: str, target: float | None) -> Figure:
    return Figure(what, median(values), unit, None if target is None else at_most(target), _best(values))


def _best(values: list[float]) -> str:
    return f"best {shown(min(values))} of {len(values)}"


async def _world(folder: Path) -> Postgres:
    made, clock = Postgres(), Clock()
    site = Site(
        name="postgres",
        folder=folder,
        config={},
        clock=clock,
        rng=Rng(0),
        agents=("agent",),
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: None,  # type: ignore[arg-type, return-value]
        network=Network(),
        keep=False,
    )
    await made.open(site)
    return made


async def _answer(world: Postgres) -> None:
    session = await world._house.session()
    await session.run("SELECT 1", seconds=60, limit=1, largest=1 << 20)


async def _measure(folder: Path, repeats: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"cold": [], "warm": [], "trip": [], "save": []}
    await _answer(first := await _world(folder / "first"))  # makes the template, imports the client
    await first.close()
    for number in range(repeats):
        await pool(find()).close()
        for kind in ("cold", "warm"):
            world = await _world(folder / f"{kind}-{number}")
            await _timed(found[kind], _answer(world))
            for _ in range(20 if kind == "warm" else 0):
                await _timed(found["trip"], _answer(world))
            if kind == "warm":
                (folder / f"saved-{number}").mkdir()
                await _timed(found["save"], world.save(folder / f"saved-{number}"))
            await world.close()
            await _filled()
    await pool(find()).close()
    zygote().close()
    return found


async def _filled() -> None:
    async with asyncio.timeout(60):
        while len(pool(find())._ready) < 2:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def _timed(times: list[float], work: Any) -> None:
    began = time.perf_counter()
    await work
    times.append(1e3 * (time.perf_counter() - began))


async def _many(folder: Path, count: int, started: int) -> float:
    worlds = [await _world(folder / str(number)) for number in range(count)]
    for world in worlds[:started]:
        await _answer(world)
    memory = _memory()
    for world in worlds:
        await world.close()
    await pool(find()).close()
    zygote().close()
    return memory


def _memory() -> float:
    total, pending = 0.0, [os.getpid()]
    while pending:
        pid = pending.pop()
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]) / 1024
            for task in Path(f"/proc/{pid}/task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]
    return total


def _plain(repeats: int) -> list[float]:
    """A server of the same programs by hand; as somebody else where this is root, whom they refuse."""
    programs, times = find().host, []
    for _ in range(repeats):
        place = tempfile.mkdtemp(dir="/tmp", prefix="plain-")
        script = (
            f"{programs}/initdb -D {place}/data -U postgres --auth=trust --no-sync >{place}/out && "
            f"{programs}/pg_ctl -D {place}/data -w -l {place}/log -o '-h \"\" -k {place}' start >{place}/out && "
            f"{programs}/psql -h {place} -U postgres -c 'SELECT 1' >{place}/out"
        )
        user = []
        if os.geteuid() == 0:
            shutil.chown(place, "nobody")
            user = ["runuser", "-u", "nobody", "--"]
        try:
            began = time.perf_counter()
            done = subprocess.run([*user, "sh", "-c", script], cwd="/", timeout=120, capture_output=True, check=False)
            if done.returncode == 0:
                times.append(1e3 * (time.perf_counter() - began))
        finally:
            stop = [*user, f"{programs}/pg_ctl", "-D", f"{place}/data", "-m", "immediate", "stop"]
            subprocess.run(stop, cwd="/", timeout=60, capture_output=True, check=False)
            shutil.rmtree(place, ignore_errors=True)
    return times
