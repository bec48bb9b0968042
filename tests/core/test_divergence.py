"""A program that does something else when it is run again is found out at its first other call, and never scored."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from terrarium.core.errors import ReplayDiverged
from terrarium.core.replay import Call, Cursor

SCRIPT = ["one", "two", "three"]

HIDDEN = {
    "random numbers": ("import random", 'env.notes.add(f"{random.random()}")'),
    "the wall clock": ("import time", 'env.notes.add(f"{time.time_ns()}")'),
    "a count that outlives the trial": (
        "import os",
        'os.environ["COUNT"] = os.environ.get("COUNT", "") + "x"; env.notes.add(os.environ["COUNT"])',
    ),
    "an identity": ("import uuid", "env.notes.add(str(uuid.uuid4()))"),
    "what a file says": (
        "from pathlib import Path",
        'mark = Path(__file__).with_name("mark"); env.notes.add(f"{mark.exists()}"); mark.touch()',
    ),
}
PLAIN = """
{first}

@entry(["notes"], NOTES)
def fn(env, agent):
    for number in range(3):
        agent.act(f"turn {{number}}")
        {more}
    return run_checkers({{"so": lambda: True}})
"""
ASYNC = """
import asyncio
{first}

@entry(["notes"], NOTES)
async def fn(env, agent):
    for number in range(3):
        await asyncio.gather(agent.act(f"turn {{number}}"), env.clock.advance(1))
        {more}
    return run_checkers({{"so": lambda: True}})
"""
IN_A_CALLBACK = """
{first}

@entry(["notes"], NOTES)
def fn(env, agent):
    def ring():
        {more}
    env.every(1, ring)
    for number in range(3):
        agent.act(f"turn {{number}}")
        env.clock.advance(5)
    return run_checkers({{"so": lambda: True}})
"""


def cut_short(played, point=1):
    """A run that was killed behind a snapshot; what followed it, as the lost tail will hold it."""
    assert played.error is None
    played.crash_behind(played.snapshots()[point])
    return played


def diverged(played):
    """What the message says, once it is certain that nothing was scored and nothing is gone."""
    before = played.journal.read_bytes().splitlines(keepends=True)
    played.run_as_before()
    error = played.result.error
    assert error is not None, "it was not found out"
    assert (error["type"], error["boundary"]) == ("ReplayDiverged", "task")
    assert played.result.verdict.reward is None
    assert played.result.verdict.passed is None
    assert played.result.tries == 1
    kept = played.journal.read_bytes().splitlines(keepends=True)
    lost = b"".join(path.read_bytes() for path in played.journal.parent.glob("lost-*.jsonl"))
    cut = len(kept) - 3  # error, stop, verdict
    assert kept[:cut] == before[:cut]
    assert lost == b"".join(before[cut:-1]), "the torn line is all that is gone"
    assert "env.random" in error["message"]
    return error["message"]


@pytest.mark.parametrize("program", [PLAIN, ASYNC, IN_A_CALLBACK], ids=["def", "async def", "callback"])
@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_program_may_not_look_at_is_found_out(play, monkeypatch, program, name):
    monkeypatch.delenv("COUNT", raising=False)
    first, more = HIDDEN[name]
    told = diverged(cut_short(play(program.format(first=first, more=more), SCRIPT, snapshot="every-turn")))
    assert "the program now calls env.notes.add(text='" in told
    assert "before it called env.notes.add(text='" in told
    one, other = told.split("env.notes.add(text=")[1:]
    assert one.split(")")[0] != other.split(")")[0], "both sides are shown, and differ"
    line = next(n for n, text in enumerate(play_lines(program, first, more), 1) if more in text)
    assert told.startswith(f"task.py, line {line}: event "), told


def play_lines(program, first, more):
    from tests.conftest import HEAD

    return (HEAD + program.format(first=first, more=more)).splitlines()


SETS = """
@entry(["notes"], NOTES)
def fn(env, agent):
    for name in {"ann", "bob", "cleo", "dora", "eve", "fay", "gus"}:
        env.notes.add(name)
    agent.act("one")
    agent.act("two")
    return run_checkers({"so": lambda: True})
"""
AGAIN = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig
agent = AgentConfig(name="scripted", kwargs={"script": ["one", "two"]})
config = TrialConfig(TaskConfig(path=sys.argv[1]), agent, trial_dir=sys.argv[2], snapshot="every-turn", resume=False)
result = Trial(config).run_sync()
print(result.error["message"] if result.error else result.verdict.reward)
"""


def test_the_order_of_a_set_is_found_out_in_a_process_with_another_hash_seed(play):
    played = play(SETS, run=False)

    def go(seed):
        command = [sys.executable, "-c", AGAIN, str(played.task.parent), str(played.folder)]
        env = {**os.environ, "PYTHONHASHSEED": str(seed)}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60).stdout

    assert go(1) == "1.0\n"
    played.crash_behind(played.snapshots()[0])
    told = go(2)
    assert "the program now calls env.notes.add(text='" in told
    assert "before it called env.notes.add(text='" in told


CHANGED = """
@entry(["notes"], NOTES)
def fn(env, agent):
    def ring():
        env.notes.add("ring")
        {inside}
    env.after(1, ring)
    {first}
    agent.act("one")
    env.clock.advance(5)
    {between}
    agent.act("two")
    agent.act("three")
    {last}
    return run_checkers({{"so": lambda: True}})
"""


@pytest.mark.parametrize(
    ("part", "code", "told"),
    [
        ("first", 'env.notes.add("x")', "now calls env.notes.add(text='x'), before it called agent.act("),
        ("first", "agent = None; return None", "the program has ended, where before event"),
        ("first", "return run_checkers({})", "now calls env.checking(names=[]), before it called agent.act("),
        ("between", 'agent.act("two, please")', "agent.act(instruction='two, please'), before it called agent.act("),
        ("between", "raise KeyError(1)", "the program raised KeyError: 1, where before event"),
        ("between", "env.clock.advance(1)", "now calls env.clock.advance("),
        ("inside", "env.notes.count()", "calls env.notes.count(), where before the callback had ended (event "),
        ("inside", "raise KeyError(1)", "a callback raised KeyError, where before it raised nothing"),
        ("inside", 'env.notes.add("again")', "calls env.notes.add(text='again'), where before the callback had ended"),
    ],
)
def test_changed_code_is_found_out_at_its_first_other_call(play, part, code, told):
    parts = dict.fromkeys(("inside", "first", "between", "last"), "pass")
    played = cut_short(play(CHANGED.format(**parts), SCRIPT, snapshot="every-turn"), 2)
    played.write(CHANGED.format(**{**parts, part: code}))
    message = diverged(played)
    assert told in message, message
    line = next((n for n, text in enumerate(played.task.read_text().splitlines(), 1) if text.strip() == code), 0)
    if "now calls" in told and part != "first":
        assert message.startswith(f"task.py, line {line}: "), message


def test_a_callback_that_does_less_is_found_out(play):
    parts = dict.fromkeys(("first", "between", "last"), "pass")
    played = play(CHANGED.format(inside='env.notes.add("more")', **parts), SCRIPT, snapshot="every-turn")
    cut_short(played, 2)
    played.write(CHANGED.format(inside="pass", **parts))
    assert "a callback ended, where before event" in (told := diverged(played))
    assert "called env.notes.add(text='more')" in told


def test_a_program_that_swallows_its_divergence_and_fails_otherwise_is_found_out(play):
    parts = dict.fromkeys(("inside", "first", "last"), "pass")
    played = cut_short(play(CHANGED.format(between="pass", **parts), SCRIPT, snapshot="every-turn"), 2)
    quiet = "try:\n        env.notes.count()\n    except Exception as error:\n        raise KeyError(1) from None"
    played.write(CHANGED.format(between=quiet, **parts))
    assert "now calls env.notes.count(), before it called agent.act(" in diverged(played)


def test_changes_behind_the_point_of_resume_are_no_divergence(play):
    parts = dict.fromkeys(("inside", "first", "between"), "pass")
    played = cut_short(play(CHANGED.format(last="pass", **parts), SCRIPT, snapshot="every-turn"), 2)
    played.write(CHANGED.format(last='env.notes.add("new")', **parts))
    played.run_as_before()
    assert played.reward == 1.0


@pytest.mark.parametrize("more", ["env.notes.count()", 'env.notes.add("late")', 'agent.act("more")'])
def test_a_program_that_goes_on_where_it_had_ended_is_found_out(play, more):
    """Its checks are done and its last snapshot is stored; only the verdict is missing."""
    source = CHANGED.replace("return run_checkers", "judged = run_checkers") + "    {more}\n    return judged\n"
    parts = dict.fromkeys(("inside", "first", "between", "last"), "pass")
    played = play(source.format(more="pass", **parts), SCRIPT, snapshot="every-turn")
    final = played.snapshots()[-1]
    assert final.data["final"]
    played.crash_behind(final)
    played.write(source.format(more=more, **parts))
    told = diverged(played)
    assert told.startswith("task.py, line "), told
    assert ", where before it had ended; " in told


SWAPPED = """
import asyncio

@entry(["notes"], NOTES)
async def fn(env, agent):
    async def add(text):
        await asyncio.sleep(0)
        env.notes.add(text)
    {order}
    await agent.act("one")
    await agent.act("two")
    return run_checkers({{"so": lambda: True}})
"""


def test_tasks_of_an_async_program_in_another_order_are_found_out(play):
    source = SWAPPED.format(order='await asyncio.gather(add("same"), add("other"), add("same"))')
    played = cut_short(play(source, SCRIPT, snapshot="every-turn"))
    played.write(SWAPPED.format(order='await asyncio.gather(add("other"), add("same"), add("same"))'))
    assert "add(text='other'), before it called env.notes.add(text='same')" in diverged(played)


def test_a_task_of_an_async_program_does_not_take_the_answer_of_another():
    def line(seq, kind, cause=None, **data):
        return {"seq": seq, "kind": kind, "cause": cause, "time": seq, "data": data}

    story = [
        line(1, "call", path="p", args={}, task=1),
        line(2, "return", 1, value=1),
        line(3, "call", path="p", args={}, task=2),
    ]
    cursor = Cursor(story)
    assert cursor.answer(Call("p", {}, 1), {}, lambda number, data: None) == 1
    with pytest.raises(
        ReplayDiverged, match=r"event 3: p\(\) is now called by task 1 of the program, before .* task 2"
    ):
        cursor.enter(Call("p", {}, 1), {})


def test_long_values_are_shown_where_they_begin_to_differ(play):
    source = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        env.notes.add("x" * 5000 + {what!r} + "z" * 5000)
        agent.act("one")
        agent.act("two")
        return run_checkers({{"so": lambda: True}})
    """
    played = cut_short(play(source.format(what="apple"), SCRIPT, snapshot="every-turn"))
    played.write(source.format(what="pear"))
    told = diverged(played)
    assert "xxxpearzzz" in told
    assert "xxxapplezzz" in told
    assert len(told) < 600
