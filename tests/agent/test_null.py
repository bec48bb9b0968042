"""The null agent does nothing, at no cost."""

from __future__ import annotations

import asyncio

from terrarium.agent.null import NullAgent


def test_it_answers_with_silence_and_touches_nothing(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            began = env.clock.now
            reply = agent.act("do everything")
            env.reward(f"{reply.text!r} {reply.stop} {reply.steps} {env.clock.now == began}", 0)
            return run_checkers({"none": lambda: env.notes.count() == 0})
        """,
        "null",
    )
    assert played.reward == 1.0
    assert played.said == ["'' completed 0 True"]
    assert not played.events("step", "tool_call", "change")


def test_it_has_no_memory():
    agent = NullAgent()
    assert agent.save() == b""
    agent.load(b"")
    asyncio.run(agent.close())
    asyncio.run(agent.close())
