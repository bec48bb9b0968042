"""A whole world: programs in an agent's sandbox use the agent's tools by MCP, while its command waits for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from terrarium.capability.mcp import bridge
from terrarium.sandbox.tier import tier

pytestmark = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")

CLIENT = """
import json, subprocess, sys

bridge = subprocess.Popen(["python3", "/root/bridge.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

def say(**message):
    bridge.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    bridge.stdin.flush()
    return json.loads(bridge.stdout.readline()) if "id" in message else None

def call(name, **arguments):
    return say(id=name, method="tools/call", params={"name": name, "arguments": arguments})["result"]

hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
assert "result" in say(id=1, method="initialize", params=hello)
say(method="notifications/initialized")
names = [tool["name"] for tool in say(id=2, method="tools/list")["result"]["tools"]]
"""
TASK = """
    BRIDGE, CLIENT = {bridge!r}, {client!r}

    @entry(
        ["email", "workspace", "mcp"],
        capabilities_config={{"workspace": {{"sandbox": "local"}}}},
        notices=["email"],
        {more}
    )
    def fn(env, agent):
        env.workspace.fs.write_file("/root/bridge.py", BRIDGE)
        env.workspace.fs.write_file("/root/client.py", CLIENT)
        env.workspace.fs.write_file("/root/env", f"export MCP_URL={{env.mcp.connection_info['mcp_url']}}\\n"
                                                 f"export TERRARIUM_MCP_TOKEN={{env.mcp.token('agent')}}\\n")
        env.when(
            lambda: env.email.count_inbox("boss@corp.example") == 1,
            lambda: env.email.send("boss@corp.example", env.email.address(), "Got it", "Thank you."),
        )
        reply = agent.act("Report by mail.")
        env.reward(reply.text, 0)
        return run_checkers({{"by the agent": lambda: env.email.list_inbox("boss@corp.example")[0]["by"] == "agent"}})

    @fn.solution
    def solve(seat):
        out = seat.call("workspace_exec", command=". ./env; python3 client.py")
        return out.stdout + out.stderr
"""


def task(script: str, more: str = "") -> str:
    source = Path(bridge.__file__).read_text()
    return TASK.format(bridge=source, client=CLIENT + script, more=more)


SEND = """
print(json.dumps(names))
sent = call("email_send", to=["boss@corp.example"], subject="Report", body="All well.")
print(json.dumps(sent["isError"]))
print(call("email_list")["content"][0]["text"])
bridge.stdin.close(); bridge.wait()
"""


def test_a_command_waits_for_a_client_that_uses_the_agents_tools(play: Any):
    played = play(task(SEND), "oracle")
    assert played.reward == 1.0, played.said
    names, failed, inbox = played.said[0].splitlines()[:3]
    assert {"email_send", "workspace_exec", "clock_wait"} <= set(json.loads(names))
    assert failed == "false"
    assert "Got it" in inbox  # what came of the first call, a condition of the task, had happened before the second
    outer, first, second = played.events("tool_call")
    assert [event.data.get("via") for event in (outer, first, second)] == [None, "mcp", "mcp"]
    assert {event.actor for event in (outer, first, second)} == {"agent"}
    assert (first.cause, second.cause) == (outer.seq, outer.seq)
    assert first.time == second.time == outer.time  # the clock stands while the command runs
    *inner, last = played.events("tool_result")
    assert [event.data["via"] for event in inner] == ["mcp", "mcp"]
    assert (last.time - outer.time).total_seconds() == 3.0  # a command and two tool calls, a second each
    assert played.result.totals["tool_calls"] == 3
    sent = next(event for event in played.events("change") if event.cause == first.seq)
    assert sent.actor == "agent"


REFUSED = """
for name, arguments in (
    ("workspace_exec", {"command": "true"}),
    ("clock_wait", {"minutes": 5}),
    ("no_such_tool", {}),
    ("email_send", {"to": 7}),
):
    result = call(name, **arguments)
    print(result["isError"], result["structuredContent"]["error"], result["content"][0]["text"])
for _ in range(3):
    result = call("email_list")
print(result["isError"], result["structuredContent"]["error"], result["content"][0]["text"])
call("email_send", to=["boss@corp.example"], subject="late", body="")
"""


def test_what_cannot_be_done_from_within_a_command_is_an_error_result(play: Any):
    played = play(task(REFUSED), "oracle", limits={"tool_calls": 5})
    said = played.said[0].splitlines() if played.said else []
    assert [line.split(":")[0] for line in said[:5]] == [
        "True refused error",
        "True refused error",
        "True unknown_tool error",
        "True bad_arguments error",
        "True limit error",
    ], played.said
    assert "the turn is over: tool_call_limit" in said[4]
    assert not [event for event in played.events("change") if event.data["capability"] == "email"]


BACKGROUND = """
import os, time
if os.fork():
    os._exit(0)
for _ in range(200):
    time.sleep(0.05)
    result = call("email_list")
    if not result["isError"]:
        continue
    open("/root/between", "w").write(result["content"][0]["text"])
    break
"""


def test_after_the_turn_no_tool_can_be_used(play: Any):
    source = task(BACKGROUND).replace(
        "env.reward(reply.text, 0)",
        """for _ in range(100):
            env.workspace.shell.exec(["sleep", "0.1"])
            if env.workspace.fs.exists("/root/between"):
                break
        env.reward(env.workspace.fs.read_text("/root/between"), 0)""",
    )
    played = play(source.replace('[0]["by"]', "").replace('== "agent"', "is not None"), "oracle")
    told = [event.data["name"] for event in played.events("reward")]
    assert told == ["error: agent has no turn now; tools can be used while one is under way"], (told, played.said)


SDK = """
    CLIENT = {client!r}

    @entry(["email", "workspace"], capabilities_config={{"workspace": {{"sandbox": "local", "packages": ["mcp"]}}}})
    def fn(env, agent):
        env.workspace.fs.write_file("/root/client.py", CLIENT)
        reply = agent.act(f"{{env.mcp.connection_info['mcp_url']}} {{env.mcp.token('agent')}}")
        env.reward(reply.text, 0)
        return run_checkers({{"sent": lambda: env.email.count_inbox("boss@corp.example") == 1}})

    @fn.solution
    def solve(seat):
        out = seat.call("workspace_exec", command="python3 client.py " + seat.instruction)
        return out.stdout + out.stderr
"""
SDK_CLIENT = """
import asyncio, sys
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

async def go(url, token):
    async with (
        httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        mail = {"to": ["boss@corp.example"], "subject": "Report", "body": "All well."}
        print(len(names) > 5, (await client.call_tool("email_send", mail)).is_error)

asyncio.run(go(*sys.argv[1:]))
"""


def test_the_sdks_own_client_inside_and_a_server_that_nobody_asked_for(play: Any):
    played = play(SDK.format(client=SDK_CLIENT), "oracle")
    assert played.error is None
    assert played.said == ["True False\n"]
    assert played.reward == 1.0
