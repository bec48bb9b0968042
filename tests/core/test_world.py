"""A world built by hand; and the promise that equal trials write equal journals."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notes_capability import Notes
from terrarium.core.capability import Site, Traits
from terrarium.core.clock import Clock
from terrarium.core.errors import CapabilityFault, CapabilityMissing, ConfigError, EngineFault, Refused, WorldClosed
from terrarium.core.journal import Journal, read
from terrarium.core.replay import Call
from terrarium.core.rows import Row, digest_rows
from terrarium.core.seeds import Rng
from terrarium.core.snapshot import Snapshots
from terrarium.core.world import World


class Blind(Notes):
    traits = Traits(sees_writes=False, snapshots=False)


class Distant(Blind):
    """Its rows come only while the loop goes on."""

    async def open(self, site: Site) -> None:
        await super().open(site)
        self._loop = asyncio.get_running_loop()

    def rows(self) -> Iterator[Row]:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        yield Row("turned", "", {"loop": turned.wait(10)})


class Stubborn(Notes):
    async def close(self) -> None:
        await super().close()
        raise OSError("will not close")


def build(folder: Path, kind: Any = Notes) -> World:
    clock = Clock()
    return World(
        folder / "world",
        clock=clock,
        rng=Rng(7),
        journal=Journal(folder / "journal.jsonl", lambda: clock.micros),
        opener=lambda spec, config: kind(),
        sandbox=lambda world, spec, config: pytest.fail("nobody asked for a sandbox"),
        snapshots=Snapshots(folder / "snapshots"),
        mode="every-turn",
    )


def test_writes_are_journaled_and_counted_and_reads_are_not(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path)
        await world.acquire("notes")
        before = await world.digests()
        world.call(Call("env.notes.add", {"text": "x"}))
        assert world.version == 1
        assert await world.digests() != before
        digests = await world.digests()
        assert world.call(Call("env.notes.texts", {})) == ["x"]
        assert (world.version, await world.digests()) == (1, digests)
        await world.close()
        world.journal.close()

    asyncio.run(go())
    kinds = [str(event.kind) for event in read(tmp_path / "journal.jsonl")]
    assert kinds == ["call", "change", "return", "call", "return"]


def test_rows_that_the_engine_does_not_hold_are_digested_while_the_loop_goes_on(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path, Distant)
        await world.acquire("notes")
        assert await world.digests() == {"notes": digest_rows([Row("turned", "", {"loop": True})])}
        await world.close()
        world.journal.close()

    asyncio.run(go())


def test_a_snapshot_is_named_by_what_it_holds_and_opens_as_the_same_world(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path / "one")
        await world.acquire("notes", {"x": 1})
        world.call(Call("env.notes.add", {"text": "kept"}))
        world.clock.move(world.clock.micros + 5)
        name = await world.snapshot()
        assert name is not None
        assert await world.snapshot() == name, "the same world is stored once"
        world.call(Call("env.notes.add", {"text": "after"}))
        assert await world.snapshot() != name
        other = build(tmp_path / "two")
        other.saving = world.saving
        await other.load(name)
        assert other.clock.micros == world.clock.micros
        assert other.call(Call("env.notes.texts", {})) == ["kept"]
        other.call(Call("env.notes.add", {"text": "after"}))
        assert await other.digests() == await world.digests(), "random streams and world time go on where they were"
        with pytest.raises(EngineFault, match="missing"):
            await other.load("0" * 64)
        for each in (world, other):
            await each.close()
            each.journal.close()

    asyncio.run(go())


def test_a_world_that_cannot_be_saved_says_so_by_its_traits(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path, Blind)
        assert world.traits == Traits()
        await world.acquire("notes")
        assert world.traits == Traits(sees_writes=False, snapshots=False)
        assert await world.snapshot() is None
        await world.release("notes")
        assert world.traits == Traits()
        assert not (tmp_path / "world" / "notes").exists()
        await world.close()
        world.journal.close()

    asyncio.run(go())


def test_names_of_capabilities(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path)
        for spec in ("notes", "notes:a", "notes:b-2"):
            await world.acquire(spec)
        with pytest.raises(Refused, match="already"):
            await world.acquire("notes:a")
        for spec in ("", "notes:", ":a", "../notes", "notes:../a", "notes:a.b", "no tes"):
            with pytest.raises(ConfigError, match="not the name of a capability"):
                await world.acquire(spec)
        with pytest.raises(CapabilityMissing, match="its capabilities are: notes, notes:a, notes:b-2"):
            world.capability("mail")
        await world.close()
        world.journal.close()

    asyncio.run(go())


def test_closing_is_idempotent_and_closes_all_even_where_one_fails(tmp_path: Path):
    async def go() -> None:
        world = build(tmp_path, Stubborn)
        await world.acquire("notes:a")
        await world.acquire("notes:b")
        with pytest.raises(CapabilityFault, match="will not close"):
            await world.close()
        await world.close()
        with pytest.raises(WorldClosed):
            world.call(Call("env.notes:a.add", {"text": "x"}))
        world.journal.close()

    asyncio.run(go())


TASK = """
from terrarium.task.checking import run_checkers
from terrarium.task.decorator import entry

NOTES = {"notes": {"import_path": "notes_capability:Notes"}}

@entry(["notes"], NOTES, agents=["a", "b"])
def fn(env, agents):
    words = {f"word {number}" for number in range(9)}
    env.every("7s", lambda: env.notes.add(f"tick {env.random.random()}"))
    env.when(lambda: env.notes.count() > 2, lambda: agents["b"].post("three notes"))
    for round in range(3):
        for agent in agents.values():
            agent.act(f"round {round} {sorted(words)[round]}")
    return run_checkers({"notes": lambda: env.notes.count() > 3, "false": lambda: False})
"""

RUN = """
import sys
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig
task, out = sys.argv[1:]
script = [{"tool": "notes_add", "args": {"text": "x"}}, {"tool": "notes_list"}, "hi"] * 4
agent = AgentConfig(name="scripted", kwargs={"script": script})
result = Trial(TrialConfig(task=TaskConfig(path=task), agent=agent, seed=5, trial_dir=out)).run_sync()
assert result.error is None, result.error
"""


def test_equal_trials_write_equal_journals_in_every_process(tmp_path: Path):
    (tmp_path / "errand").mkdir()
    (tmp_path / "errand" / "task.py").write_text(TASK)
    running = []
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-c", RUN, str(tmp_path / "errand"), str(tmp_path / f"out{seed}")]
        running.append((subprocess.Popen(command, env=env), tmp_path / f"out{seed}"))
    stories = []
    for process, out in running:
        assert process.wait() == 0
        (journal,) = out.glob("trials/*/try-1/journal.jsonl")
        stories.append([event.equal_part() for event in read(journal)])
    assert len(stories[0]) > 100
    assert stories[0] == stories[1] == stories[2]
