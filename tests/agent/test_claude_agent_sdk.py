"""Agents on the Claude Agent SDK: a program in the sandbox, which starts the real Claude Code there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from terrarium.agent.command.claude_agent_sdk import PROGRAM, ClaudeAgentSdk
from terrarium.agent.command.claude_agent_sdk_run import told
from terrarium.agent.command.claude_code import ClaudeTranscript
from terrarium.agent.command.installation import find
from terrarium.agent.command.package import PACKAGES
from terrarium.core.errors import ConfigError
from terrarium.core.message import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.run.config import AgentConfig
from terrarium.sandbox.tier import tier


def is_installed() -> bool:
    try:
        return bool(find(PACKAGES["claude_agent_sdk"]))
    except ConfigError:
        return False


needs_the_sdk = [
    pytest.mark.skipif(tier().number != 1, reason="no namespaces here"),
    pytest.mark.skipif(not is_installed(), reason="run: terrarium agents install claude_agent_sdk"),
]


class Plan:
    """Writes a file with the shell, then says that it is done; or goes down."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        if any(tool.name == "Bash" for tool in tools) and not any(m.role == "tool" for m in messages):
            call = ToolUseBlock("call_1", "Bash", {"command": "echo seven > /root/number.txt", "description": "write"})
            return Completion(Message("assistant", [call]), "tool_use", Usage(10, 5), self.name)
        heard = [m.text for m in messages if m.role == "user"]
        told = [word for word in ("please", "the number", "and again") if any(word in text for text in heard)]
        loud = any(tool.name == "mcp__own__shout" for tool in tools)
        said = TextBlock(f"done, heard {', '.join(told)}{', can shout' if loud else ''}")
        return Completion(Message("assistant", [said]), "end", Usage(10, 5), self.name)

    async def close(self) -> None: ...


OWN = """
from claude_agent_sdk import create_sdk_mcp_server, query, tool


@tool("shout", "Say it loudly", {"text": str})
async def shout(args):
    return {"content": [{"type": "text", "text": args["text"].upper()}]}


async def run(prompt, options):
    options.mcp_servers = {**options.mcp_servers, "own": create_sdk_mcp_server("own", tools=[shout])}
    print("this is none of the account")
    async for message in query(prompt=f"please {prompt}", options=options):
        yield message
"""

TASK = """
@entry()
def errand(env, agent):
    for text in ("write the number", "and again"):
        reply = agent.act(text)
        env.reward(f"{reply.stop}: {reply.text}", 0)
    return run_checkers({"written": lambda: env.workspace.fs.read_text("/root/number.txt") == "seven\\n"})
"""


def configured(**settings: Any) -> AgentConfig:
    return AgentConfig(name="claude_agent_sdk", model_name=f"{__name__}:Plan/m", kwargs=settings)


@pytest.mark.soak
@pytest.mark.parametrize("own", [False, True])
def test_a_program_on_the_sdk_acts_in_a_world(play: Any, tmp_path: Path, own: bool) -> None:
    (tmp_path / "agent.py").write_text(OWN)
    played = play(TASK, configured(program=str(tmp_path / "agent.py")) if own else configured())
    assert played.reward == 1.0
    please, loud = ("please, ", ", can shout") if own else ("", "")
    assert played.said == [
        f"completed: done, heard {please}the number{loud}",
        f"completed: done, heard {please}the number, and again{loud}",
    ]
    usages = [event.data["completion"].usage for event in played.events("model")]
    assert usages
    assert set(usages) == {Usage(10, 5)}


test_a_program_on_the_sdk_acts_in_a_world.pytestmark += needs_the_sdk  # type: ignore[attr-defined]


def test_the_sdks_messages_are_told_as_claude_code_tells_them() -> None:
    sdk = pytest.importorskip("claude_agent_sdk")
    call = sdk.ToolUseBlock("c", "Bash", {"command": "ls"})
    result = sdk.ResultMessage("success", 1, 1, False, 1, "s-1", result="there are two")
    messages = [
        sdk.SystemMessage("init", {"session_id": "s-1"}),
        sdk.AssistantMessage([sdk.TextBlock("let me see"), call], "m"),
        sdk.UserMessage([sdk.ToolResultBlock("c", "a b", False)]),
        sdk.AssistantMessage([sdk.TextBlock("of a helper")], "m", parent_tool_use_id="c"),
        result,
    ]
    import json

    transcript = ClaudeTranscript()
    for message in messages:
        transcript.line(json.dumps(told(message)))
    assert transcript.session == "s-1"
    assert transcript.text == "there are two"
    assert transcript.error == ""
    assert transcript.messages == [
        Message("assistant", [TextBlock("let me see"), ToolUseBlock("c", "Bash", {"command": "ls"})]),
        Message("tool", [ToolResultBlock("c", "a b", False)]),
    ]
    assert told(object()) is None


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    model: Any = Plan("m")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        ClaudeAgentSdk(model, model, program=str(tmp_path / "none.py"))
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no text"):
        ClaudeAgentSdk(model, model, program=str(tmp_path / "binary.py"))


def test_a_program_with_dollars_is_written_as_it_is(tmp_path: Path) -> None:
    from terrarium.agent.command.template import file_of

    (tmp_path / "agent.py").write_text("cost = '$model $$'\n")
    model: Any = Plan("m")
    agent = ClaudeAgentSdk(model, model, program=str(tmp_path / "agent.py"))
    assert file_of(agent.program.files["$home/own.py"], {}) == "cost = '$model $$'\n"
    assert "$home/own.py" in PROGRAM.files
