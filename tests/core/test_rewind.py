"""A world that was set back: whoever reads its journal comes to the state that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effort import examples
from notes_capability import Notes
from terrarium.core.baton import PROGRAM
from terrarium.core.clock import Clock
from terrarium.core.diff import ENGINE, diff_of
from terrarium.core.errors import EngineFault
from terrarium.core.journal import Event, EventKind, Journal, read
from terrarium.core.network import Caller
from terrarium.core.rewind import FOLDER, Rewind
from terrarium.core.rows import Row
from terrarium.core.seeds import Rng
from terrarium.core.state import State, compare
from terrarium.core.world import World

# -- what is read in a journal ----------------------------------------------------------------------------------------


class Story:
    """A journal of made-up writes, with the rows that they come to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rows: dict[str, dict[str, int]] = {}
        self.add(EventKind.TURN, "agent", {"state": "begin"})

    def add(self, kind: EventKind, actor: str, data: dict[str, Any], cause: int | None = None) -> int:
        seq = len(self.events) + 1
        self.events.append(Event(seq, kind, actor, datetime(2030, 1, 7, tzinfo=UTC), cause, (), data, {}))
        return seq

    def write(self, actor: str, key: str, after: dict[str, int] | None, cause: int | None = None) -> None:
        before = self.rows.get(key)
        data = {"capability": "notes", "table": "note", "key": key, "before": before, "after": after}
        self.add(EventKind.CHANGE, actor, data, cause)
        self.rows = {name: row for name, row in self.rows.items() if name != key}
        if after is not None:
            self.rows[key] = after

    def set_back(self, label: str, rows: dict[str, dict[str, int]]) -> None:
        told = self.add(EventKind.SNAPSHOT, ENGINE, {"restored": label})
        for key in sorted(self.rows.keys() | rows.keys()):
            if self.rows.get(key) != rows.get(key):
                self.write(ENGINE, key, rows.get(key), told)


WRITES = st.tuples(
    st.just("write"),
    st.sampled_from(["agent", PROGRAM, "world"]),
    st.sampled_from("xyz"),
    st.none() | st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.integers(0, 2)}),
)
DEEDS = st.lists(
    WRITES | WRITES | st.tuples(st.sampled_from(["hold", "back"]), st.sampled_from("12")) | st.just(("turn",)),
    max_size=30,
)


def told(deeds: Sequence[tuple[Any, ...]]) -> tuple[Story, Story]:
    """The story as it was written, and that of a world in which nothing was ever taken back."""
    real, plain = Story(), Story()
    held: dict[str, tuple[dict[str, dict[str, int]], list[Event]]] = {}
    for deed in deeds:
        if deed[0] == "write":
            if deed[3] is not None or deed[2] in real.rows:
                real.write(*deed[1:])
                plain.write(*deed[1:])
        elif deed[0] == "turn":
            held.clear()
            real.add(EventKind.TURN, "agent", {"state": "begin"})
            plain.add(EventKind.TURN, "agent", {"state": "begin"})
        elif deed[0] == "hold":
            real.add(EventKind.SNAPSHOT, ENGINE, {"checkpoint": deed[1]})
            held[deed[1]] = (real.rows, list(plain.events))
        elif deed[1] in held:
            plain.rows, plain.events = held[deed[1]][0], list(held[deed[1]][1])
            real.set_back(deed[1], plain.rows)
    assert real.rows == plain.rows
    return real, plain


@settings(max_examples=examples(300))
@given(DEEDS)
def test_what_was_taken_back_is_nobodys_doing(deeds: list[tuple[Any, ...]]) -> None:
    real, plain = told(deeds)
    for by in ("everyone", "agents", "agent", PROGRAM, "world"):
        found = compare(real.events, None, None, State(len(real.events)), by)
        expected = compare(plain.events, None, None, State(len(plain.events)), by)
        assert found == expected, by


@settings(max_examples=examples(300))
@given(DEEDS, st.data())
def test_between_any_two_moments_everybody_is_told_what_differs(deeds: list[tuple[Any, ...]], data: Any) -> None:
    story, moments = Story(), list[tuple[int, dict[str, dict[str, int]]]]()
    held: dict[str, dict[str, dict[str, int]]] = {}
    for deed in deeds:
        if deed[0] == "write":
            if deed[3] is not None or deed[2] in story.rows:
                story.write(*deed[1:])
        elif deed[0] == "turn":
            held.clear()
            story.add(EventKind.TURN, "agent", {"state": "begin"})
        elif deed[0] == "hold":
            held[deed[1]] = story.rows
            story.add(EventKind.SNAPSHOT, ENGINE, {"checkpoint": deed[1]})
        elif deed[1] in held:
            story.set_back(deed[1], held[deed[1]])
        moments.append((len(story.events), story.rows))
    for place, (before, old) in enumerate(moments):
        after, new = data.draw(st.sampled_from(moments[place:]))
        found = compare(story.events, None, State(before), State(after))
        real = diff_of({"notes": _rows(old)}, {"notes": _rows(new)})
        assert [(c.key, c.before, c.after) for c in found.changes] == [(c.key, c.before, c.after) for c in real.changes]


def _rows(rows: dict[str, dict[str, int]]) -> list[Row]:
    return [Row("note", key, rows[key]) for key in sorted(rows)]


# -- in a world -------------------------------------------------------------------------------------------------------


class Door(Notes):
    """Whoever connects says a line, and it is noted down."""

    async def open(self, site: Any) -> None:
        await super().open(site)
        self.service = await site.network.serve("door.world", 7, self.answer)

    async def answer(self, connection: Any, caller: Caller) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            while line := await loop.sock_recv(connection, 100):
                async with self._site.request(caller):
                    self.add(line.decode())
                await loop.sock_sendall(connection, b"noted")

    async def close(self) -> None:
        if hasattr(self, "service"):
            await self._site.network.withdraw(self.service)
        await super().close()


def lived(folder: Path, life: Callable[[World, Rewind], Any], kind: Any = Door) -> list[Event]:
    """The journal of a world in which something happens, with somebody holding the baton."""
    clock = Clock()
    journal = Journal(folder / "journal.jsonl", lambda: clock.micros)
    world = World(
        folder / "world",
        clock=clock,
        rng=Rng(7),
        journal=journal,
        opener=lambda spec, config: kind(),
        sandbox=lambda spec, config: pytest.fail("nobody asked for a sandbox"),
    )

    async def go() -> None:
        try:
            await world.acquire("notes", {"a": 1})
            async with world.baton.hold("agent"):
                await life(world, Rewind(world))
        finally:
            await world.close()
            journal.close()

    asyncio.run(go())
    return list(read(journal.path, journal.blobs))


def texts(world: World) -> list[Any]:
    return [row.fields["text"] for row in world.rows()["notes"]]


def test_connections_end_and_the_door_is_where_it_was(tmp_path: Path) -> None:
    async def life(world: World, rewind: Rewind) -> None:
        loop = asyncio.get_running_loop()

        async def say(text: bytes) -> Any:
            client = world.network.connect("door.world", 7, Caller("agent"))
            await loop.sock_sendall(client, text)
            return client

        notes: Any = world.capabilities["notes"]
        notes.add("first")
        held = await rewind.hold("a")
        before = world.network.services()[0]
        async with world.baton.lent():
            client = await say(b"second")
            assert await loop.sock_recv(client, 100) == b"noted"
        waiting = await say(b"never")
        await asyncio.sleep(0.01)
        await rewind.back(held)
        assert [await loop.sock_recv(one, 100) for one in (client, waiting)] == [b"", b""]
        async with world.baton.lent():
            again = await say(b"third")
            assert await loop.sock_recv(again, 100) == b"noted"
        for one in (client, waiting, again):
            one.close()
        assert texts(world) == ["first", "third"]
        now = world.network.services()[0]
        assert (now.host, now.port, now.address) == (before.host, before.port, before.address)
        assert notes is not world.capabilities["notes"]

    events = lived(tmp_path, life)
    assert not [event for event in events if event.kind is EventKind.ERROR]


def test_random_numbers_time_and_digests_go_back_and_the_version_does_not(tmp_path: Path) -> None:
    async def life(world: World, rewind: Rewind) -> None:
        world.rng.token("notes")
        world.capabilities["notes"].add("a")
        held, digests, version = await rewind.hold("a"), await world.digests(), world.version
        said = (world.rng.token("notes"), world.rng.token("other"))
        world.clock.move(world.clock.micros + 5)
        await rewind.back(held)
        assert world.version > version
        assert await world.digests() == digests == held.rows
        assert (world.rng.token("notes"), world.rng.token("other")) == said
        assert world.clock.micros == world.clock.start
        world.capabilities["notes"].add("b")
        version = world.version
        await rewind.back(held)
        assert world.version > version
        assert texts(world) == ["a"]

    lived(tmp_path, life, Notes)


def test_what_cannot_be_read_any_more_leaves_the_world_as_it_is(tmp_path: Path) -> None:
    async def life(world: World, rewind: Rewind) -> None:
        world.capabilities["notes"].add("a")
        held = await rewind.hold("a")
        world.capabilities["notes"].add("b")
        kept = world.folder / FOLDER / "held" / held.name / "world.json"
        kept.write_bytes(kept.read_bytes()[:-9])
        with pytest.raises(EngineFault, match="damaged"):
            await rewind.back(held)
        rewind.drop(held)
        with pytest.raises(EngineFault, match="missing"):
            await rewind.back(held)
        assert texts(world) == ["a", "b"]
        world.capabilities["notes"].add("c")
        assert texts(world) == ["a", "b", "c"]

    assert [event.kind for event in lived(tmp_path, life)] == ["change", "snapshot", "change", "change"]


class Slow(Notes):
    async def open(self, site: Any) -> None:
        await asyncio.sleep(0.05)
        await super().open(site)


def test_who_is_told_to_end_meanwhile_leaves_a_whole_world(tmp_path: Path) -> None:
    async def life(world: World, rewind: Rewind) -> None:
        world.capabilities["notes"].add("a")
        held = await rewind.hold("a")
        world.capabilities["notes"].add("b")
        going = asyncio.ensure_future(rewind.back(held))
        while "notes" in world.capabilities:
            await asyncio.sleep(0)
        for _ in range(3):
            going.cancel()
            await asyncio.sleep(0.001)
        await asyncio.wait({going})
        assert going.cancelled()
        assert texts(world) == ["a"]

    kinds = [event.kind for event in lived(tmp_path, life, Slow)]
    assert kinds == ["change", "snapshot", "change", "snapshot", "change"]
