"""Claude Code: Anthropic's command-line agent."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrarium.agent.command.account import Account, shallow, words
from terrarium.agent.command.agent import CommandAgent
from terrarium.agent.command.installation import Installation, find
from terrarium.agent.command.package import PACKAGES, package_of
from terrarium.agent.command.program import Program, usual_servers
from terrarium.core.errors import ConfigError
from terrarium.core.gateway import Gateway
from terrarium.core.lodging import HOMES
from terrarium.core.message import Block, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Model

_COMMON = (
    "$bin/claude",
    "--print",
    "--verbose",
    "--output-format",
    "stream-json",
    "--permission-mode",
    "bypassPermissions",
    "--model",
    "$model",
    ("--append-system-prompt", "$system_prompt"),
    ("--strict-mcp-config", "--mcp-config", "$mcp"),
)


class ClaudeTranscript(Account):
    """Reads what `--output-format stream-json` writes."""

    def event(self, told: dict[str, Any]) -> None:
        """One event of the session; those of helpers that it starts are passed over."""
        kind = told.get("type")
        if kind == "system" and told.get("subtype") == "init":
            self.continues(told.get("session_id"))
        elif kind in ("assistant", "user") and told.get("parent_tool_use_id") is None:
            self._message(kind, told.get("message"))
        elif kind == "result":
            said = told.get("result")
            self.text = said if isinstance(said, str) else self.text
            self.error = f"{told.get('subtype')}: {self.text}" if told.get("is_error") else ""

    def _message(self, role: str, told: Any) -> None:
        content = told.get("content") if isinstance(told, dict) else None
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        blocks = [block for part in parts if (block := _block(part))] if isinstance(parts, list) else []
        results = bool(blocks) and all(isinstance(block, ToolResultBlock) for block in blocks)
        if blocks:
            self.messages.append(Message("tool" if results else role, blocks))
            said = "\n".join(block.text for block in blocks if isinstance(block, TextBlock))
            self.text = said if role == "assistant" and said else self.text


def _block(part: Any) -> Block | None:
    if not isinstance(part, dict):
        return None
    kind = part.get("type")
    if kind == "text":
        return TextBlock(str(part.get("text", "")))
    if kind == "thinking":
        signature = part.get("signature")
        return ThinkingBlock(str(part.get("thinking", "")), str(signature) if signature else None, "anthropic")
    if kind == "tool_use":
        return ToolUseBlock(str(part.get("id", "")), str(part.get("name", "")), shallow(part.get("input")))
    if kind == "tool_result":
        shown = words(part.get("content"))
        return ToolResultBlock(str(part.get("tool_use_id", "")), shown, part.get("is_error") is True)
    return None


PROGRAM = Program(
    name="claude_code",
    version=PACKAGES["claude_code"].version,
    wire="anthropic",
    first=(*_COMMON, "--session-id", "$session"),
    resumed=(*_COMMON, "--resume", "$session"),
    transcript=ClaudeTranscript,
    stdin="$instruction",
    env={
        "ANTHROPIC_BASE_URL": "$url",
        "ANTHROPIC_AUTH_TOKEN": "$token",
        "ANTHROPIC_MODEL": "$model",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "$model",
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "$model",
        "ANTHROPIC_DEFAULT_SONNET_MODEL": "$model",
        "CLAUDE_CODE_SUBAGENT_MODEL": "$model",
        "CLAUDE_CONFIG_DIR": "$home",
        "CLAUDE_ENV_FILE": "$home/bash_env",  # in place of BASH_ENV, which its shells are not given
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ENABLE_TOOL_SEARCH": "false",
        "CLAUDE_CODE_EAGER_FLUSH": "1",  # the next turn needs all of the session, however busy the machine is
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",
    },
    # It removes sessions whose files are older than a month: in a world of later years, all that the machine dates.
    files={"$home/settings.json": ({"cleanupPeriodDays": 36_500},)},
    servers=("$home/mcp.json", usual_servers),
    skills="$home/skills",
    home=f"{HOMES}/claude_code",
)


class ClaudeCode(CommandAgent):
    """Claude Code in the agent's sandbox.

    Args:
        model: What it asks.
        gateway: Where.
        folder: Of the machine, with the program `claude` in it; by default the one that `terrarium agents install`
            made, else that of the Python package `claude-agent-sdk`.
        settings: As of every `CommandAgent`.
    """

    def __init__(self, model: Model, gateway: Gateway, *, folder: str | None = None, **settings: Any) -> None:
        super().__init__(PROGRAM, model, gateway, **settings)

    @classmethod
    def mounts(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """The folder with the program.

        Raises:
            ConfigError: It is not installed.
        """
        return {PROGRAM.bin: _folder(kwargs.get("folder"))}

    @classmethod
    def installed(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """What a record says of the program.

        Raises:
            ConfigError: It is not installed.
        """
        own = _own() if kwargs.get("folder") is None else None
        if own is not None:
            return {"package": package_of(PROGRAM.name).pinned, "version": own.version, "digest": own.digest}
        folder = Path(_folder(kwargs.get("folder")))
        return {"package": "folder:claude", "version": "", "digest": f"size:{(folder / 'claude').stat().st_size}"}


def _folder(asked: Any) -> str:
    own = _own() if asked is None else None
    place = Path(str(asked)) if asked is not None else own.folder if own is not None else None
    if place is None:
        found = importlib.util.find_spec("claude_agent_sdk")
        places = found.submodule_search_locations if found is not None else None
        place = Path(places[0]) / "_bundled" if places else None
    if place is None or not (place / "claude").is_file():
        told = "terrarium agents install claude_code, or say -k folder=/where/claude/is"
        raise ConfigError(f"Claude Code is not installed: {told}")
    return str(place.resolve())


def _own() -> Installation | None:
    try:
        return find(package_of(PROGRAM.name))
    except ConfigError:
        return None
