"""A command-line agent of one's own, described in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from terrarium.agent.command.codex import CodexTranscript
from terrarium.agent.command.declared import DeclaredAgent, TextTranscript, program_of
from terrarium.core.errors import ConfigError
from terrarium.core.message import Message, TextBlock, Usage
from terrarium.core.model import Completion
from terrarium.run.config import AgentConfig
from terrarium.sandbox.tier import tier

EXAMPLE = Path(__file__).parents[2] / "examples" / "command_agent" / "agent.toml"

ERRAND = """
@entry(capabilities=["workspace"])
def errand(env, agent):
    env.reward(agent.act("Write the year into year.txt.").text, 0)
    return run_checkers({"year": lambda: env.workspace.fs.read_text("/root/year.txt").strip() == "2030"})
"""


class Clerk:
    """Gives a command, then tells what came of it."""

    shared = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        first = len(messages) == 1
        said = "$ date +%Y > year.txt; cat year.txt" if first else f"It is {messages[-1].text.strip()}."
        return Completion(Message("assistant", [TextBlock(said)]), "end", Usage(10, 5), self.name)

    async def close(self) -> None: ...


@pytest.mark.skipif(tier().number != 1, reason=f"no namespaces here: {' '.join(tier().reasons)}")
def test_the_example_does_a_task(play: Any) -> None:
    agent = AgentConfig(name="command", model_name=f"{__name__}:Clerk/clerk", kwargs={"file": str(EXAMPLE)})
    played = play(ERRAND, agent)
    assert played.said == ["It is 2030."]
    assert played.reward == 1.0
    assert len(played.events("step")) == 2
    [header] = played.events("header")
    assert header.data["program"]["package"] == "file:ten_lines"
    assert header.data["program"]["version"] == "1"


def test_a_whole_description_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        name = "mine"
        version = "2.1"
        wire = "anthropic"
        first = ["$bin/mine", ["--system", "$system_prompt"]]
        resumed = ["$bin/mine", "--resume", "$session"]
        transcript = "codex"
        servers = "$home/mcp.json"
        files = {"$home/config" = "model=$model"}
        """
    )
    program = program_of(file)
    assert program.first == ["$bin/mine", ("--system", "$system_prompt")]
    assert program.resumed == ["$bin/mine", "--resume", "$session"]
    assert isinstance(program.transcript(), CodexTranscript)
    assert (program.stdin, program.home) == ("$instruction", "/var/tmp/mine")
    assert program.files == {"$home/config": ("model=$model",)}
    assert program.servers is not None
    assert program.servers[0] == "$home/mcp.json"
    assert DeclaredAgent.mounts({"file": str(file)}) == {"/opt/agents/mine": str(tmp_path)}
    assert isinstance(program_of(EXAMPLE).transcript(), TextTranscript)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "cannot be read as the description of an agent"),
        ('nam = "x"', "unknown key 'nam'"),
        ('name = "../x"', "name must be letters"),
        ('name = "x"\nwire = "morse"', "wire is 'morse'"),
        ('name = "x"\nfirst = []', "first must be a list of words"),
        ('name = "x"\nfirst = ["a", ["b", ["c"]]]', "first must be a list of words"),
        ('name = "x"\nfirst = ["a"]\nenv = {A = 1}', "env must be a table of texts"),
        ('name = "x"\nfirst = ["a"]\ntranscript = 3', "transcript must be text"),
        ('name = "x"\nfirst = ["a"]\nhome = 3', "home must be text"),
    ],
)
def test_a_bad_description_says_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        program_of(file)


def test_a_description_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a description: -k file="):
        DeclaredAgent.mounts({})
    with pytest.raises(ConfigError, match="cannot be read"):
        DeclaredAgent.mounts({"file": str(tmp_path / "none.toml")})
