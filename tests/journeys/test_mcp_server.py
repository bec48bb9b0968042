"""Other MCP servers as capabilities: a command in a sandbox of its own, good and bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from terrarium.sandbox.tier import tier

pytestmark = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")

SCRIPT = (Path(__file__).parents[1] / "capability" / "mcp_server_script.py").read_text()
TASK = """
    SERVER = {{
        "command": "python3",
        "args": ["/srv/server.py", {how!r}],
        "files": {{"/srv/server.py": {script!r}}},
        "env": {{"FLAVOUR": "sweet"}},
        "timeout": 2.0,
        "start_seconds": 20.0,
        "sandbox": "local",
        {config}
    }}

    @entry(["mcp:small"], capabilities_config={{"mcp:small": SERVER}})
    def fn(env, agent):
        server = env.mcp("small")
        {program}
        return run_checkers({{"done": lambda: True}})

    @fn.solution
    def solve(seat):
        {solution}
"""


def task(program: str, solution: str = "return ''", how: str = "", config: str = "") -> str:
    return TASK.format(program=program, solution=solution, how=how, config=config, script=SCRIPT)


def rewards(played: Any) -> list[str]:
    assert played.error is None, played.error
    return [event.data["name"] for event in played.events("reward")]


USE = """
        import json
        said = [[name for name in seat.tools if name.startswith("mcp")]]
        said.append(seat.call("mcp_small_echo", text="Grüße"))
        said.append(seat.call("mcp_small_sum", a=1, b=2))
        seat.call("mcp_small_note_keep", text="one")
        said.append(seat.call("mcp_small_note_keep_2", text="two"))
        said.append(json.loads(seat.call("mcp_small_where")))
        return json.dumps(said)"""


def test_its_tools_are_the_agents_from_the_first_turn_on(play: Any):
    played = play(task("env.reward(agent.act('Go.').text, 0)", USE.strip()), "oracle")
    assert played.error is None
    names, echo, sums, notes, (seen, flavour, cwd) = json.loads(played.said[0])
    assert "mcp_small_note_keep" in names
    assert "mcp_small_note_keep_2" in names
    assert (echo, sums, notes) == ("Grüße", {"sum": 3}, "one\ntwo\n")
    assert (seen, flavour, cwd) == ([], "sweet", "/root")
    header = played.events("header")[0].data
    assert header["traits"] == {"owned": True, "deterministic": False, "snapshots": False, "sees_writes": False}
    described = next(e for e in played.events("change") if e.data["table"] == "tool").data["after"]
    assert described == {
        "name": "echo",
        "description": "Say it again.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    }


HOSTILE = """
        said = []
        for name in {names!r}:
            try:
                said.append(str(seat.call("mcp_small_" + name))[:300])
            except Exception as error:
                said.append(str(error)[:300])
        said.append(seat.call("mcp_small_echo", text="still here"))
        return "\\n---\\n".join(said)"""


def test_a_server_that_misbehaves_is_an_error_of_that_call(play: Any):
    names = ["fail", "error", "hang", "exit", "huge", "big", "flood", "nonsense", "where"]
    played = play(task("env.reward(agent.act('Go.').text, 0)", HOSTILE.format(names=names).strip()), "oracle")
    assert played.error is None
    said = dict(zip(names, played.said[0].split("\n---\n"), strict=False))
    assert "it went wrong" in said["fail"]
    assert "the server says no" in said["error"]
    assert "did not answer within 2 s" in said["hang"]
    assert "ended with code 3: the end" in said["exit"]
    assert "sent a message of more than 8388608 bytes" in said["huge"]
    assert "answered more than" in said["big"]
    assert "sent more than" in said["flood"]
    assert "cannot be used" in said["nonsense"]
    assert played.said[0].endswith("still here")


SPOIL = """
        said = []
        for name in ("spoil", "where", "where"):
            try:
                seat.call("mcp_small_" + name)
            except Exception as error:
                said.append(str(error))
        return "\\n".join(said)"""


def test_a_server_that_an_agent_has_spoilt_is_no_failure_of_the_machinery(play: Any):
    played = play(task("env.reward(agent.act('Go.').text, 0)", SPOIL.strip()), "oracle")
    assert played.error is None
    first, *others = played.said[0].splitlines()
    assert "ended with code 0" in first
    assert len(others) == 2
    assert all("ended with code 1: spoilt" in told for told in others)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exits", "ended with code 1: no way"),
        ("silent", "did not greet back within 2 s"),
        ("floods", "sent more than"),
        ("no tools", "cannot be used"),
        ("bad schema", "cannot be used"),
    ],
)
def test_a_server_that_cannot_be_had_is_a_failure_of_the_capability(play: Any, how: str, told: str):
    source = task("env.reward(agent.act('Go.').text, 0)", how=how).replace(
        '"start_seconds": 20.0', '"start_seconds": 2.0'
    )
    played = play(source, "oracle")
    assert played.error is not None
    assert "CapabilityFault" in played.error
    assert told in played.error


def test_schemas_and_names_that_do_not_fit_are_made_to(play: Any):
    program = """
        import json
        env.reward(json.dumps({tool["name"]: tool["inputSchema"] for tool in server.list_tools()}), 0)
        env.reward(agent.act("Go.").text, 0)"""
    solution = "return ' '.join(name for name in seat.tools if name.startswith('mcp'))"
    played = play(task(program.strip(), solution, how="schemas"), "oracle")
    found = json.loads(rewards(played)[0])
    assert set(found) == {"odd", "large", "long" * 30}
    assert found["large"] == {"type": "object"}
    assert found["odd"]["properties"] == {"x": {"type": "no type"}}  # the server knows what it means by it
    assert all(len(name) <= 64 for name in played.said[1].split())
    assert len(played.said[1].split()) == 3


PROGRAM = """
        names = [tool["name"] for tool in server.list_tools()]
        env.reward(f"{names[0]} {server.call('sum', {'a': 2, 'b': 3})} {server.list_resources()}", 0)
        env.reward(server.read_resource("file:///a")[0]["text"], 0)
        env.reward(str(server.connection_info), 0)
        for tool in ("fail", "none of them"):
            try:
                server.call(tool)
            except Refused as error:
                env.reward(str(error), 0)"""


def test_the_program_uses_it_too(play: Any):
    said = rewards(play(task(PROGRAM.strip()), "oracle"))
    assert said[0] == "echo {'sum': 5} [{'uri': 'file:///a', 'name': 'a'}]"
    assert said[1] == "content of a"
    assert said[3] == "it went wrong"


def test_tools_that_the_task_brings_need_no_start(play: Any):
    program = "env.reward(agent.act('Go.').text, 0)"
    solution = "return ', '.join(name for name in seat.tools if name.startswith('mcp'))"
    config = '"tools": [{"name": "echo", "description": "x", "inputSchema": {"type": "object"}}],'
    played = play(task(program, solution, how="exits", config=config), "oracle")
    assert played.error is None
    assert played.said == ["mcp_small_echo"]


def test_what_is_all_in_its_files_is_saved(play: Any):
    program = """
        agent.act("Keep.")
        agent.act("And?")"""
    solution = """
        seat.call("mcp_small_note_keep", text="one")
        yield "kept"
        return seat.call("mcp_small_note_keep", text="two")"""
    config = '"files_are_state": True,'
    played = play(task(program.strip(), solution.strip(), config=config), "oracle", snapshot="every-turn")
    assert played.error is None
    first = next(event for event in played.events("turn") if event.data["state"] == "end")
    played.crash_behind(first)
    played.run()
    assert played.error is None
    results = played.shown()
    assert results[-1] == "one\ntwo\n"


SDK_SERVER = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("sums")

@server.tool()
def add(a: int, b: int) -> int:
    'Add two numbers.'
    return a + b

server.run()
"""
SDK = """
    SERVER = {{
        "command": "python3",
        "args": ["/srv/sums.py"],
        "files": {{"/srv/sums.py": {script!r}}},
        "packages": ["mcp"],
        "sandbox": "local",
    }}

    @entry(
        ["mcp:sums", "workspace"],
        capabilities_config={{"mcp:sums": SERVER, "workspace": {{"sandbox": "local"}}}},
    )
    def fn(env, agent):
        assert env.mcp("sums").connection_info == {{"command": ["python3", "/srv/sums.py"]}}
        assert env.mcp.connection_info == {{"mcp_url": "http://mcp.world/mcp"}}
        env.reward(agent.act("Add.").text, 0)
        return run_checkers({{"done": lambda: True}})

    @fn.solution
    def solve(seat):
        return str(seat.call("mcp_sums_add", a=2, b=3))
"""


def test_a_server_written_with_the_sdk(play: Any):
    played = play(SDK.format(script=SDK_SERVER), "oracle")
    assert played.error is None
    assert played.said == ["5"]
