"""What there is to know of a command-line agent to run it: its command lines, files, and how it tells what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.agent.command.package import INSIDE
from terrarium.agent.command.template import Part, Word
from terrarium.agent.command.transcript import Transcript
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.lodging import HOMES

_SERVER_KEYS = ("url", "headers", "command", "args", "env")


@dataclass(frozen=True)
class McpServer:
    """An MCP server that a program is to use: one at a `url`, or a `command` that it starts itself."""

    name: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, config: Any) -> McpServer:
        """From a table, as configurations have it.

        Raises:
            ConfigError: It is none, or has neither `url` nor `command`.
        """
        if not isinstance(config, Mapping) or bool(config.get("url")) == bool(config.get("command")):
            raise ConfigError(f"the MCP server {name!r} must be a table with `url` or with `command`")
        for key in config:
            if key not in _SERVER_KEYS:
                raise unknown_key(f"MCP server {name}", str(key), _SERVER_KEYS)
        return cls(name, **config)


def usual_servers(servers: Sequence[McpServer]) -> Part:
    """The servers as most programs want them written down."""
    found: dict[str, Any] = {}
    for server in servers:
        if server.url:
            found[server.name] = {"type": "http", "url": server.url, "headers": dict(server.headers)}
        else:
            found[server.name] = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
    return {"mcpServers": found}


@dataclass(frozen=True)
class Program:
    """A command-line agent.

    Templates hold `$name` for: `bin` (the folder where it is installed), `home` (a folder of its own for its files),
    `workdir`, `instruction`, `system_prompt`, `session`, `url` (of the gateway, without a path), `token`, `model`,
    `mcp` (the path of the file with its MCP servers) and the settings of the agent that are text. Empty are those that
    are not there, such as `mcp` without servers.

    Attributes:
        name: What it is called.
        version: Which one this description is of.
        wire: The API by which it asks its model: `openai_chat`, `openai_responses`, `anthropic` or `google`.
        first: The command line of the first turn.
        resumed: That of a later one, which continues `session`.
        transcript: Makes what reads its account of a turn.
        env: Variables.
        stdin: What it reads from its standard input.
        files: What is written before each turn: parts by path.
        servers: Where and how its MCP servers are written down: a path, and what makes a part of them.
        log: A file that it writes its account into, if it does not tell it on its standard output.
        skills: The folder where it looks for skills.
        home: See above; what lies there is kept with the world, and counts for no deed of the agent.
    """

    name: str
    version: str
    wire: str
    first: Sequence[Word]
    resumed: Sequence[Word]
    transcript: Callable[[], Transcript]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    files: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    servers: tuple[str, Callable[[Sequence[McpServer]], Part]] | None = None
    log: str = ""
    skills: str = ""
    home: str = f"{HOMES}/agent"

    @property
    def bin(self) -> str:
        """Where it is inside a sandbox."""
        return f"{INSIDE}/{self.name}"
