"""The world's own MCP server, used by the SDK's own client; and by clients that mean no good."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_stand import Hands, Stand

from terrarium.core.errors import Refused
from terrarium.core.tool import Tool


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def told(text: str) -> dict[str, Any]:
    """Say when.

    Args:
        text: What.
    """
    return {"text": text, "at": datetime(2030, 1, 7, 9, tzinfo=UTC), "raw": b"\xff"}


def deny() -> str:
    """Say no."""
    raise Refused("not today")


def run(work: Any) -> Any:
    return asyncio.run(work)


@contextlib.asynccontextmanager
async def client(stand: Stand, agent: str = "ann", mode: Any = "legacy") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=stand.headers(agent), trust_env=False) as http,
        Client(streamable_http_client(stand.url(agent), http_client=http), mode=mode) as found,
    ):
        yield found


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdks_client_sees_and_uses_the_tools_of_its_agent_alone(tmp_path: Path, mode: str):
    async def go() -> None:
        async with (
            Stand(tmp_path, ann=Hands(add, told, deny), bob=Hands(deny)) as stand,
            client(stand, mode=mode) as ann,
        ):
            listed = {tool.name: tool for tool in (await ann.list_tools()).tools}
            assert list(listed) == ["add", "told", "deny"]
            assert listed["add"].description == "Add two numbers."
            assert listed["add"].input_schema == dict(Tool.of(add).parameters)
            sum_ = await ann.call_tool("add", {"a": 2, "b": 3})
            assert (sum_.content[0].text, sum_.structured_content, sum_.is_error) == ("5", {"result": 5}, False)
            data = (await ann.call_tool("told", {"text": "Grüße"})).structured_content
            assert data == {"text": "Grüße", "at": "2030-01-07T09:00:00+00:00", "raw": "/w=="}
            for name, arguments, kind in (
                ("deny", {}, "refused"),
                ("add", {"a": "x"}, "refused"),
                ("none", {}, "unknown_tool"),
            ):
                result = await ann.call_tool(name, arguments)
                assert result.is_error
                assert result.structured_content == {"error": kind}
                assert result.content[0].text.startswith("error: ")
            async with client(stand, "bob", mode=mode) as bob:
                assert [tool.name for tool in (await bob.list_tools()).tools] == ["deny"]

    run(go())


def test_a_session_of_the_older_kind_is_told_of_new_tools(tmp_path: Path):
    async def go() -> None:
        hands, news = Hands(add), asyncio.Event()

        async def heard(message: Any) -> None:
            if type(message).__name__ == "ToolListChangedNotification":
                news.set()

        async with (
            Stand(tmp_path, ann=hands) as stand,
            httpx2.AsyncClient(headers=stand.headers(), trust_env=False) as http,
            streamable_http_client(stand.url(), http_client=http) as (reads, writes),
            ClientSession(reads, writes, message_handler=heard) as session,
        ):
            greeting = await session.initialize()
            assert greeting.capabilities.tools.list_changed
            assert len((await session.list_tools()).tools) == 1
            hands.offered.append(Tool.of(deny))
            while not news.is_set():  # its stream for news may be opened a moment later
                hands.changed()
                await asyncio.sleep(0.05)
            assert len((await session.list_tools()).tools) == 2

    run(go())


def test_a_session_of_the_newer_kind_is_told_of_new_tools(tmp_path: Path):
    async def go() -> None:
        hands = Hands(add)
        async with Stand(tmp_path, ann=hands) as stand, client(stand, mode="auto") as ann:
            async with ann.listen(tools_list_changed=True) as stream:
                hands.offered.append(Tool.of(deny))
                hands.changed()
                async with asyncio.timeout(20):
                    assert type(await anext(aiter(stream))).__name__ == "ToolsListChanged"
            assert len((await ann.list_tools()).tools) == 2

    run(go())


PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
HELLO = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "0"},
        },
    }
).encode()


def test_token_and_sandbox_must_agree(tmp_path: Path):
    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(add), bob=Hands(deny)) as stand:
            assert (await stand.post(HELLO))[0] == 200
            assert (await stand.post(HELLO, "shared"))[0] == 200  # a sandbox of several: the token says who
            status, said = await stand.post(HELLO, Authorization="")
            assert (status, said["error"]["message"].split(":")[0]) == (401, "a token is needed")
            assert (await stand.post(HELLO, Authorization="Bearer mcp_0"))[0] == 401
            assert (await stand.post(HELLO, Authorization="Bearer \xff"))[0] == 401
            assert (await stand.post(HELLO, Authorization=stand.headers("bob")["Authorization"]))[0] == 403

    run(go())


def test_whatever_is_sent_is_answered_with_an_error_that_a_client_understands(tmp_path: Path):
    hostile = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\x00\xff",
        b'"\\ud800"',
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}',
        b"[" + PING + b"," + PING + b"]",
        PING,  # no session
        HELLO.replace(b"initialize", b"tools/call"),
        HELLO.replace(b'"params"', b'"other"'),
    ]

    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(add)) as stand:
            for body in hostile:
                for version in ("", "2026-07-28", "1999-01-01", "x"):
                    status, said = await stand.post(body, Mcp_Protocol_Version=version)
                    assert status == 200 or 400 <= status < 500, (body[:60], version, status, said)
                    assert "error" in said if isinstance(said, dict) else status != 200
            assert (await stand.post(b" " * (5 * 1024 * 1024)))[0] == 413
            assert (await stand.post(PING, Mcp_Session_Id="nobody's"))[0] == 404
            assert (await stand.post(PING, Content_Type="text/plain"))[0] in (400, 415)
            assert (await stand.post(HELLO))[0] == 200
            assert not stand.failures

    run(go())


def test_hostile_arguments_are_results_and_the_server_goes_on(tmp_path: Path):
    def call(arguments: str) -> bytes:
        meta = (
            '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
            '"io.modelcontextprotocol/clientCapabilities":{}}'
        )
        return (
            '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"told",'
            f'"arguments":{arguments},{meta}}}}}'
        ).encode()

    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(told)) as stand:
            head = {"Mcp_Protocol_Version": "2026-07-28", "Mcp_Method": "tools/call", "Mcp_Name": "told"}
            status, said = await stand.post(call('{"text":"x"}'), **head)
            assert (status, said["result"]["isError"]) == (200, False)
            for arguments in ('{"text":1e400}', '{"text":"\\ud800"}', '{"text":"\\u0000"}', '{"x":1}', "[]", '"x"'):
                status, said = await stand.post(call(arguments), **head)
                assert status in (200, 400), said
                assert "error" in said or isinstance(said["result"]["isError"], bool)
            assert not stand.failures

    run(go())


def test_sessions_are_bounded_and_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("terrarium.capability.mcp.desk.SESSIONS", 5)

    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(add), bob=Hands(add)) as stand:
            statuses = [(await stand.post(HELLO))[0] for _ in range(8)]
            assert statuses == [200] * 5 + [503] * 3
            assert (await stand.post(HELLO, "bob"))[0] == 200  # another agent's are its own

    run(go())


def test_a_client_that_leaves_does_not_break_off_its_call(tmp_path: Path):
    async def go() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            """Take a while."""
            begun.set()
            await asyncio.sleep(0.3)
            ended.set()
            return "done"

        async with Stand(tmp_path, ann=Hands(slow)) as stand:
            async with client(stand) as ann:
                asking = asyncio.ensure_future(ann.call_tool("slow", {}))
                await begun.wait()
                asking.cancel()
                await asyncio.wait({asking})
            async with asyncio.timeout(20):
                await ended.wait()

    run(go())


def test_without_the_sdk_the_answer_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel.server", None)

    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(add)) as stand:
            status, said = await stand.post(HELLO)
            assert status == 501
            assert "pip install 'terrarium[mcp]'" in said["error"]["message"]

    run(go())
