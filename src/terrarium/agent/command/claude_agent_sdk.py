"""An agent on the Claude Agent SDK: a Python program of yours in the sandbox, with the SDK and its Claude Code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from terrarium.agent.command.claude_code import PROGRAM as CLAUDE_CODE
from terrarium.agent.command.claude_code import ClaudeTranscript
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import Program
from terrarium.agent.command.template import plain
from terrarium.core.errors import ConfigError
from terrarium.core.gateway import Gateway
from terrarium.core.lodging import HOMES
from terrarium.core.model import Model

_LARGEST = 1024 * 1024  # bytes of a program
_DEFAULT = """from claude_agent_sdk import query


def run(prompt, options):
    return query(prompt=prompt, options=options)
"""
_RUN = (Path(__file__).parent / "claude_agent_sdk_run.py").read_text("utf-8")

PROGRAM = Program(
    name="claude_agent_sdk",
    version=PACKAGES["claude_agent_sdk"].version,
    wire="anthropic",
    first=("/usr/bin/python3", "$home/run.py", "", "$mcp", "$system_prompt"),
    resumed=("/usr/bin/python3", "$home/run.py", "$session", "$mcp", "$system_prompt"),
    transcript=ClaudeTranscript,
    stdin="$instruction",
    env={**CLAUDE_CODE.env, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "$bin"},
    files={"$home/run.py": (plain(_RUN),), "$home/own.py": (plain(_DEFAULT),)},
    servers=CLAUDE_CODE.servers,
    skills="$home/skills",
    home=f"{HOMES}/claude_agent_sdk",
)


class ClaudeAgentSdk(InstalledAgent):
    """Runs a program on the Claude Agent SDK for each turn.

    Args:
        model: What it asks.
        gateway: Where.
        program: A Python file with `run(prompt, options)`, which gives the SDK's messages as they come. `options` is a
            `ClaudeAgentOptions` that is ready for the world: its MCP servers, model, session and system prompt. By
            default `query` is run with it.
        settings: As of every `CommandAgent`.

    Raises:
        ConfigError: The program is not there.
    """

    described: ClassVar[Program] = PROGRAM

    def __init__(self, model: Model, gateway: Gateway, *, program: str | None = None, **settings: Any) -> None:
        super().__init__(model, gateway, **settings)
        if program is not None:
            self.program = replace(PROGRAM, files={**PROGRAM.files, "$home/own.py": (plain(_text_of(program)),)})


def _text_of(path: str) -> str:
    try:
        content = Path(path).read_bytes()
        if len(content) > _LARGEST:
            raise ConfigError(f"the program {path} is over {_LARGEST >> 20} MiB")
        return content.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"the program {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"the program {path} is no text") from None
