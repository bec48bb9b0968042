"""opencode: a command-line agent for any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from terrarium.agent.command.account import Account, table, world_name
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import McpServer, Program
from terrarium.agent.command.template import Part
from terrarium.core.lodging import HOMES

_CONFIG: Part = {
    "autoupdate": False,
    "share": "disabled",
    "snapshot": False,
    "lsp": False,
    "formatter": False,
    "permission": {"*": "allow"},
    "instructions": ["$home/AGENTS.md"],
    "enabled_providers": ["world"],
    "model": "world/$model",
    "small_model": "world/$model",
    "provider": {
        "world": {
            "npm": "@ai-sdk/openai-compatible",  # comes with it
            "name": "world",
            "options": {"baseURL": "$url/v1", "apiKey": "$token", "timeout": False},
            "models": {
                "$model": {
                    "name": "$model",
                    "tool_call": True,
                    "attachment": True,
                    "limit": {"context": 200_000, "output": 32_000},
                }
            },
        }
    },
}
# A title of its own keeps it from asking the model for one.
_RUN = ("$bin/opencode", "run", "--format", "json", "--thinking", "--title", "turn")


class OpencodeTranscript(Account):
    """Reads what `opencode run --format json` writes."""

    def event(self, told: dict[str, Any]) -> None:
        """One event of the session."""
        kind, part = told.get("type"), table(told.get("part"))
        self.continues(told.get("sessionID"))
        if kind == "text":
            self.say(part.get("text"))
        elif kind == "reasoning":
            self.think(part.get("text"))
        elif kind == "tool_use":
            state, id = table(part.get("state")), part.get("callID")
            self.call(id, world_name(part.get("tool"), "world_"), state.get("input"))
            failed = state.get("status") == "error"
            self.answer(id, state.get("error") if failed else state.get("output"), failed)
        elif kind == "error":
            error = table(told.get("error"))
            self.error = str(table(error.get("data")).get("message") or error.get("name") or "error")


def _servers(servers: Sequence[McpServer]) -> Part:
    found: dict[str, Any] = {}
    for server in servers:
        if server.url:
            found[server.name] = {"type": "remote", "url": server.url, "headers": dict(server.headers), "oauth": False}
        else:
            command = [server.command, *server.args]
            found[server.name] = {"type": "local", "command": command, "environment": dict(server.env)}
        found[server.name]["timeout"] = 600_000
    return {"mcp": found}


PROGRAM = Program(
    name="opencode",
    version=PACKAGES["opencode"].version,
    wire="openai_chat",
    first=_RUN,
    resumed=(*_RUN, "--session", "$session"),
    transcript=OpencodeTranscript,
    stdin="$instruction",
    env={
        "OPENCODE_CONFIG": "$home/opencode.json",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_SHARE": "1",
        "XDG_CACHE_HOME": "$home/cache",
        "XDG_CONFIG_HOME": "$home/config",
        "XDG_DATA_HOME": "$home/data",
        "XDG_STATE_HOME": "$home/state",
    },
    files={"$home/opencode.json": (_CONFIG,), "$home/AGENTS.md": ("$system_prompt",)},
    servers=("$home/opencode.json", _servers),
    skills="$home/config/opencode/skills",
    home=f"{HOMES}/opencode",
)


class Opencode(InstalledAgent):
    """opencode in the agent's sandbox."""

    described: ClassVar[Program] = PROGRAM
