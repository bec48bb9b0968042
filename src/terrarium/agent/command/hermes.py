"""Hermes: the command-line agent of Nous Research."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from terrarium.agent.command.account import Account, arguments, rows, table, words, world_name
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import McpServer, Program
from terrarium.agent.command.template import Part
from terrarium.core.lodging import HOMES

# World time comes by a library that is loaded into every process. This one dies of it in about every second run, so it
# keeps the machine's time, and its shells have the world's.
_TURN = """query=$$(cat)
[ -n "$$LD_PRELOAD" ] && echo "export LD_PRELOAD=$$LD_PRELOAD" >$home/clock.sh || : >$home/clock.sh
rm -f $home/turn.json
LD_PRELOAD= /usr/bin/python3 $bin/hermes --yolo chat --quiet --query="$$query" "$$@" 2>$home/told
code=$$?
cat $home/told >&2
session=$$(sed -n 's/^session_id: //p' $home/told | tail -n 1)
[ -n "$$session" ] && LD_PRELOAD= /usr/bin/python3 $bin/hermes sessions export $home/turn.json \\
    --session-id "$$session" >/dev/null 2>&1
exit $$code
"""
_CONFIG: Part = {
    "model": {
        "provider": "custom",
        "base_url": "$url/v1",
        "api_key": "$token",
        "default": "$model",
        "context_length": 200_000,
    },
    "security": {"tirith_enabled": False},  # a scanner that it would fetch
    "terminal": {"shell_init_files": ["$home/clock.sh"]},
}


class HermesTranscript(Account):
    """Reads what `hermes sessions export` writes: a session with all its turns, of which the last counts."""

    def event(self, told: dict[str, Any]) -> None:
        """A session."""
        if "messages" not in told:
            return
        self.continues(told.get("id"))
        for message in rows(told["messages"]):
            self._message(message)

    def line(self, line: str) -> None:
        """What it says meanwhile stands in its session, too; where there is none, it says what went wrong."""
        if line.startswith("{"):
            super().line(line)
        elif not self.messages:
            self.error = line[:1000]

    def file(self, content: bytes) -> None:
        """The session, whose last turn came to an end."""
        super().file(content)
        if self.messages:
            self.error = ""

    def _message(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        if role == "user":
            self.begin()
        elif role == "assistant":
            self.think(message.get("reasoning") or message.get("reasoning_content"))
            self.say(words(message.get("content")))
            for call in rows(message.get("tool_calls")):
                function = table(call.get("function"))
                name = world_name(function.get("name"), "mcp__world__")
                self.call(call.get("id"), name, arguments(function.get("arguments")))
        elif role == "tool":
            self.answer(message.get("tool_call_id"), words(message.get("content")))


def _servers(servers: Sequence[McpServer]) -> Part:
    found: dict[str, Any] = {}
    for server in servers:
        if server.url:
            found[server.name] = {"url": server.url, "headers": dict(server.headers)}
        else:
            found[server.name] = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
        found[server.name]["timeout"] = 600
    return {"mcp_servers": found}


PROGRAM = Program(
    name="hermes",
    version=PACKAGES["hermes"].version,
    wire="openai_chat",
    first=("/bin/sh", "$home/turn.sh"),
    resumed=("/bin/sh", "$home/turn.sh", "--resume", "$session"),
    transcript=HermesTranscript,
    stdin="$instruction",
    env={
        "HERMES_EPHEMERAL_SYSTEM_PROMPT": "$system_prompt",
        "HERMES_HOME": "$home",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "$bin",
    },
    # It reads YAML, of which JSON is a part.
    files={"$home/config.yaml": (_CONFIG,), "$home/turn.sh": (_TURN,)},
    servers=("$home/config.yaml", _servers),
    log="$home/turn.json",
    skills="$home/skills",
    home=f"{HOMES}/hermes",
)


class Hermes(InstalledAgent):
    """Hermes in the agent's sandbox."""

    described: ClassVar[Program] = PROGRAM
