"""What differs between two moments: of rows, and of writes folded into what they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from terrarium.capability.calendar.calendar import Calendar
from terrarium.capability.email import Email
from terrarium.capability.workspace import Workspace
from terrarium.core.clock import Clock
from terrarium.core.diff import Diff, Fold, RowChange, counting, diff_of, same
from terrarium.core.journal import Journal
from terrarium.core.rows import Row
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng
from terrarium.core.state import compare
from terrarium.core.values import canonical, decode, encode
from terrarium.core.world import World
from terrarium.sandbox.memory import MemorySandbox

KINDS: dict[str, Callable[[], Any]] = {"email": Email, "calendar": Calendar, "workspace": Workspace}
ANN, BOB = "ann@corp.example", "bob@corp.example"


def rows(**fields: Any) -> dict[str, list[Row]]:
    return {"notes": [Row("note", key, value) for key, value in fields.items()]}


def test_rows_are_added_removed_and_changed_field_by_field():
    before = rows(a={"x": 1, "gone": True}, b={"x": 1}, same={"x": [1, {"y": 2}]})
    after = rows(a={"x": 2, "new": None}, c={"x": 1}, same={"x": [1, {"y": 2}]})
    diff = diff_of(before, after)
    assert [(change.kind, change.key, change.fields) for change in diff.changes] == [
        ("changed", "a", ["gone", "new", "x"]),
        ("removed", "b", ["x"]),
        ("added", "c", ["x"]),
    ]
    assert (len(diff), len(diff.added), len(diff.removed), len(diff.changed)) == (3, 1, 1, 1)
    assert str(diff) == (
        "notes: 1 added, 1 removed, 1 changed\n"
        "  ~ note a: gone true → nothing, new nothing → null, x 1 → 2\n"
        "  - note b: x 1\n"
        "  + note c: x 1"
    )
    assert not diff_of(before, before)
    assert str(diff_of(after, after)) == "nothing has changed"
    assert decode(encode(diff)) == diff


def test_values_are_the_same_only_where_they_are_written_alike():
    nan = float("nan")
    assert same({"a": [1, nan]}, {"a": (1, nan)})
    for one, other in ((1, True), (1, 1.0), ("1", 1), ([1], [1, 2]), ({"a": None}, {}), (b"x", "x")):
        assert not same(one, other)
        assert not same({"f": one}, {"f": other})


def test_a_text_is_bounded_and_steers_nothing():
    diff = diff_of({}, rows(**{f"k{n:04}": {"x": "\x1b[2J" + "long" * 1000, "b": b"\x1b" * 99} for n in range(500)}))
    text = diff.text(lines=10)
    assert len(text) < 3000
    assert "\x1b" not in text
    assert "99 bytes" in text
    assert text.endswith("and 490 rows more")
    assert "\x1b" not in str(RowChange("a", "t", "\x1b[2J", None, {}))
    short = diff.bounded(100)
    assert (len(short.changes), len(short), bool(short)) == (100, 500, True)
    assert short.text(lines=10).endswith("and 490 rows more")


def folded(by: str, *writes: tuple[str, Any, Any]) -> list[tuple[Any, Any]]:
    fold = Fold(counting(by))
    for actor, before, after in writes:
        fold.add(("notes", "note", "a"), actor.rstrip("?"), actor.endswith("?"), before, after)
    return [(change.before, change.after) for change in fold.changes()]


def test_what_others_write_is_taken_as_if_it_had_been_there_before():
    zero, one, two, three = {"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 1, "y": 9}, {"x": 0, "y": 9}
    both = [("agent", zero, one), ("task", one, two)]
    assert folded("agents", *both) == [(three, two)]
    assert folded("task", *both) == [(one, two)]
    assert folded("everyone", *both) == [(zero, two)]
    assert folded("other", *both) == []
    # the program has the last word on a field, or on a row
    assert folded("agents", ("agent", zero, one), ("task", one, zero)) == []
    assert folded("agents", ("agent", zero, one), ("task", one, None)) == []
    assert folded("agents", ("agent", zero, None), ("task", None, two)) == []
    # it edits what the agent has made, or makes what the agent then destroys
    assert folded("agents", ("agent", None, one), ("task", one, two)) == [(None, two)]
    assert folded("agents", ("task", None, one), ("agent", one, None)) == [(one, None)]
    # the agent takes its write back
    assert folded("agents", ("agent", zero, one), ("agent", one, zero)) == []


def test_a_look_is_no_change_and_nobodys_doing_is_not_the_agents():
    assert folded("agents", ("agent?", {"seen": False}, {"seen": True})) == []
    assert folded("everyone", ("agent?", {"seen": False}, {"seen": True})) == [({"seen": False}, {"seen": True})]
    assert folded("agents", ("world", {"x": 0}, {"x": 1})) == []


def test_what_a_capability_that_went_has_held_is_no_difference():
    fold = Fold(counting("agents"))
    fold.add(("notes", "note", "a"), "agent", False, None, {})
    fold.drop("notes")
    assert fold.changes() == []


# -- random worlds ----------------------------------------------------------------------------------------------------


class Random:
    """A world of mail, calendars and files, written to at random by its program and by an agent."""

    def __init__(self, folder: Path) -> None:
        clock = Clock()
        self.world = World(
            folder / "world",
            clock=clock,
            rng=Rng(7),
            journal=Journal(folder / "journal.jsonl", lambda: clock.micros),
            opener=lambda spec, config: KINDS[spec](),
            sandbox=lambda world, spec, config: MemorySandbox(Ground(clock)),
        )

    async def open(self) -> None:
        for spec in KINDS:
            await self.world.acquire(spec)
        self.email, self.calendar, self.workspace = (self.world.capabilities[spec] for spec in KINDS)
        self.calendar.create_calendar("Work", "work")

    async def do(self, actor: str, what: str, which: int) -> None:
        async with self.world.baton.hold(actor):
            await getattr(self, what)(which)

    async def send(self, n: int) -> None:
        self.email.send(ANN, BOB, f"Mail {n}", "News.")

    async def flag(self, n: int) -> None:
        for mail in self.email.list_inbox(BOB)[: n % 3]:
            self.email.set_flags(BOB, mail["message_id"], add=["\\Flagged"] if n % 2 else ["\\Seen"])

    async def lose(self, n: int) -> None:
        if self.email.count_inbox(BOB):
            self.email.delete_message(BOB, 0)

    async def plan(self, n: int) -> None:
        self.calendar.add_event("work", f"Plan {n}", "2030-01-08T09:00:00Z", "2030-01-08T10:00:00Z")

    async def replan(self, n: int) -> None:
        for event in self.calendar.list_events("work")[:1]:
            self.calendar.update_event("work", event["uid"], summary=f"Other {n}")

    async def cancel(self, n: int) -> None:
        for event in self.calendar.list_events("work")[:1]:
            self.calendar.delete_event("work", event["uid"])

    async def write(self, n: int) -> None:
        await self._tool("workspace_write", path=f"/root/f{n % 3}", content=str(n))

    async def remove(self, n: int) -> None:
        await self._tool("workspace_exec", command=f"rm -f /root/f{n % 3}")

    async def _tool(self, name: str, **arguments: Any) -> None:
        [tool] = [tool for tool in self.workspace.tools("agent") if tool.name == name]
        await tool.function(**tool.bind(arguments))


DEEDS = ("send", "flag", "lose", "plan", "replan", "cancel", "write", "remove")
STEPS = st.lists(
    st.tuples(st.sampled_from(("task", "agent")), st.sampled_from(DEEDS), st.integers(0, 9)), min_size=1, max_size=12
)


def by_hand(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> list[tuple[str, ...]]:
    """The model: rows as texts, compared as sets."""

    def texts(world: dict[str, list[Row]]) -> dict[tuple[str, str, str], str]:
        return {(spec, r.table, r.key): canonical(dict(r.fields)) for spec, each in world.items() for r in each}

    old, new = texts(before), texts(after)
    return sorted(
        (*place, "added" if place not in old else "removed" if place not in new else "changed")
        for place in old.keys() | new.keys()
        if old.get(place) != new.get(place)
    )


def told(diff: Diff) -> list[tuple[str, ...]]:
    return [(c.capability, c.table, c.key, c.kind) for c in diff.changes]


@settings(max_examples=60)
@given(first=STEPS, then=STEPS)
def test_a_diff_is_what_happened_to_the_rows(tmp_path_factory, first, then):
    async def go() -> None:
        random = Random(tmp_path_factory.mktemp("world"))
        world = random.world
        await random.open()
        for step in first:
            await random.do(*step)
        before, begun = world.rows(), await world.states.now()
        for step in then:
            await random.do(*step)
        after, ended = world.rows(), await world.states.now()

        diff = world.diff(before)
        assert told(diff) == by_hand(before, after)
        assert diff.apply(before) == after
        assert decode(encode(diff)).apply(before) == after

        whole = await world.states.diff(begun, ended)
        assert [(c.before, c.after) for c in whole.changes] == [(c.before, c.after) for c in diff.changes]
        assert whole.apply(before) == after
        for actor in ("task", "agent"):
            if all(step[0] == actor for step in then):
                own = await world.states.diff(begun, by="agents" if actor == "agent" else actor)
                assert {place[:3] for place in told(own)} <= {place[:3] for place in told(diff)}
            elif not any(step[0] == actor for step in then):
                assert not await world.states.diff(begun, by="agents" if actor == "agent" else actor)
        assert not await world.states.diff(ended)
        await world.close()
        world.journal.close()
        assert compare([], None, begun, ended) == Diff()

    asyncio.run(go())
