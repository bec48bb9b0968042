"""The bridge: clients that start a command reach the world's own server through it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp_stand import Hands, Stand

from terrarium.capability.mcp import bridge


def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


def run(work: Any) -> Any:
    return asyncio.run(work)


def variables(stand: Stand, token: str | None = None) -> dict[str, str]:
    shown = stand.mcp.token("ann") if token is None else token
    return {"TERRARIUM_MCP_URL": stand.url(), "TERRARIUM_MCP_TOKEN": shown}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdks_client_over_standard_input_and_output(tmp_path: Path, mode: Any):
    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(double)) as stand:
            command = StdioServerParameters(command=sys.executable, args=[bridge.__file__], env=variables(stand))
            async with Client(command, mode=mode) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == ["double"]
                assert (await client.call_tool("double", {"number": 21})).structured_content == {"result": 42}

    run(go())


async def said(env: dict[str, str], *lines: bytes) -> tuple[int | None, list[Any], str]:
    """(exit code, messages, standard error) of the bridge after these lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, bridge.__file__, env=env, stdin=asyncio.subprocess.PIPE, stdout=-1, stderr=-1
    )
    out, err = await process.communicate(b"".join(line + b"\n" for line in lines))
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


def test_what_cannot_be_carried_is_an_error_of_that_message(tmp_path: Path):
    ping = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'

    async def go() -> None:
        async with Stand(tmp_path, ann=Hands(double)) as stand:
            code, answers, err = await said(variables(stand), b"", b"{", b"7", b"[" * 100_000, b"\xff", ping)
            assert (code, err) == (0, "")
            assert len(answers) == 5
            assert all(answer["error"]["message"] for answer in answers)
            assert answers[-1]["id"] == 7
            odd = b'{"jsonrpc":"2.0","id":8,"method":"a\\r\\nb","params":{"_meta":{"io.modelcontextprotocol/'
            code, answers, err = await said(variables(stand), odd + b'protocolVersion":"2026-07-28"}}}', ping)
            assert (code, err, [answer["id"] for answer in answers]) == (0, "", [8, 7])
            code, [answer], err = await said(variables(stand, "mcp_wrong"), ping)
            assert "a token is needed" in answer["error"]["message"]
        code, [answer], err = await said(variables(stand), ping)  # nobody is there any more
        assert (code, err, answer["id"]) == (0, "", 7)
        assert answer["error"]["code"] == -32603

    run(go())


def test_without_variables_it_says_what_it_needs():
    code, answers, err = run(said({}))
    assert (code, answers) == (2, [])
    assert "TERRARIUM_MCP_TOKEN" in err
