"""The capability itself: its configuration, and other servers that are reached by a URL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from live import Loopback
from mcp.server.mcpserver import MCPServer
from mcp_stand import Stand

from terrarium.capability.mcp.mcp import Mcp
from terrarium.core.capability import Site, Traits
from terrarium.core.clock import Clock
from terrarium.core.errors import CapabilityFault, CommandTimeout, ConfigError, Refused, SandboxFault, TerrariumError
from terrarium.core.network import Caller, Network
from terrarium.core.registry import find
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng
from terrarium.core.tool import Tool
from terrarium.http.server import HttpServer


def site(folder: Path, **config: Any) -> Site:
    clock = Clock()
    return Site(
        name="mcp:shop",
        folder=folder / "mcp",
        config=config,
        clock=clock,
        rng=Rng(7),
        agents=("ann", "bob"),
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: find("sandbox", "memory")(Ground(clock)),
    )


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The URL of an application on the machine's loopback."""
    network, box, server = Network(), Loopback(), HttpServer(app)
    await network.serve("web.world", 80, server.handle)
    await network.join(box, Caller(None, "box"))
    try:
        yield f"http://127.0.0.1:{box.ports[network.name('web.world'), 80]}/mcp"
    finally:
        await network.close()
        await server.close()


@contextlib.asynccontextmanager
async def connected(folder: Path, **config: Any) -> AsyncIterator[dict[str, Tool]]:
    mcp = Mcp()
    await mcp.open(site(folder, **config))
    try:
        await mcp.ready()
        yield {tool.name: tool for tool in mcp.tools("ann")}
    finally:
        await mcp.close()


def shop() -> MCPServer:
    server = MCPServer("shop")

    @server.tool()
    def price(item: str) -> dict[str, int]:
        """What an item costs."""
        if item == "nothing":
            raise ValueError("there is no such item")
        return {"cents": len(item) * 100}

    @server.tool()
    def slogan() -> str:
        """What we say."""
        return "Buy!"

    return server


def run(work: Any) -> Any:
    return asyncio.run(work)


@pytest.mark.parametrize("stateless", [True, False])
def test_a_server_made_with_the_sdk(tmp_path: Path, stateless: bool):
    async def go() -> None:
        app = shop().streamable_http_app(stateless_http=stateless, json_response=stateless)
        async with served(app) as url, connected(tmp_path, url=url, agents=["ann"], timeout=20) as tools:
            assert list(tools) == ["mcp_shop_price", "mcp_shop_slogan"]
            assert tools["mcp_shop_price"].description == "What an item costs."
            price = tools["mcp_shop_price"]
            assert await price.function(**price.bind({"item": "tea"})) == {"cents": 300}
            assert await tools["mcp_shop_slogan"].function() == "Buy!"
            with pytest.raises(Refused, match="Error executing tool price"):
                await price.function(item="nothing")
            with pytest.raises(Refused):
                await price.function(wrong=1)

    run(go())


def test_only_the_agents_named_get_its_tools(tmp_path: Path):
    async def go() -> None:
        mcp = Mcp()
        tools = [{"name": "a", "inputSchema": {"type": "object"}}]
        await mcp.open(site(tmp_path, url="http://127.0.0.1:9/mcp", agents=["bob"], tools=tools))
        await mcp.ready()  # asks nobody
        assert [[tool.name for tool in mcp.tools(agent)] for agent in ("ann", "bob")] == [[], ["mcp_shop_a"]]
        await mcp.close()

    run(go())


def answering(status: int, body: bytes, kind: bytes = b"application/json", **headers: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *extra]})
        await send({"type": "http.response.body", "body": body})

    return app


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    "app",
    [
        answering(500, b"oops"),
        answering(401, b"{}"),
        answering(200, b"{"),
        answering(200, b"<html>", b"text/html"),
        answering(200, b'{"jsonrpc":"2.0","id":1,"result":7}'),
        answering(200, b'{"jsonrpc":"2.0","id":77,"result":{}}'),
        answering(200, b'"' + b"x" * 10_000_000 + b'"'),
        answering(200, b"data: " + b"x" * 10_000_000, b"text/event-stream"),
        answering(307, b"", location="http://127.0.0.1:1/elsewhere"),
        hanging,
    ],
)
def test_a_url_that_is_no_server_is_a_failure_of_the_capability(tmp_path: Path, app: Any):
    async def go() -> None:
        async with served(app) as url:
            with pytest.raises(CapabilityFault, match="mcp:shop"):
                async with connected(tmp_path, url=url, timeout=2, start_seconds=2):
                    pass

    run(go())


def test_a_server_that_goes_away_is_an_error_of_the_call(tmp_path: Path):
    async def go() -> None:
        async with contextlib.AsyncExitStack() as stack:
            up = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await up.enter_async_context(served(shop().streamable_http_app()))
            tools = await stack.enter_async_context(connected(tmp_path, url=url, timeout=5, start_seconds=5))
            await up.aclose()
            for _ in range(2):
                with pytest.raises((Refused, CommandTimeout, CapabilityFault)):
                    await tools["mcp_shop_slogan"].function()

    run(go())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"comand": "x"}, "did you mean 'command'"),
        ({"command": "x", "url": "http://a"}, "not both"),
        ({"command": ""}, "command must be"),
        ({"command": ["python3"]}, "command must be"),
        ({"args": []}, "for another server"),
        ({"url": "ftp://a"}, "http:// or https://"),
        ({"url": 7}, "http:// or https://"),
        ({"url": "http://[a"}, "http:// or https://"),
        ({"url": "http://a", "args": []}, "not for a server that has a url"),
        ({"command": "x", "headers": {}}, "not for a server that has a command"),
        ({"command": "x", "args": "a b"}, "args must be a list"),
        ({"command": "x", "env": {"A": 1}}, "env must map"),
        ({"url": "http://a", "agents": ["an"]}, "did you mean 'ann'"),
        ({"url": "http://a", "timeout": float("nan")}, "timeout must be seconds"),
        ({"url": "http://a", "tools": [{"name": 7}]}, "a tool is a table"),
        ({"url": "http://a", "tools": "all"}, "tools must be a list"),
        ({"host": ""}, "host must be"),
        ({"host": "no host"}, "cannot be the name of a host"),
    ],
)
def test_what_is_configured_wrongly_is_said(tmp_path: Path, config: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told):
        run(Mcp().open(site(tmp_path, **config)))


def test_a_command_is_never_run_without_a_sandbox(tmp_path: Path):
    with pytest.raises(SandboxFault, match="sandbox of its own"):
        run(Mcp().open(site(tmp_path, command="python3")))


def test_traits_say_what_can_be_claimed():
    assert Mcp().claims({}) == Traits()
    assert not Mcp().claims({"url": "http://a"}).owned
    assert not Mcp().claims({"command": "x"}).snapshots
    assert Mcp().claims({"command": "x", "files_are_state": True}).snapshots


def test_the_worlds_own_server_equips_each_agent_and_says_the_same_again(tmp_path: Path):
    async def go() -> list[Any]:
        async with Stand(tmp_path) as stand:
            with pytest.raises(Refused, match="own server"):
                stand.mcp.list_tools()
            with pytest.raises(TerrariumError, match="no agent 'eve'"):
                stand.mcp.token("eve")
            assert stand.mcp.tools("ann") == []
            return [stand.mcp.equipment(agent) for agent in ("ann", "bob")]

    ann, bob = run(go())
    assert ann.env["MCP_URL"] == ann.env["TERRARIUM_MCP_URL"] == "http://mcp.world/mcp"
    assert ann.env["TERRARIUM_MCP_TOKEN"] != bob.env["TERRARIUM_MCP_TOKEN"]
    assert run(go())[0] == ann
    compile(ann.files["mcp_bridge.py"], "mcp_bridge.py", "exec")


def test_opening_imports_nothing_of_the_sdk():
    code = """
import asyncio, sys, pathlib, tempfile
sys.path.insert(0, {here!r})
from mcp_stand import Stand
async def go():
    async with Stand(pathlib.Path(tempfile.mkdtemp())):
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("mcp", "mcp_types", "httpx2", "anyio")))
asyncio.run(go())
"""
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code.format(here=here)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
