"""The official JavaScript client and the official MCP server, unmodified, against an emulated workspace."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import notion_node
import pytest
from notion_world import LiveNotion

from terrarium.capability.notion.api import ROUTES
from terrarium.sandbox.tier import tier

DESCRIPTION = "scripts/notion-openapi.json"
MCP = "node_modules/@notionhq/notion-mcp-server/bin/cli.mjs"


def test_the_javascript_client(tmp_path):
    notion_node.clients()
    with LiveNotion(tmp_path) as world:
        session = world.notion.connection_info["session_page_id"]
        told = notion_node.node("scenario.mjs", NOTION_TOKEN=world.token(), URL=world.url(), PAGE=session)
        found = json.loads(told)
        blocks = world.ask(world.notion.list_blocks, found["page"])
        file = blocks[-1]["file"]["file"]["url"].rpartition("/")[2]
        content = httpx.get(f"{world.url()}/files/{file}").content
    assert found.pop("page") == blocks[0]["parent"]["page_id"]
    assert found == {
        "full": True,
        "texts": ["Plan", "0", "between", "1"],
        "count": 101,
        "points": [2, 3],
        "comment": "Well?",
        "status": "uploaded",
        "refused": 404,
        "found": 1,
        "me": "bot",
    }
    assert len(blocks) == 103
    assert content == b"one\r\ntwo"


def test_every_operation_of_the_openapi_description_is_served():
    described = json.loads((notion_node.clients() / MCP).parent.parent.joinpath(DESCRIPTION).read_text())
    routes = {
        (method.upper(), *re.sub(r"{[^}]+}", "*", path.removeprefix("/v1/")).split("/"))
        for path, operations in described["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert len(routes) > 20
    assert routes <= set(ROUTES)


def test_the_mcp_server(tmp_path):
    mcp = pytest.importorskip("mcp")
    from mcp.client.stdio import StdioServerParameters, stdio_client

    folder = notion_node.clients()

    async def talk(world: LiveNotion) -> dict[str, object]:
        env = {"NOTION_TOKEN": world.token(), "BASE_URL": world.url()}
        server = StdioServerParameters(command="node", args=[MCP], cwd=str(folder), env=env)
        page = world.notion.connection_info["session_page_id"]
        async with stdio_client(server) as streams, mcp.ClientSession(*streams) as session:
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}

            async def use(name: str, **arguments: object) -> dict[str, object]:
                [text] = (await session.call_tool(f"API-{name}", arguments)).content
                answer: dict[str, object] = json.loads(text.text)
                return answer

            text = {"text": {"content": "By MCP"}}
            made = await use("post-page", parent={"page_id": page}, properties={"title": [text]})
            block = {"type": "paragraph", "paragraph": {"rich_text": [text]}}
            await use("patch-block-children", block_id=made["id"], children=[block])
            return {
                "tools": tools,
                "made": made,
                "blocks": await use("get-block-children", block_id=made["id"]),
                "markdown": await use("retrieve-page-markdown", page_id=made["id"]),
                "me": await use("get-self"),
                "found": await use("post-search", query="mcp"),
                "refused": await use("retrieve-a-page", page_id="0" * 32),
            }

    with LiveNotion(tmp_path) as world:
        found = asyncio.run(talk(world))
    assert {"API-post-page", "API-query-data-source", "API-move-page"} <= found["tools"]
    assert found["blocks"]["results"][0]["paragraph"]["rich_text"][0]["plain_text"] == "By MCP"
    assert found["markdown"]["markdown"] == "By MCP"
    assert found["me"]["type"] == "bot"
    assert [page["id"] for page in found["found"]["results"]] == [found["made"]["id"]]
    assert found["refused"]["code"] == "object_not_found"


TASK = """
@entry(["notion", "workspace"], {"workspace": {"sandbox": "local"}})
def fn(env, agent):
    env.workspace.fs.upload(CLIENT, "/root/node_modules/@notionhq/client")
    env.workspace.fs.write_file("ask.mjs", PROGRAM)
    agent.act("Make a page.")
    return run_checkers({"made": lambda: env.notion.search("moss")[0]["parent"]["type"] == "page_id"})
"""
PROGRAM = """
import { Client } from "@notionhq/client";
const client = new Client({ auth: process.env.NOTION_TOKEN });
const [page] = (await client.search({})).results;
const text = [{ text: { content: "moss" } }];
await client.pages.create({ parent: { page_id: page.id }, properties: { title: { title: text } } });
console.log((await client.users.me({})).type);
"""


@pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")
def test_the_javascript_client_in_an_agents_sandbox(play):
    if not Path("/usr/bin/node").exists():
        pytest.skip("there is no node in /usr/bin")
    client = notion_node.clients() / "node_modules" / "@notionhq" / "client"
    run = {"tool": "workspace_exec", "args": {"command": "node ask.mjs"}}
    played = play(f"CLIENT, PROGRAM = {str(client)!r}, {PROGRAM!r}\n{TASK}", [run, "done"])
    assert played.reward == 1.0, played.shown()
    assert json.loads(played.shown()[0])["stdout"] == "bot\n"
