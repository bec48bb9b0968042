"""A program run again goes on where its journal stopped, and the journal is the same as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from terrarium.core.errors import NotFound, ProgramError, ReplayDiverged
from terrarium.core.journal import EventKind
from terrarium.core.replay import Call, Cursor, Live
from terrarium.core.values import encode

WRITE = {"tool": "notes_add", "args": {"text": "by the agent"}}

PROGRAMS = {
    "callbacks, conditions and posts": (
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            ticket = env.every("20m", lambda: env.notes.add(f"tick {env.random.random():.3f}"))
            env.when(lambda: env.notes.count() >= 3, lambda: agent.post("three now"))
            env.when(lambda: env.clock.now.hour >= 12, lambda: env.notes.add("noon"))
            env.after("90m", lambda: env.cancel(ticket))
            agent.act("first")
            env.clock.advance("1h")
            env.reward(f"{env.clock.now:%H:%M} {len(agent.replies)}", 0.5)
            agent.act(f"second {env.notes.count()}")
            env.clock.advance_to("12:30")
            agent.post("last")
            env.clock.advance(1)
            return run_checkers({"count": lambda: env.notes.count() > 4, "false": lambda: False})
        """,
        [WRITE, "one", WRITE, WRITE, "two", "three", WRITE, "four"],
    ),
    "registered tools and errors": (
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            asked = []
            def ask(question: str, urgent: bool = False) -> str:
                '''Ask the boss.'''
                asked.append(question)
                if urgent:
                    raise ValueError("not now")
                return f"answer {len(asked)} after {env.notes.add(question)}"
            for function in (lambda x: x, ask):
                try:
                    agent.register_tools(function)
                except ConfigError:
                    env.reward("untyped", 0)
            for attempt in range(3):
                agent.act(f"attempt {attempt} {asked}")
                try:
                    env.notes.refuse()
                except Refused as error:
                    env.reward(f"{error.code}", 0)
                def fail():
                    raise KeyError("in a callback")
                env.after(1, fail)
                try:
                    env.clock.advance(2)
                except ProgramError as error:
                    env.reward(str(error), 0)
            return run_checkers({"asked": lambda: len(asked) == 6})
        """,
        [{"tool": "ask", "args": {"question": "a"}}, {"tool": "ask", "args": {"question": "b", "urgent": True}}, "x"]
        * 3,
    ),
    "acquire and release": (
        """
        @entry(["notes:first"], {"notes:first": NOTES["notes"]})
        def fn(env, agent):
            env.notes.add("there is one, so it needs no name")
            if "notes:second" not in env:
                env.acquire("notes:second", NOTES["notes"]).add("x")
            for wrong in ("nosuch", "notes:second"):
                try:
                    env.acquire(wrong, {})
                except TerrariumError as error:
                    env.reward(type(error).__name__, 0)
            agent.act("one")
            env.release("notes:second")
            try:
                env.notes("second").add("y")
            except CapabilityMissing:
                env.reward("gone", 0)
            env.notes.add("again there is one")
            agent.act("two")
            again = env.acquire("notes:second", NOTES["notes"])
            agent.act("three")
            again.add("z")
            agent.act("four")
            return run_checkers({"z": lambda: again.texts() == ["z"], "two": lambda: env.notes("first").count() == 2})
        """,
        ["one", "two", "three", "four"],
    ),
    "an async program": (
        """
        import asyncio

        @entry(["notes"], NOTES)
        async def fn(env, agent):
            env.every("15m", lambda: env.notes.add("tick"), until="11:00")
            env.when(lambda: env.notes.count() >= 4, lambda: agent.post("four"))
            for round in range(3):
                reply = await agent.act(f"round {round}")
                await env.clock.advance("30m")
                await asyncio.sleep(0)
                env.reward(f"{reply.text} {env.clock.now:%H:%M}", 0)
            try:
                await env.clock.advance(-1)
            except Refused:
                env.reward("refused", 0)
            return run_checkers({"ticks": lambda: "tick" in env.notes.texts()})
        """,
        [WRITE, "one", "two", WRITE, "three", "four"],
    ),
    "an async program with two agents at once": (
        """
        import asyncio

        @entry(["notes"], NOTES, agents=["a", "b"])
        async def fn(env, agents):
            async def drive(name):
                told = []
                for round in range(3):
                    told.append((await agents[name].act(f"{name} {round}")).text)
                    env.notes.add(f"{name} said {told[-1]}")
                return told
            first = await asyncio.gather(drive("a"), drive("b"))
            await env.clock.advance("1h")
            second = await asyncio.gather(agents["b"].act("again"), agents["a"].act("again"))
            env.reward(str(first) + str([reply.text for reply in second]), 0)
            return run_checkers({"notes": lambda: env.notes.count() > 6})
        """,
        [WRITE, "one", WRITE, WRITE, "two", "three", WRITE, "four"],
    ),
    "an async program whose tasks are woken by callbacks": (
        """
        import asyncio

        @entry(["notes"], NOTES)
        async def fn(env, agent):
            rung, ticked = asyncio.Event(), asyncio.Queue()
            def ring() -> str:
                '''Ring.'''
                rung.set()
                return "rung"
            agent.register_tools(ring)
            async def answer():
                await rung.wait()
                env.notes.add("the bell rang")
            async def listen():
                while True:
                    env.notes.add(f"heard {await ticked.get()}")
            tasks = [asyncio.ensure_future(answer()), asyncio.ensure_future(listen())]
            env.every(1, lambda: ticked.put_nowait(f"a {env.clock.now:%S}"), until="09:00:20")
            env.every(2, lambda: ticked.put_nowait(f"b {env.clock.now:%S}"), until="09:00:20")
            env.when(lambda: env.notes.count() > 3, lambda: ticked.put_nowait("more than three"))
            env.when(lambda: env.notes.count() > 3, lambda: ticked.put_nowait("also more than three"))
            await agent.act("go")
            await agent.act("again")
            await env.clock.advance(30)
            await tasks[0]
            for text in env.notes.texts():
                env.reward(text, 0)
            return run_checkers({"bell": lambda: "the bell rang" in env.notes.texts()})
        """,
        [{"tool": "ring"}, WRITE, "a", WRITE, "b"],
    ),
    "several agents in turn": (
        """
        @entry(["notes"], NOTES, agents=["a", "b"])
        def fn(env, agents):
            for round in range(2):
                for name, agent in agents.items():
                    agent.act(f"{name} {round} {env.random.randint(1, 6)}")
                    env.reward("turn", 1, agent=name)
            return run_checkers({"notes": lambda: env.notes.count() == 4})
        """,
        [WRITE, "one", WRITE, "two"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_resumed_from_every_snapshot_the_journal_is_the_same(play, name):
    source, script = PROGRAMS[name]
    played = play(source, script, snapshot="every-turn")
    whole, lines = played.parts(), played.journal.read_bytes()
    verdict = played.result.verdict
    assert played.error is None
    points = played.snapshots()
    assert len(points) >= 3
    for lost, point in enumerate(points, 1):
        played.journal.write_bytes(lines)
        played.crash_behind(point)
        tail = played.journal.read_bytes().splitlines(keepends=True)[point.seq : -1]
        played.run()
        assert played.error is None, f"resumed at {point.seq}"
        assert played.result.tries == 1
        assert played.result.verdict == verdict
        assert played.parts() == whole
        kept = played.journal.with_name(f"lost-{lost}.jsonl")
        assert (kept.read_bytes() if tail else b"") == b"".join(tail)


def test_without_a_snapshot_an_unfinished_trial_starts_again(play):
    source, script = PROGRAMS["registered tools and errors"]
    played = play(source, script)
    whole = played.parts()
    lines = played.journal.read_bytes().splitlines(keepends=True)
    played.journal.write_bytes(b"".join(lines[:10]))
    played.run()
    assert played.result.tries == 2
    assert played.parts() == whole


def test_a_damaged_journal_is_left_alone_and_the_trial_starts_again(play):
    source, script = PROGRAMS["several agents in turn"]
    played = play(source, script, snapshot="every-turn")
    first = played.journal
    lines = first.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:5], b"{not json}\n", *lines[6:-1]])
    first.write_bytes(damaged)
    played.run()
    assert played.result.tries == 2
    assert played.error is None
    assert first.read_bytes() == damaged


GROWING = """
@entry(["notes"], NOTES)
def fn(env, agent):
    env.notes.add({first!r})
    {swallowed}
    agent.act("one")
    agent.act("two")
    return run_checkers({{"so": lambda: True}})
"""


@pytest.mark.parametrize(
    ("first", "more", "told"),
    [
        ("changed", "pass", "now calls env.notes.add(text='changed'), before it called env.notes.add(text='first')"),
        ("first", "env.notes.count()", "now calls env.notes.count(), before it called agent.act(instruction='one')"),
        ("first", "return run_checkers({})", "now calls env.checking(names=[]), before it called agent.act("),
        ("first", "return None", "the program has ended, where before event"),
    ],
)
def test_a_program_that_does_something_else_has_diverged_and_both_sides_are_named(play, first, more, told):
    played = play(GROWING.format(first="first", swallowed="pass"), ["a", "b"], snapshot="every-turn")
    played.crash_behind(played.snapshots()[1])
    played.write(GROWING.format(first=first, swallowed=more))
    played.run_as_before()
    assert played.error.startswith("ReplayDiverged")
    assert told in played.error
    assert played.result.error["boundary"] == "task"
    assert played.result.verdict.reward is None


def test_a_program_cannot_swallow_its_divergence(play):
    played = play(GROWING.format(first="first", swallowed="pass"), ["a", "b"], snapshot="every-turn")
    played.crash_behind(played.snapshots()[1])
    quiet = """
    try:
        env.notes.texts()
    except Exception:
        pass
    """
    played.write(GROWING.format(first="first", swallowed=quiet.strip("\n ").replace("\n", "\n")))
    played.run_as_before()
    assert played.error.startswith("ReplayDiverged")


def test_an_agents_limits_and_failures_are_lived_through_again(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            for round in range(4):
                reply = agent.act(f"round {round}")
                env.reward(f"{reply.stop} {reply.text}", 0)
            return run_checkers({"notes": lambda: env.notes.count() >= 4})
        """,
        [WRITE, WRITE, WRITE, "one", WRITE, "two", WRITE, "three", WRITE, "four"],
        limits={"steps": 2},
        snapshot="every-turn",
    )
    whole, lines = played.parts(), played.journal.read_bytes()
    for point in played.snapshots():
        played.journal.write_bytes(lines)
        played.crash_behind(point)
        assert played.run().parts() == whole


# -- the cursor alone -------------------------------------------------------------------------------------------------


def _line(seq: int, kind: str, cause: int | None = None, **data: object) -> dict[str, object]:
    return {"seq": seq, "kind": kind, "cause": cause, "time": seq * 10, "data": encode(data)}


STORY = [
    _line(1, "header"),
    _line(2, "call", path="env.after", args={"span": 5}),
    _line(3, "return", 2, value=2),
    _line(4, "call", path="env.clock.advance", args={"span": 9}),
    _line(5, "fire", 2, callback=2),
    _line(6, "change"),
    _line(7, "call", path="env.notes.add", args={"text": "x"}),
    _line(8, "raise", 7, type="NotFound", message="none", code="404"),
    _line(9, "fired", 5),
    _line(10, "return", 4, value=None),
]


def test_the_cursor_answers_in_order_and_fires_on_the_way():
    cursor = Cursor(STORY)
    fired = []

    def fire(number, data):
        fired.append((number, cursor.micros))
        with pytest.raises(NotFound, match="none") as told:
            cursor.answer(Call("env.notes.add", {}), {"text": "x"}, fire)
        assert told.value.code == "404"

    assert cursor.answer(Call("env.after", {}), {"span": 5}, fire) == 2
    assert cursor.answer(Call("env.clock.advance", {}), {"span": 9}, fire) is None
    assert fired == [(2, 50)]
    cursor.finish()
    with pytest.raises(Live):
        cursor.enter(Call("env.after", {}), {})


def test_the_cursor_notices_callbacks_that_do_less_or_more():
    cursor = Cursor(STORY)
    cursor.answer(Call("env.after", {}), {"span": 5}, lambda number, data: None)
    with pytest.raises(
        ReplayDiverged, match=r"a callback ended, where before event 7 called env.notes.add\(text='x'\)"
    ):
        cursor.answer(Call("env.clock.advance", {}), {"span": 9}, lambda number, data: None)
    with pytest.raises(ReplayDiverged):
        cursor.finish()


def test_an_unknown_recorded_error_is_the_programs():
    story = [_line(1, "call", path="p", args={}), _line(2, "raise", 1, type="Strange", message="gone", code=None)]
    with pytest.raises(ProgramError, match="gone"):
        Cursor(story).answer(Call("p", {}), {}, lambda number, data: None)


def test_equal_parts_hold_everything_but_wall(play):
    played = play("@entry()\ndef fn(env, agent):\n    return run_checkers({})\n")
    lines = [json.loads(line) for line in Path(played.journal).read_bytes().splitlines()]
    for event, line in zip(played.events(), lines, strict=True):
        wall = line.pop("wall")
        assert wall["at"] > 0
        assert json.loads(event.equal_part()) == line
    assert lines[0]["kind"] == EventKind.HEADER
