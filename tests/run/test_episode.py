"""Turns, limits and failures of an episode."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from terrarium.agent.solution import think
from terrarium.core.agent import Reply
from terrarium.core.message import TextBlock
from terrarium.run.config import AgentConfig


class Awkward:
    """An agent that does what its instruction says, good or bad, and remembers everything it was told."""

    timing = "fixed"

    def __init__(self) -> None:
        self.past: list[str] = []

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        self.past.append(instruction.text)
        verb, _, rest = instruction.text.partition(" ")
        if verb == "think":
            for number in range(int(rest)):
                await think(seat, "awkward", TextBlock(f"{number}"))
                self.past.append(str(number))
        elif verb == "sleep":
            await asyncio.sleep(float(rest))
        elif verb == "raise":
            raise {"ValueError": ValueError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[rest](
                "ouch"
            )
        elif verb == "return":
            return rest
        await think(seat, "awkward", TextBlock("say"))
        return Reply.say(" | ".join(self.past))

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


AWKWARD = AgentConfig(name="awkward", import_path="test_episode:Awkward")

ACTS = """
@entry()
def fn(env, agent, **params):
    for instruction in {instructions!r}:
        began = env.clock.now
        try:
            reply = agent.act(instruction)
            env.reward(f"{{reply.stop}} {{reply.steps}} {{(env.clock.now - began).total_seconds():g}}", 0)
        except TerrariumError as error:
            env.reward(f"{{type(error).__name__}}: {{error}}", 0)
    return run_checkers({{"so": lambda: True}})
"""


def test_steps_of_a_turn_are_limited_and_cost_world_time(play):
    played = play(ACTS.format(instructions=["think 2", "think 9", "think 0"]), AWKWARD, limits={"steps": 3})
    assert played.reward == 1.0
    assert played.said == ["completed 3 6", "step_limit 3 6", "completed 1 2"]


def test_tool_calls_of_a_turn_are_limited(play):
    script = [{"tool": "workspace_list"}] * 5 + ["done"]
    played = play(
        ACTS.format(instructions=["x"]), script, limits={"tool_calls": 2, "model_cost": 5, "tool_cost": "500ms"}
    )
    assert played.said == ["tool_call_limit 3 16"]
    assert len(played.events("tool_result")) == 2


def test_turns_of_a_trial_are_limited(play):
    played = play(ACTS.format(instructions=["a", "b", "c"]), "null", limits={"turns": 2})
    assert played.said == ["completed 0 0", "completed 0 0", "turn_limit 0 0"]
    assert played.result.stop == "turn_limit"
    assert played.reward == 1.0


def test_a_turn_that_takes_too_long_ends_and_the_next_one_begins(play):
    played = play(ACTS.format(instructions=["sleep 1000", "think 0"]), AWKWARD, limits={"turn_seconds": 0.2})
    assert played.said == ["turn_time_limit 0 0", "completed 1 2"]


def test_the_trials_time_ends_a_turn_and_the_program_may_still_judge(play):
    played = play(
        ACTS.format(instructions=["sleep 1000", "think 0"]), AWKWARD, limits={"trial_seconds": 0.3, "grace_seconds": 5}
    )
    assert played.said == ["time_limit 0 0", "time_limit 0 0"]
    assert played.reward == 1.0
    assert played.result.stop == "time_limit"


def test_world_time_is_limited(play):
    source = """
        @entry()
        def fn(env, agent):
            env.after("36h", lambda: env.reward("never", 0))
            try:
                env.clock.advance("2d")
            except BudgetSpent:
                env.reward(f"{env.clock.now:%d %H:%M}", 0)
            return run_checkers({"so": lambda: True})
        """
    played = play(source, limits={"world_days": 1})
    assert played.said == ["08 09:00"]
    assert played.reward == 1.0


def test_world_time_limit_stops_an_agent(play):
    played = play(ACTS.format(instructions=["think 9"]), AWKWARD, limits={"world_days": 5 / 86400})
    assert played.said == ["world_time_limit 3 5"]


def test_a_program_that_acts_on_and_on_is_stopped(play):
    played = play("@entry()\ndef fn(env, agent):\n    while True: agent.act('x')\n", limits={"turns": 3})
    assert played.error.startswith("BudgetSpent: the trial is over (turn_limit), but its program acts on and on")


@pytest.mark.parametrize(
    ("instruction", "error"),
    [
        ("raise ValueError", "AgentFault: agent 'agent': ValueError: ouch"),
        ("raise SystemExit", "AgentFault: agent 'agent': SystemExit: ouch"),
        ("raise KeyboardInterrupt", "AgentFault: agent 'agent': KeyboardInterrupt: ouch"),
        ("return text", "AgentFault: agent 'agent' replied with str, not a Reply"),
    ],
)
def test_an_agent_that_fails_is_an_agent_fault_and_the_program_may_go_on(play, instruction, error):
    played = play(ACTS.format(instructions=[instruction, "think 0"]), AWKWARD)
    assert played.said == [error, "completed 1 2"]
    uncaught = play(f"@entry()\ndef fn(env, agent):\n    agent.act({instruction!r})\n", AWKWARD)
    assert uncaught.error == error
    assert uncaught.result.error["boundary"] == "agent"


def test_an_instruction_is_text(play):
    played = play("@entry()\ndef fn(env, agent):\n    agent.act(5)\n")
    assert played.error == "ProgramError: an instruction is text, not int"


def test_a_broken_service_under_an_agent_ends_the_turn_and_reaches_the_program(play):
    source = """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            {act}
            return run_checkers({{"so": lambda: True}})
        """
    script = [{"tool": "notes_collapse"}, {"tool": "notes_add", "args": {"text": "after"}}, "done"]
    played = play(source.format(act="agent.act('go')"), script)
    assert played.error == "CapabilityFault: the notes are on fire"
    assert played.result.error["boundary"] == "capability"
    assert played.result.retried
    assert played.result.verdict.reward is None
    assert not played.events("change")


def test_a_memory_without_save_is_lived_through_again_turn_by_turn(play):
    """Turns that a limit cut short, that failed or that took too long leave the same memory behind after a resume."""
    acts = ["think 9", "raise ValueError", "return text", "sleep 1000", "think 1", "think 0"]
    played = play(
        ACTS.format(instructions=acts), AWKWARD, limits={"steps": 2, "turn_seconds": 0.5}, snapshot="every-turn"
    )
    whole, lines = played.parts(), played.journal.read_bytes()
    assert played.reward == 1.0
    for point in played.snapshots()[-3:]:
        played.journal.write_bytes(lines)
        played.crash_behind(point)
        assert played.run().parts() == whole


def test_a_solution_that_blocks_does_not_hold_up_the_engine(play):
    began = time.monotonic()
    played = play(
        """
        import time

        @entry()
        def fn(env, agent):
            for round in range(3):
                reply = agent.act(f"round {round}")
                env.reward(f"{reply.stop} {reply.text}", 0)
            return run_checkers({"so": lambda: True})

        @fn.solution
        def solve(seat):
            yield "first"
            time.sleep(3)
            yield "never"
        """,
        "oracle",
        limits={"turn_seconds": 0.3},
    )
    assert played.said == ["completed first", "turn_time_limit ", "completed "]
    assert time.monotonic() - began < 60


def test_a_turn_that_was_posted_and_never_done_is_the_tasks_fault(play):
    source = """
        @entry()
        def fn(env, agent):
            agent.post("hello")
            {then}
            return run_checkers({{"one": lambda: len(agent.replies) == 1}})
        """
    lost = play(source.format(then=""))
    assert lost.error is not None
    assert lost.error.startswith("ProgramError: 1 turns posted to agent were never done")
    assert play(source.format(then="env.clock.advance(0)")).reward == 1.0


def test_a_capability_that_is_not_there_is_told_with_the_nearest(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.ntoes.add("x")
        """
    )
    assert played.error is not None
    assert "no 'ntoes' (did you mean 'notes'?); its capabilities are: notes" in played.error
