"""Programs: their threads, their ends, and `async def` ones."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from terrarium.core.agent import Reply
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig


class Sleeper:
    """An agent that begins and never ends; it notes when it is stopped."""

    timing = "fixed"
    stopped = threading.Event()

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        try:
            await seat.call(ToolCall("begin", {}))
            await asyncio.sleep(1000)
        finally:
            Sleeper.stopped.set()
        return Reply.say("")

    def save(self) -> bytes | None:
        return b""

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("raise ValueError('my own')", "ProgramError: ValueError: my own"),
        ("raise Refused('no')", "Refused: no"),
        ("raise SystemExit(3)", "TaskFault: the program raised SystemExit: 3"),
        ("raise KeyboardInterrupt", "TaskFault: the program raised KeyboardInterrupt: "),
        ("import asyncio; raise asyncio.CancelledError", "TaskFault: the program raised CancelledError: "),
        ("class Odd(BaseException): pass\n    raise Odd('x')", "TaskFault: the program raised Odd: x"),
        ("return None", "ProgramError: the program returned NoneType, not the CheckerResults of run_checkers(...)"),
        ("return 1.0", "ProgramError: the program returned float, not the CheckerResults of run_checkers(...)"),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_however_a_program_ends_it_is_recorded_once(play, kind, ending, error):
    played = play(f"@entry()\n{kind} fn(env, agent):\n    {ending}\n")
    assert played.error == error
    assert played.result.verdict.reward is None
    assert played.result.error["boundary"] == "task"
    assert [e.kind for e in played.events()][-3:] == ["error", "stop", "verdict"]


def test_a_callback_that_exits_ends_the_program(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            def leave():
                raise SystemExit(1)
            env.after(1, leave)
            env.clock.advance(5)
        """
    )
    assert played.error == "TaskFault: the program raised SystemExit: 1"


def test_async_program_awaits_one_thing_after_another(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        async def fn(env, agent):
            env.after(1, lambda: env.notes.add("callback"))
            reply = await agent.act("go")
            await env.clock.advance("1h")
            try:
                await env.clock.advance(-1)
            except Refused:
                env.reward("refused", 0)
            said = reply.text == "hi"
            return run_checkers({"texts": lambda: env.notes.texts() == ["callback", "one"], "said": lambda: said})
        """,
        [{"tool": "notes_add", "args": {"text": "one"}}, "hi"],
    )
    assert played.reward == 1.0
    assert played.said == ["refused"]


def test_async_program_has_no_wall_clock(play):
    played = play(
        """
        import asyncio

        @entry()
        async def fn(env, agent):
            try:
                await asyncio.sleep(0.01)
            except TaskFault as error:
                env.reward(str(error), 0)
            await asyncio.get_running_loop().create_future()
        """
    )
    assert "no wall clock" in played.said[0]
    assert played.error == "TaskFault: the program awaits something that will never happen"


def test_async_program_with_two_agents_at_once(play):
    played = play(
        """
        import asyncio

        @entry(["notes"], NOTES, agents=["a", "b"])
        async def fn(env, agents):
            replies = await asyncio.gather(*(agents[name].act(f"go {name}") for name in "ab"))
            return run_checkers({
                "both": lambda: sorted(env.notes.texts()) == ["one", "one"],
                "said": lambda: [reply.text for reply in replies] == ["hi", "hi"],
            })
        """,
        [{"tool": "notes_add", "args": {"text": "one"}}, "hi"],
    )
    assert played.reward == 1.0
    assert sorted(e.actor for e in played.events("change")) == ["a", "b"]


@pytest.mark.parametrize("failing", ["return run_checkers({'so': lambda: True})", "raise ValueError"])
def test_a_turn_that_nobody_waits_for_is_stopped_with_the_program(play, failing):
    Sleeper.stopped.clear()
    played = play(
        f"""
        import asyncio

        @entry()
        async def fn(env, agent):
            begun = asyncio.Event()
            def begin() -> None:
                '''The agent says that it has begun.'''
                begun.set()
            agent.register_tools(begin)
            turn = asyncio.ensure_future(agent.act("sleep"))
            await begun.wait()
            {failing}
        """,
        AgentConfig(name="sleeper", import_path="test_program:Sleeper"),
    )
    assert (played.error is None) == ("return" in failing)
    assert Sleeper.stopped.wait(10), "the agent goes on though its trial has ended"


@pytest.mark.parametrize("body", ["while True: pass", "while True: agent.act('x')", "while True: env.clock.advance(0)"])
def test_a_program_that_never_ends_is_ended_by_its_budget(play, body):
    played = play(f"@entry()\ndef fn(env, agent):\n    {body}\n", limits={"trial_seconds": 0.5, "grace_seconds": 0.2})
    assert played.error is not None
    assert played.error.startswith("BudgetSpent")
    assert played.result.error["boundary"] == "budget"
    assert played.result.verdict.reward is None
    assert played.result.seconds < 0.5 + 0.2 + 2.5


def test_a_program_that_cannot_be_stopped_is_left_behind(play):
    release = threading.Event()
    Sleeper.release = release  # type: ignore[attr-defined]
    played = play(
        """
        import test_program

        @entry()
        def fn(env, agent):
            try:
                test_program.Sleeper.release.wait(30)
            except BaseException:
                pass
            try:
                env.clock.advance(1)
            except BaseException as error:
                test_program.Sleeper.told = type(error).__name__
                test_program.Sleeper.stopped.set()
        """,
        limits={"trial_seconds": 0.3, "grace_seconds": 0.1},
    )
    assert played.error.startswith("BudgetSpent")
    Sleeper.stopped.clear()
    release.set()
    assert Sleeper.stopped.wait(10)
    assert Sleeper.told == "WorldClosed"  # type: ignore[attr-defined]
