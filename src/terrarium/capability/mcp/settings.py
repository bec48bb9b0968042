"""The configuration of an `mcp` capability, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.mcp.listing import configured
from terrarium.core.capability import Site, instance_host
from terrarium.core.errors import ConfigError, nearest
from terrarium.core.values import Value

KEYS = (
    "agents",
    "args",
    "command",
    "cwd",
    "env",
    "files",
    "files_are_state",
    "headers",
    "host",
    "packages",
    "resources",
    "sandbox",
    "start_seconds",
    "timeout",
    "tools",
    "url",
)
_OF_COMMANDS = ("args", "cwd", "env", "files", "files_are_state", "packages", "resources", "sandbox")
_URL = re.compile(r"https?://[^/?#\s\[\]]+([/?]\S*)?")


@dataclass(frozen=True)
class Settings:
    """What a task says. Exactly one of `command` and `url` is set for another server, neither for the world's own."""

    host: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    files_are_state: bool = False
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    agents: frozenset[str] | None = None
    tools: list[dict[str, Value]] | None = None
    timeout: float = 120.0
    start_seconds: float = 30.0

    @property
    def external(self) -> bool:
        """Whether it is about another server than the world's own."""
        return self.command is not None or self.url is not None


def settings_of(site: Site) -> Settings:
    """What the task says.

    Raises:
        ConfigError: An unknown key, or a value that cannot be one.
    """
    config, where = site.config, site.name
    for key in config:
        if key not in KEYS:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, KEYS)}; there are: {', '.join(KEYS)}")
    command, url = config.get("command"), config.get("url")
    if command is not None and url is not None:
        raise ConfigError(f"{where}: a server has a command or a url, not both")
    for key in config:
        if key == "host" and (command is not None or url is not None):
            raise ConfigError(f"{where}: host is for the world's own server, which has neither command nor url")
        if key != "host" and command is None and url is None:
            raise ConfigError(f"{where}: {key} is for another server: give its command or its url too")
        if (key in _OF_COMMANDS and url is not None) or (key == "headers" and command is not None):
            raise ConfigError(
                f"{where}: {key} is not for a server that has a {'url' if url is not None else 'command'}"
            )
    if command is not None and not (isinstance(command, str) and command):
        raise ConfigError(f"{where}: command must be the name of a program, its arguments in args, not {command!r}")
    if url is not None and (not isinstance(url, str) or not _URL.fullmatch(url)):
        raise ConfigError(f"{where}: url must begin with http:// or https://, not {url!r}")
    tools = config.get("tools")
    return Settings(
        host=_text(where, "host", config.get("host", instance_host(where, "mcp.world"))),
        command=command,
        args=_texts(where, "args", config.get("args", ())),
        env=_table(where, "env", config.get("env", {}), str),
        cwd=None if config.get("cwd") is None else _text(where, "cwd", config["cwd"]),
        files=_table(where, "files", config.get("files", {}), (str, bytes)),
        files_are_state=_flag(where, "files_are_state", config.get("files_are_state", False)),
        url=url,
        headers=_table(where, "headers", config.get("headers", {}), str),
        agents=_agents(site),
        tools=None if tools is None else configured(where, tools),
        timeout=_seconds(where, "timeout", config.get("timeout", site.command_timeout)),
        start_seconds=_seconds(where, "start_seconds", config.get("start_seconds", 30.0)),
    )


def _agents(site: Site) -> frozenset[str] | None:
    if site.config.get("agents") is None:
        return None
    names = _texts(site.name, "agents", site.config["agents"])
    for name in names:
        if name not in site.agents:
            there = ", ".join(site.agents)
            raise ConfigError(f"{site.name}: no agent {name!r}{nearest(name, site.agents)}; there are: {there}")
    return frozenset(names)


def _text(where: str, key: str, value: Value) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: {key} must be text, not {value!r:.100}")
    return value


def _texts(where: str, key: str, value: Value) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where}: {key} must be a list of texts, not {value!r:.100}")
    return tuple(value)


def _table(where: str, key: str, value: Value, kinds: type | tuple[type, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, kinds) for k, v in value.items()):
        raise ConfigError(f"{where}: {key} must map text to text")
    return value


def _flag(where: str, key: str, value: Value) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {key} must be true or false, not {value!r:.100}")
    return value


def _seconds(where: str, key: str, value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86_400:
        raise ConfigError(f"{where}: {key} must be seconds above zero, at most a day, not {value!r:.100}")
    return float(value)
