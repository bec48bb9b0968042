"""Codex: OpenAI's command-line agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from terrarium.agent.command.account import Account, table, words
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import McpServer, Program
from terrarium.core.lodging import HOMES

_CONFIG = """model = "$model"
model_provider = "world"
check_for_update_on_startup = false
web_search = "disabled"

[analytics]
enabled = false

[feedback]
enabled = false

[model_providers.world]
name = "world"
base_url = "$url/v1"
env_key = "TERRARIUM_MODEL_TOKEN"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
stream_idle_timeout_ms = 3600000
"""
# World time comes by a library that a program of the C library sets up for what it starts, which this one is not; so a
# shell stays around it.
_EXEC = (
    "/bin/sh",
    "-c",
    '"$$@"; exit $$?',
    "codex",
    "$bin/codex",
    "exec",
    "--json",
    "--dangerously-bypass-approvals-and-sandbox",
    "--skip-git-repo-check",
    "--model",
    "$model",
)


class CodexTranscript(Account):
    """Reads what `codex exec --json` writes."""

    def event(self, told: dict[str, Any]) -> None:
        """One event of the thread."""
        kind = told.get("type")
        if kind == "thread.started":
            self.continues(told.get("thread_id"))
        elif kind == "item.completed":
            self._item(table(told.get("item")))
        elif kind in ("error", "turn.failed"):
            self.error = str(told.get("message") or table(told.get("error")).get("message") or kind)
        elif kind == "turn.completed":
            self.error = ""

    def _item(self, item: dict[str, Any]) -> None:
        kind, id = item.get("type"), item.get("id")
        if kind == "agent_message":
            self.say(item.get("text"))
        elif kind == "reasoning":
            self.think(item.get("text"))
        elif kind == "command_execution":
            self.call(id, "shell", {"command": item.get("command")})
            self.answer(id, item.get("aggregated_output"), item.get("exit_code") != 0)
        elif kind == "mcp_tool_call":
            server = item.get("server")
            name = item.get("tool") if server == "world" else f"{server}.{item.get('tool')}"
            self.call(id, name, item.get("arguments"))
            failed = table(item.get("error")).get("message")
            result = table(item.get("result"))
            self.answer(id, failed or words(result.get("content")), item.get("status") != "completed")
        elif kind == "file_change":
            self.call(id, "apply_patch", {"changes": item.get("changes")})
            self.answer(id, item.get("status"), item.get("status") != "completed")


def _servers(servers: Sequence[McpServer]) -> str:
    """Strings and lists of JSON are those of TOML, too."""
    found: list[str] = []
    for server in servers:
        found.append(f"\n[mcp_servers.{json.dumps(server.name)}]")
        if server.url:
            found += [f"url = {json.dumps(server.url)}", f"http_headers = {_inline(server.headers)}"]
        else:
            found += [f"command = {json.dumps(server.command)}", f"args = {json.dumps(list(server.args))}"]
            found.append(f"env = {_inline(server.env)}")
        found += ["required = true", "startup_timeout_sec = 60", "tool_timeout_sec = 3600"]
    return "\n".join([*found, ""])


def _inline(told: Any) -> str:
    return "{ " + ", ".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in told.items()) + " }"


PROGRAM = Program(
    name="codex",
    version=PACKAGES["codex"].version,
    wire="openai_responses",
    first=(*_EXEC, "-"),
    resumed=(*_EXEC, "resume", "$session", "-"),
    transcript=CodexTranscript,
    stdin="$instruction",
    env={"CODEX_HOME": "$home", "TERRARIUM_MODEL_TOKEN": "$token"},
    files={"$home/config.toml": (_CONFIG,), "$home/AGENTS.md": ("$system_prompt",)},
    servers=("$home/config.toml", _servers),
    skills="$home/skills",
    home=f"{HOMES}/codex",
)


class Codex(InstalledAgent):
    """Codex in the agent's sandbox."""

    described: ClassVar[Program] = PROGRAM
