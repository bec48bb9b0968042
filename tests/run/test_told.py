"""What a program is told of its agents, worked out from the journal: the same as it was told then."""

from __future__ import annotations

import pytest

from terrarium.run.told import told

WRITE = {"tool": "notes_add", "args": {"text": "by the agent"}}

SOURCE = """
    @entry(["notes"], NOTES, agents={agents})
    def fn(env, given):
        agents = given if isinstance(given, dict) else {{"agent": given}}
        def look():
            for agent in agents.values():
                agent.messages, agent.replies, agent.get_trajectory(), agent.system_prompt
        look()
        for agent in agents.values():
            agent.system_prompt = f"You are {{agent.name}}."
            agent.act("begin")
            look()
        agent.system_prompt = None
        agent.post("later")
        env.clock.advance("1h")
        look()
        agent.act("at last")
        look()
        return run_checkers({{"fine": lambda: True}})
"""


@pytest.mark.parametrize("agents", [["agent"], ["buyer", "seller"]])
@pytest.mark.parametrize("script", [[WRITE, WRITE, "one", "two", WRITE, "three"], ["only words"], []])
def test_it_is_what_the_program_was_told_then(play, agents, script):
    events = play(SOURCE.format(agents=agents), script or "null").events()
    looked = 0
    for event in events:
        path, _, what = event.data.get("path", "").rpartition(".") if event.kind == "call" else ("", "", "")
        if what in ("messages", "replies", "get_trajectory", "system_prompt"):
            [answer] = (end.data["value"] for end in events if end.kind == "return" and end.cause == event.seq)
            name = path.rpartition(".")[2]
            assert told([one for one in events if one.seq < event.seq], name, path, what) == answer, event
            looked += 1
    assert looked >= 16
