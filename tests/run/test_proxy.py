"""Calls in an agent's name: what they cost, and that nobody waits for ever, whatever the agent does meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from terrarium.agent.solution import think
from terrarium.core.agent import Reply
from terrarium.core.message import TextBlock
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig


class Assisted:
    """An agent whose helper uses its tools in its name, as its instruction says."""

    timing = "fixed"

    def __init__(self) -> None:
        self.past: list[str] = []

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        proxy = seat._world.proxy(seat.name)
        said: list[str] = []

        async def use(name: str, **arguments: Any) -> None:
            result = await proxy.call(ToolCall(name, arguments))
            said.append(result.error or result.content[:4])

        what = instruction.text
        if what == "alone":
            await use("notes_add", text="a")
        elif what == "list":
            said += [tool.name for tool in await proxy.tools()]
        elif what == "many":
            await asyncio.gather(*(use("notes_add", text=str(number)) for number in range(5)))
        elif what == "while thinking":
            helping = asyncio.ensure_future(use("notes_add", text="a"))
            await think(seat, "assisted", TextBlock("hm"))
            await helping
        elif what == "both":
            mine = seat.call(ToolCall("notes_add", {"text": "mine"}))
            await asyncio.gather(mine, use("notes_add", text="a"), use("notes_add", text="b"))
        elif what == "wait":
            await use("clock_wait", minutes=5)
        elif what == "keep":
            await use("checkpoint", label="a")
            await use("resume_from", label="a")
        elif what == "too many":
            for _ in range(4):
                await use("notes_add", text="a")
        elif what == "broken":
            await use("notes_collapse")
        elif what == "watch":
            proxy.watch(lambda: self.past.append("other tools"))
        elif what == "news":
            said += self.past
        elif what == "left behind":
            self.left = asyncio.ensure_future(self._later(proxy))
        return Reply.say("; ".join(said))

    async def _later(self, proxy: Any) -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)
            await proxy.call(ToolCall("notes_add", {"text": "late"}))

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None:
        if hasattr(self, "left"):  # the program has ended with the baton in its hand: nobody is let in any more
            self.left.cancel()


ASSISTED = AgentConfig(name="assisted", import_path="test_proxy:Assisted")
ONE = """
@entry(["notes"], capabilities_config=NOTES, notices=["notes"])
def fn(env, agent, **params):
    for instruction in {instructions!r}:
        before = env.clock.now
        try:
            reply = agent.act(instruction)
            env.reward(f"{{reply.text}} | {{(env.clock.now - before).total_seconds():g}} | {{reply.tool_calls}}", 0)
        except Exception as error:
            env.reward(type(error).__name__, 0)
    return run_checkers({{"x": lambda: True}})
"""


def told(play: Any, *instructions: str, **more: Any) -> list[str]:
    played = play(ONE.format(instructions=list(instructions)), ASSISTED, **more)
    return [event.data["name"] for event in played.events("reward")]


def test_what_a_program_would_not_outlive_is_for_the_agent_itself(play: Any):
    source = ONE.replace("NOTES, ", "NOTES, checkpoints=2, ").format(instructions=["list", "keep"])
    played = play(source, ASSISTED)
    listed, kept = played.said
    assert "notes_add" in listed
    assert "checkpoint" not in listed
    assert "resume_from" not in listed
    assert kept.startswith("refused; refused")


def test_a_call_costs_what_the_agents_own_would(play: Any):
    assert told(play, "alone") == ["0000 | 1 | 1"]


def test_calls_at_once_each_take_their_time_and_none_waits_for_ever(play: Any):
    [said] = told(play, "many")
    assert said.endswith(" | 5 | 5")


@pytest.mark.parametrize(("what", "seconds", "calls"), [("while thinking", 3, 1), ("both", 3, 3)])
def test_the_agent_may_act_meanwhile(play: Any, what: str, seconds: int, calls: int):
    [said] = told(play, what)
    assert said.endswith(f" | {seconds} | {calls}")


def test_time_can_be_waited_for(play: Any):
    [said] = told(play, "wait")
    assert said.endswith(" | 301 | 1")


def test_the_budget_of_the_turn_holds(play: Any):
    [first, second] = told(play, "too many", "alone", limits={"tool_calls": 2})
    assert first == "0000; 0001; limit; limit | 2 | 2"
    assert second == "0002 | 1 | 1"


def test_a_tool_that_breaks_fails_the_trial_not_the_machinery(play: Any):
    assert told(play, "broken")[0] == "CapabilityFault"


def test_what_is_left_behind_cannot_act_between_turns(play: Any):
    played = play(
        ONE.format(instructions=["left behind"]).replace(
            "    return run", "    env.clock.advance(60)\n    import time; time.sleep(0.1)\n    return run"
        ),
        ASSISTED,
    )
    assert not played.events("tool_call")


def test_a_call_leaves_the_conversation_alone(play: Any):
    played = play(ONE.format(instructions=["alone"]), ASSISTED)
    [call], [result] = played.events("tool_call"), played.events("tool_result")
    assert (call.data["via"], result.data["via"], result.cause) == ("mcp", "mcp", call.seq)
    from terrarium.core.trajectory import load

    conversation = load(played.journal).conversation("agent")
    assert [message.role for message in conversation.messages] == ["user", "assistant"]
    assert conversation.tool_calls == 1


NEWS = """
@entry(["notes"], capabilities_config=NOTES)
def fn(env, agent):
    agent.act("watch")
    agent.act("alone")
    env.acquire("notes:more", {"import_path": "notes_capability:Notes"})
    env.reward(agent.act("news").text, 0)
    return run_checkers({"x": lambda: True})
"""


def test_a_capability_that_comes_later_is_news_when_the_next_turn_begins(play: Any):
    played = play(NEWS, ASSISTED)
    assert played.error is None
    assert played.said == ["other tools"]


TWO = """
@entry(["notes"], agents=["ann", "bob"], capabilities_config=NOTES)
async def fn(env, agents):
    import asyncio
    await asyncio.gather(*(agents[name].act("many") for name in ("ann", "bob")))
    return run_checkers({"all": lambda: len(env.notes.texts()) == 10})
"""


def test_two_agents_with_helpers_wait_for_each_other_and_not_for_ever(play: Any):
    played = play(TWO, ASSISTED)
    assert played.error is None
    times = [event.time for event in played.events("tool_result")]
    assert times == sorted(times)
    assert len(times) == 10
