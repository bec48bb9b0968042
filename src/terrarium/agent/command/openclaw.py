"""OpenClaw: a personal assistant, run as a command-line agent without its gateway."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from terrarium.agent.command.account import Account, rows, table, words, world_name
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import McpServer, Program
from terrarium.agent.command.template import Part
from terrarium.core.lodging import HOMES

_NODE = PACKAGES["node"].inside + "/node"
_TURN = f"""message=$$(cat)
[ -n "$$TERRARIUM_SYSTEM_PROMPT" ] && ! [ -e $home/agents ] && message="$$TERRARIUM_SYSTEM_PROMPT

$$message"  # its own system prompt cannot be changed
rm -f $home/turn.jsonl
{_NODE} $bin/openclaw agent --local --json --session-id "$$1" --message="$$message" >$home/told
code=$$?
{_NODE} $home/events.mjs $home/agents/main/agent/openclaw-agent.sqlite "$$1" >$home/turn.jsonl 2>/dev/null
exit $$code
"""
# Its sessions are in a database.
_EVENTS = """import { DatabaseSync } from "node:sqlite";
const [file, session] = process.argv.slice(2);
const told = new DatabaseSync(file, { readOnly: true });
const rows = told.prepare("select event_json from transcript_events where session_id = ? order by seq");
for (const row of rows.all(session)) if (row.event_json) process.stdout.write(row.event_json + "\\n");
"""
# It refuses MCP servers at private addresses, and all addresses of a world are; so it starts this, which asks them.
_RELAY = """import { createInterface } from "node:readline";
const [url, told] = process.argv.slice(2);
const own = JSON.parse(told);
const write = (message) => process.stdout.write(JSON.stringify(message) + "\\n");
let session;
for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const headers = { ...own, "content-type": "application/json", accept: "application/json, text/event-stream" };
  if (session) headers["mcp-session-id"] = session;
  const { id } = JSON.parse(line);
  try {
    const answer = await fetch(url, { method: "POST", headers, body: line });
    session = answer.headers.get("mcp-session-id") ?? session;
    const text = await answer.text();
    const stream = (answer.headers.get("content-type") ?? "").startsWith("text/event-stream");
    const parts = stream ? [...text.matchAll(/^data: ?(.*)$$/gm)].map((match) => match[1]) : [text];
    for (const part of parts) if (part.trim()) write(JSON.parse(part));
  } catch (error) {
    if (id !== undefined) write({ jsonrpc: "2.0", id, error: { code: -32000, message: String(error) } });
  }
}
"""
_CONFIG: Part = {
    "agents": {
        "defaults": {
            "model": {"primary": "world/$model"},
            "workspace": "$workdir",
            "skipBootstrap": True,
        }
    },
    "models": {
        "mode": "replace",
        "providers": {
            "world": {
                "baseUrl": "$url/v1",
                "apiKey": "$token",
                "api": "openai-completions",
                "request": {"allowPrivateNetwork": True},
                "models": [{"id": "$model", "name": "$model", "contextWindow": 200_000, "maxTokens": 32_000}],
            }
        },
    },
    "tools": {"exec": {"security": "full", "ask": "off"}, "toolSearch": False},
}


class OpenclawTranscript(Account):
    """Reads the events of a session, of which the last turn counts."""

    def event(self, told: dict[str, Any]) -> None:
        """One event."""
        if told.get("type") == "session":
            self.continues(told.get("id"))
        message = table(told.get("message")) if told.get("type") == "message" else {}
        role = message.get("role")
        if role == "user":
            self.begin()
        elif role == "assistant":
            self._said(message)
        elif role == "toolResult":
            content = words(message.get("content"))
            self.answer(message.get("toolCallId"), content, message.get("isError") is True)

    def _said(self, message: dict[str, Any]) -> None:
        self.error = str(message.get("errorMessage") or "") if message.get("stopReason") == "error" else ""
        for part in rows(message.get("content")):
            if part.get("type") == "text":
                self.say(part.get("text"))
            elif part.get("type") == "thinking":
                self.think(part.get("thinking"))
            elif part.get("type") == "toolCall":
                self.call(part.get("id"), world_name(part.get("name"), "world__"), part.get("arguments"))


def _servers(servers: Sequence[McpServer]) -> Part:
    found: dict[str, Any] = {}
    for server in servers:
        if server.url:
            relay = [f"{PROGRAM.home}/relay.mjs", server.url, json.dumps(dict(server.headers))]
            found[server.name] = {"command": _NODE, "args": relay}
        else:
            found[server.name] = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
    return {"mcp": {"servers": found}}


PROGRAM = Program(
    name="openclaw",
    version=PACKAGES["openclaw"].version,
    wire="openai_chat",
    first=("/bin/sh", "$home/turn.sh", "$session"),
    resumed=("/bin/sh", "$home/turn.sh", "$session"),
    transcript=OpenclawTranscript,
    stdin="$instruction",
    env={
        "OPENCLAW_CONFIG_PATH": "$home/openclaw.json",
        "OPENCLAW_DISABLE_BONJOUR": "1",
        "OPENCLAW_NO_AUTO_UPDATE": "1",
        "OPENCLAW_NO_RESPAWN": "1",
        "OPENCLAW_SKIP_CHANNELS": "1",
        "OPENCLAW_STATE_DIR": "$home",
        "TERRARIUM_SYSTEM_PROMPT": "$system_prompt",
    },
    files={
        "$home/openclaw.json": (_CONFIG,),
        "$home/turn.sh": (_TURN,),
        "$home/events.mjs": (_EVENTS,),
        "$home/relay.mjs": (_RELAY,),
    },
    servers=("$home/openclaw.json", _servers),
    log="$home/turn.jsonl",
    skills="$home/skills",
    home=f"{HOMES}/openclaw",
)


class Openclaw(InstalledAgent):
    """OpenClaw in the agent's sandbox."""

    described: ClassVar[Program] = PROGRAM
