"""What an agent tries out and takes back: the whole world as it was, and everything that goes on."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from notes_capability import Notes
from terrarium.agent.solution import think
from terrarium.cli.main import terrarium
from terrarium.core.agent import Reply
from terrarium.core.capability import Traits
from terrarium.core.errors import Unsupported
from terrarium.core.journal import EventKind
from terrarium.core.message import ToolUseBlock
from terrarium.core.tool import ToolCall
from terrarium.core.trajectory import load
from terrarium.run.config import AgentConfig
from terrarium.sandbox.tier import tier

NAMESPACES = pytest.mark.skipif(tier().number > 1, reason="; ".join(tier().reasons) or "there")


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "args": arguments}


CLEANING = """
    @entry(["email"], checkpoints=2)
    def fn(env, agent):
        env.workspace.fs.write_file("/root/keep.txt", "precious")
        env.workspace.fs.write_file("/root/old.txt", "old")
        env.email.send("ann@corp.example", "agent@world.example", "Please", "Remove old.txt, and nothing else.")
        agent.act("Do what the mail says.")
        return run_checkers({
            "kept": lambda: env.workspace.fs.exists("/root/keep.txt"),
            "removed": lambda: not env.workspace.fs.exists("/root/old.txt"),
            "nothing else": lambda: env.unchanged_except("workspace:file:/root/old.txt"),
        })

    @fn.solution
    def solve(seat):
        seat.call("checkpoint", label="before")
        seat.call("workspace_exec", command="rm -rf /root/*")
        if "keep.txt" not in seat.call("workspace_list", path="/root"):
            seat.call("resume_from", label="before")
        seat.call("workspace_exec", command="rm /root/old.txt")
        return "done"
"""


def test_an_agent_takes_back_a_mistake_and_passes(play):
    played = play(CLEANING, "oracle")
    assert played.reward == 1.0
    folder = played.journal.parent
    assert [path.name for path in folder.iterdir()] == ["journal.jsonl"], "what was kept is gone with the world"
    assert not (played.folder / "snapshots").exists(), "and is no resume point"
    assert play(CLEANING, "oracle").parts()[1:] == played.parts()[1:]


# -- what goes on, and what comes again -------------------------------------------------------------------------------

DUE = """
    @entry(["notes"], NOTES, notices=["notes"], checkpoints=3)
    def fn(env, agent):
        said = []
        env.after("8s", lambda: env.notes.leave("agent", f"once, {len(said)}") and said.append(1))
        env.every("5s", lambda: env.notes.add("tick"), until="09:00:12")
        env.when(lambda: "go" in env.notes.texts(), lambda: agent.post("a posted turn"))
        agent.act("first")
        env.reward(f"{said} {env.notes.texts()}", 0)
        return run_checkers({"fine": lambda: True})
"""


def test_what_was_due_comes_again_and_program_and_budget_do_not_go_back(play):
    script = [
        call("notes_add", text="mine"),
        call("checkpoint", label="a"),
        call("notes_add", text="go"),
        call("notes_list"),
        call("resume_from", label="a"),
        call("notes_list"),
        call("notes_add", text="go"),
        call("notes_list"),
        "done",
        "done with the second turn",
    ]
    played = play(DUE, script)
    assert played.said == ["[1, 1] ['mine', 'tick', 'once, 1', 'tick', 'go']"]
    lists = [shown for shown in played.shown() if shown.startswith("[")]
    assert lists[0] == '["mine", "tick", "once, 0", "go", "tick"]'
    assert lists[1:] == ['["mine", "tick", "once, 1"]', '["mine", "tick", "once, 1", "tick", "go"]']
    turns = [event.data["instruction"] for event in played.events("turn") if event.data["state"] == "begin"]
    assert turns == ["first", "a posted turn"], "posted twice, done once"
    assert [event.data["notice"].text for event in played.events("notice")] == [
        "a note for you: once, 0",
        "a note for you: once, 1",
    ]
    totals = played.result.totals
    assert (totals["tool_calls"], totals["steps"]) == (8, 10), "nothing of what was used up is given back"


LONG = """
    @entry(["notes"], NOTES, checkpoints=2)
    def fn(env, agent):
        env.every("4s", lambda: env.notes.add(f"tick {env.random.random():.3f}"), until="09:01")
        env.after("7s", lambda: agent.register_tools(late))
        def late() -> int:
            "Count."
            return env.notes.count()
        for turn in range(4):
            agent.act(f"turn {turn}")
        env.reward(f"{env.notes.texts()}", 0)
        env.reward(f"{[str(change) for change in env.diff().changes]}", 0)
        return run_checkers({"fine": lambda: True})
"""
TURN = [
    call("notes_add", text="before"),
    call("checkpoint", label="a"),
    call("notes_add", text="wrong"),
    call("notes_list"),
    call("resume_from", label="a"),
    call("notes_add", text="right"),
    "done",
]


@pytest.mark.parametrize("mode", ["every-turn", "every-step"])
@pytest.mark.parametrize(("kind", "turn", "more"), [("snapshot", 1, 2), ("restored", 2, 1), ("restored", 3, 6)])
def test_a_trial_that_is_killed_goes_on_to_the_same_end(play, kind, turn, more, mode):
    """Behind the end of a turn in which the world went back, and in the middle of one, behind that and before."""
    played = play(LONG, TURN * 4, snapshot=mode)
    parts, said = played.parts(), played.said
    assert "wrong" not in said[0]
    assert said[0].count("right") == 4
    assert played.result.totals["tool_calls"] == 24
    restored = [event for event in played.events("snapshot") if "restored" in event.data]
    assert len(restored) == 4
    played.crash_behind(restored[turn] if kind == "restored" else played.snapshots()[turn], more)
    again = played.trial.run_sync()
    assert again.error is None
    assert again.totals["tool_calls"] == 24
    assert played.parts() == parts
    assert again.tries == 1, "it was not begun anew"
    other = play(LONG, TURN * 4, snapshot=mode)
    assert other.parts()[1:] == parts[1:]


# -- what is refused --------------------------------------------------------------------------------------------------

PLAIN = """
    @entry(["notes"], NOTES, checkpoints=2)
    def fn(env, agent):
        agent.act("first")
        agent.act("second")
        return run_checkers({"fine": lambda: True})
"""


def test_what_cannot_be_kept_or_brought_back_says_why(play):
    bad: list[Any] = ["", "  ", "x" * 65, "x" * 10_000_000, "two\nlines", "\x1b[31m", "\ud800", 7, None, ["a"]]
    script = [
        call("resume_from", label="a"),
        *[call(tool, label=label) for tool in ("checkpoint", "resume_from") for label in bad],
        call("checkpoint", label="a"),
        call("checkpoint", label="b"),
        call("checkpoint", label="c"),
        call("checkpoint", label="a"),
        call("resume_from", label="A"),
        "done",
        call("resume_from", label="a"),
        call("checkpoint", label="d"),
        "done",
    ]
    played = play(PLAIN, script)
    assert played.reward == 1.0
    results = [event.data["result"] for event in played.events("tool_result")]
    assert "you hold: none" in results[0].content
    assert all(result.error in ("refused", "bad_arguments") for result in results[: 1 + 2 * len(bad)])
    assert max(len(result.content) for result in results) < 600
    a, b, c, again, wrong, later, d = results[1 + 2 * len(bad) :]
    assert (a.error, b.error, again.error, d.error) == (None, None, None, None)
    assert "'a', 'b'" in c.content
    assert again.value["held"] == ["b", "a"]
    assert "no checkpoint 'A'; you hold: 'b', 'a'" in wrong.content
    assert "you hold: none" in later.content, "the program has gone on since"
    assert d.value["held"] == ["d"]


def test_very_many_are_kept_in_the_room_of_a_few(play, tmp_path):
    """As many as a turn has calls, and the world goes back again and again."""
    script = [call("checkpoint", label="ab"[n % 2]) for n in range(100)]
    script += [call("resume_from", label="ab"[n % 2]) for n in range(100)]
    look = "len(list((env._world.folder / '.checkpoints' / 'held').iterdir()))"
    source = PLAIN.replace('agent.act("first")', f'agent.act("first"); env.reward(f"{{{look}}}", 0)')
    played = play(source, [*script, call("notes_add", text="one more"), "done"], limits={"steps": 300})
    assert int(played.said[0]) <= 2
    assert played.result.totals["tool_calls"] == 200
    assert len(played.events()) < 1_100
    assert played.journal.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("checkpoints=-1", "a whole number"),
        ("checkpoints=True", "a whole number"),
        ("checkpoints=101", "0 to 100"),
        ("checkpoints=2, agents=['a', 'b']", "one agent"),
    ],
)
def test_what_cannot_be_had(play, given, told):
    with pytest.raises(Exception, match=told):
        play(PLAIN.replace("checkpoints=2", given))


def test_there_are_no_such_tools_unless_the_task_says_so(play):
    played = play(PLAIN.replace(", checkpoints=2", ""), [call("checkpoint", label="a"), "done"])
    assert "there is no tool 'checkpoint'" in played.shown()[0]


class Elsewhere(Notes):
    """On a server that nobody can copy."""

    traits = Traits(snapshots=False)

    async def save(self, to: Path) -> None:
        raise Unsupported("no")


class Ashes(Notes):
    """It cannot be opened a second time."""

    opened = 0

    async def open(self, site: Any) -> None:
        Ashes.opened += 1
        if Ashes.opened > 1:
            raise OSError("gone")
        await super().open(site)


class Changed(Notes):
    """It comes back with a row less."""

    async def save(self, to: Path) -> None:
        await super().save(to)
        if self._rows.count("note"):
            shutil.rmtree(to)


def test_a_world_that_cannot_be_saved_is_not_kept(play):
    source = PLAIN.replace("NOTES", '{"notes": {"import_path": "test_checkpoint_tool:Elsewhere"}}')
    played = play(source, [call("checkpoint", label="a"), call("resume_from", label="a"), "done"])
    assert played.reward == 1.0
    assert "notes cannot be saved" in played.shown()[0]
    assert "you hold: none" in played.shown()[1]


@pytest.mark.parametrize(("kind", "told"), [("Ashes", "gone"), ("Changed", "other rows")])
def test_half_a_world_is_never_judged(play, kind, told):
    Ashes.opened = 0
    source = PLAIN.replace("NOTES", f'{{"notes": {{"import_path": "test_checkpoint_tool:{kind}"}}}}')
    script = [call("notes_add", text="x"), call("checkpoint", label="a"), call("resume_from", label="a"), "done"]
    played = play(source, script)
    assert told in played.error
    assert played.result.error["boundary"] in ("capability", "engine")
    assert played.result.verdict.reward is None


class Hasty:
    """An agent that does several things at once."""

    timing = "fixed"

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        names = ("notes_add", "resume_from", "notes_add", "resume_from", "workspace_exec", "checkpoint", "resume_from")
        given = {"notes_add": {"text": "x"}, "workspace_exec": {"command": "echo x > new"}}
        blocks = [ToolUseBlock(f"{n}", name, given.get(name, {"label": "a"})) for n, name in enumerate(names)]
        await think(seat, "hasty", *blocks)
        await seat.call(ToolCall("checkpoint", {"label": "a"}, "first"))
        calls = [seat.call(ToolCall(block.name, block.input, block.id)) for block in blocks]
        results = await asyncio.gather(*calls)
        assert all(result.error is None for result in results), results
        return Reply.say("done")

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


def test_calls_at_the_same_time_take_effect_one_after_the_other(play):
    source = PLAIN.replace("return run", 'env.reward(f"{env.notes.texts()}", 0)\n        return run')
    played = play(source, AgentConfig(name="hasty", import_path="test_checkpoint_tool:Hasty"))
    assert played.said == ["[]"]
    assert not [event for event in played.events() if event.kind is EventKind.ERROR]
    assert load(played.journal).diff().of("notes") == []


BESIDES = """
    import asyncio

    @entry(["notes"], NOTES, checkpoints=2)
    async def fn(env, agent):
        async def other():
            await env.clock.advance("6s")
            env.notes.add("by the program")
            await env.clock.advance("20s")
        await asyncio.gather(agent.act("go"), other())
        env.reward(f"{env.notes.texts()}", 0)
        return run_checkers({"fine": lambda: True})
"""


def test_where_the_program_acts_meanwhile_the_world_does_not_go_back(play):
    script = [
        call("checkpoint", label="a"),
        call("resume_from", label="a"),
        call("notes_list"),
        call("resume_from", label="a"),
        call("checkpoint", label="b"),
        *[call("notes_list")] * 9,
        call("resume_from", label="b"),
        "done",
    ]
    played = play(BESIDES, script)
    assert played.said == ["['by the program']"]
    shown = played.shown()
    assert "something else is under way" in shown[1]
    assert "you hold: none" in shown[3]
    assert "you hold: none" in shown[-1], "the program has gone on"


def test_whoever_reads_the_story_is_told(play):
    played = play(CLEANING, "oracle")
    shown = CliRunner().invoke(terrarium, ["show", str(played.folder), played.journal.parts[-3][:8], "--all"])
    assert shown.exit_code == 0, shown.output
    assert "checkpoint before" in shown.output
    assert "the world is as it was at checkpoint before" in shown.output
    told = CliRunner().invoke(terrarium, ["show", str(played.folder), played.journal.parts[-3][:8], "--diff"])
    assert "old.txt" in told.output
    assert "keep.txt" not in told.output, "what was taken back was never done"


def test_real_time_does_not_go_back(play):
    source = PLAIN.replace("checkpoints=2", 'checkpoints=2, clock="wall"')
    script = [call("checkpoint", label="a"), call("notes_add", text="x"), call("resume_from", label="a")]
    played = play(source, [*script, call("notes_list"), "done"])
    assert played.reward == 1.0
    assert played.shown()[3] == "[]"
    times = [event.time for event in played.events()]
    assert times == sorted(times)
