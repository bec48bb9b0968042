"""A whole world: what its capabilities equip an agent with is there in every command, and nowhere in what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from terrarium.core.capability import Equipment, Site, Traits
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.sandbox.tier import tier

needs_namespaces = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces")


class Giver:
    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        self.site, self.store = site, site.rows()

    def tools(self, agent: str) -> Sequence[Tool]:
        return []

    def rows(self) -> Iterator[Row]:
        return self.store.all()

    async def save(self, to: Path) -> None:
        self.store.save(to)

    async def close(self) -> None:
        self.store.close()

    def equipment(self, agent: str) -> Equipment:
        token = str(self.site.config["token"])
        env = {"TOKEN": token, "MINE": token, "WHO": f"{agent}'s"}
        return Equipment(env, {"token": f"{token} of {agent}".encode(), f"{token}.json": b"{}"})


SAY = "echo $TOKEN $WHO $MINE; cat /run/secrets/token; echo; ls /run/secrets"
HAVE = """
    @entry(["workspace", "giver:one"], capabilities_config={{
        "workspace": {{"sandbox": "{sandbox}", "env": {{"MINE": "own"}}}},
        "giver:one": {{"import_path": "tests.journeys.test_equipment:Giver", "token": "one"}},
    }})
    def fn(env, agent):
        env.reward(agent.act("Say what you have.").text, 0)
        env.reward(env.workspace.shell.exec({say!r}).stdout, 0)
        env.acquire("giver:two", {{"import_path": "tests.journeys.test_equipment:Giver", "token": "two"}})
        env.reward(agent.act("And now?").text, 0)
        env.release("giver:one")
        env.reward(agent.act("And now?").text, 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        while True:
            yield seat.call("{tool}", command={say!r}).stdout
"""


@pytest.mark.parametrize(
    ("sandbox", "tool"),
    [
        ("memory", "workspace_exec"),
        pytest.param("local", "workspace_exec", marks=needs_namespaces),
        pytest.param("local", "workspace_shell", marks=needs_namespaces),
    ],
)
def test_what_an_agent_has_in_its_workspace(play, sandbox, tool):
    played = play(HAVE.format(sandbox=sandbox, tool=tool, say=SAY), "oracle")
    assert played.reward == 1.0
    first = "one agent's own one of agent one.json one_one.json one_token token"
    assert [" ".join(text.replace("mcp_bridge.py", "").split()) for text in played.said] == [
        first,
        first,
        f"{first} two_token two_two.json",
        "two agent's own two of agent token two.json two_token two_two.json",
    ]
    assert not [event for event in played.events("change") if "secrets" in event.data["key"]]


SHARED = """
    @entry(["workspace", "giver"], agents=["ann", "bob"], capabilities_config={{
        "workspace": {{"sandbox": "memory", {agents}}},
        "giver": {{"import_path": "tests.journeys.test_equipment:Giver", "token": "one"}},
    }})
    def fn(env, agents):
        for agent in agents.values():
            env.reward(agent.act("Say what you have.").text, 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution(agent="ann")
    def ann(seat):
        yield seat.call("workspace_exec", command={say!r}).stdout

    @fn.solution(agent="bob")
    def bob(seat):
        yield seat.call("workspace_exec", command={say!r}).stdout
"""


def test_those_who_share_a_workspace_have_nothing_that_is_one_of_theirs(play):
    own = play(SHARED.format(agents="", say=SAY), "oracle")
    assert [text.split()[:5] for text in own.said] == [
        ["one", "ann's", "one", "one", "of"],
        ["one", "bob's", "one", "one", "of"],
    ]
    both = play(SHARED.format(agents='"agents": ["ann", "bob"]', say=SAY), "oracle")
    assert [" ".join(text.split()) for text in both.said] == ["one one one.json"] * 2


KEPT = """
    @entry(["workspace", "giver"], capabilities_config={{
        "workspace": {{"sandbox": "{sandbox}"}},
        "giver": {{"import_path": "tests.journeys.test_equipment:Giver", "token": "kept-nowhere"}},
    }})
    def fn(env, agent):
        agent.act("Look.")
        env.reward(agent.act("Again.").text, 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        while True:
            yield seat.call("workspace_exec", command="cat /run/secrets/token | wc -c").stdout
"""


@pytest.mark.parametrize("sandbox", ["memory", pytest.param("local", marks=needs_namespaces)])
def test_a_resumed_world_has_it_and_its_snapshot_has_not(play, sandbox):
    played = play(KEPT.format(sandbox=sandbox).replace("", ""), "oracle", snapshot="every-turn")
    assert (played.reward, [text.strip() for text in played.said]) == (1.0, ["21"])
    first = next(event for event in played.events("turn") if event.data["state"] == "end")
    played.crash_behind(first, more=4)
    assert (played.run().reward, [text.strip() for text in played.said]) == (1.0, ["21"])
    saved = [path for path in played.folder.rglob("snapshots/**/*") if path.is_file()]
    assert saved
    for path in saved:
        assert b"kept-nowhere of agent" not in path.read_bytes(), path
