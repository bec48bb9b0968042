"""The database of a world: its first answer, cold and from the pool, and what many of them take; beside it a peer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most, median, shown
from terrarium.capability.database.database import Database
from terrarium.capability.database.pool import Pool, pool
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Network
from terrarium.core.seeds import Rng
from terrarium.sandbox.zygote import zygote

WORLDS, STARTED = 200, 40


@dataclass(frozen=True)
class Bench:
    """What is measured of one kind of database.

    Attributes:
        kind: The capability.
        cold, warm: Targets in milliseconds of the first answer, with nothing started and from the pool.
        memory: Target in MiB.
        peer: What the peer does.
        plain: Milliseconds of so many runs of the peer; none where it cannot be run.
    """

    kind: type[Database]
    cold: float
    warm: float
    memory: float
    peer: str
    plain: Callable[[int], list[float]]

    def run(self, quick: bool, loaded: bool) -> Iterator[Figure]:
        """Cold, warm, a round trip, a snapshot; many worlds; beside them a plain server of the same programs."""
        repeats = 2 if quick else 10
        with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
            found = asyncio.run(_measure(self.kind, Path(folder), repeats))
            yield _figure("first answer, nothing started", found["cold"], "ms", self.cold)
            yield _figure("first answer, from the pool", found["warm"], "ms", self.warm)
            plain = self.plain(1 if quick else 3)
            if plain:
                yield Figure(self.peer, median(plain), "ms", None, _best(plain))
            else:
                yield Figure(self.peer, None, "ms", None, "another user than root cannot run them here")
            yield _figure("a further answer", found["trip"], "ms", None)
            yield _figure("snapshot", found["save"], "ms", None)
            if not loaded:
                worlds, started = (4, 2) if quick else (WORLDS, STARTED)
                memory = asyncio.run(_many(self.kind, Path(folder) / "many", worlds, started))
                what = f"memory of {worlds} worlds open, {started} of them with a server"
                of = "proportional set size of this process and its children"
                yield Figure(what, memory, "MiB", at_most(self.memory), of)


def _figure(what: str, values: list[float], unit: str, target: float | None) -> Figure:
    return Figure(what, median(values), unit, None if target is None else at_most(target), _best(values))


def _best(values: list[float]) -> str:
    return f"best {shown(min(values))} of {len(values)}"


async def _world(kind: type[Database], folder: Path) -> Database:
    made, clock = kind(), Clock()
    site = Site(
        name=kind.KIND.name,
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


async def _answer(world: Database) -> None:
    session = await world._house.session()
    await session.run("SELECT 1", seconds=60, limit=1, largest=1 << 20)


async def _measure(kind: type[Database], folder: Path, repeats: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"cold": [], "warm": [], "trip": [], "save": []}
    await _answer(first := await _world(kind, folder / "first"))  # makes the template, imports the client
    await first.close()
    for number in range(repeats):
        await _pool(kind).close()
        for way in ("cold", "warm"):
            world = await _world(kind, folder / f"{way}-{number}")
            await _timed(found[way], _answer(world))
            for _ in range(20 if way == "warm" else 0):
                await _timed(found["trip"], _answer(world))
            if way == "warm":
                (folder / f"saved-{number}").mkdir()
                await _timed(found["save"], world.save(folder / f"saved-{number}"))
            await world.close()
            await _filled(kind)
    await _pool(kind).close()
    zygote().close()
    return found


def _pool(kind: type[Database]) -> Pool:
    return pool(kind.KIND, kind.KIND.find())


async def _filled(kind: type[Database]) -> None:
    async with asyncio.timeout(60):
        while len(_pool(kind)._ready) < 2:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def _timed(times: list[float], work: Any) -> None:
    began = time.perf_counter()
    await work
    times.append(1e3 * (time.perf_counter() - began))


async def _many(kind: type[Database], folder: Path, count: int, started: int) -> float:
    worlds = [await _world(kind, folder / str(number)) for number in range(count)]
    for world in worlds[:started]:
        await _answer(world)
    memory = _memory()
    for world in worlds:
        await world.close()
    await _pool(kind).close()
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
