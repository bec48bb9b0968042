"""Command-line agents of other people, installed from their registries and run in the sandbox of a world."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from terrarium.agent.command.installation import find
from terrarium.agent.command.package import package_of
from terrarium.core.agent import Reply
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message, TextBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.run.config import AgentConfig
from terrarium.sandbox.tier import tier

pytestmark = [
    pytest.mark.skipif(tier().number != 1, reason=f"no namespaces here: {' '.join(tier().reasons)}"),
    pytest.mark.alone,
]

SHELLS = ("bash", "exec", "exec_command", "terminal", "Bash")
COMMAND = "date -u +%Y > /root/year.txt; printf done"

OFFICE = """
@entry(capabilities=["notes", "workspace"], capabilities_config=NOTES)
def errand(env, agent):
    agent.system_prompt = "You keep notes."
    first = agent.act("Note down that milk is needed, and the year in /root/year.txt.")
    second = agent.act("Note down bread, too.")
    env.reward(f"{first.stop}: {first.text}", 0)
    env.reward(f"{second.stop}: {second.text}", 0)
    return run_checkers({
        "notes": lambda: env.notes.texts() == EXPECTED,
        "year": lambda: env.workspace.fs.read_text("/root/year.txt").strip() == "2030",
    })
"""


class Clerk:
    """Uses the shell once, then the tool of the world if there is one, then says that it is done."""

    shared = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        await asyncio.sleep(0.02)  # some agents order what happens by the clock, and nobody answers in no time
        asked = max(number for number, message in enumerate(messages) if _is_asked(message))
        made = [use.name for message in messages[asked:] for use in message.tool_uses]
        names = [tool.name for tool in tools]
        shell = next((name for name in SHELLS if name in names), None)
        add = next((name for name in names if name.endswith("notes_add")), None)
        bread = "bread" in messages[asked].text
        wanted = [(shell, _arguments(tools, shell))] if shell and not bread else []
        wanted += [(add, {"text": "bread" if bread else "milk"})] if add else []
        if len(made) < len(wanted):
            name, arguments = wanted[len(made)]
            block: Any = ToolUseBlock(f"call_{len(messages)}", name, arguments)
        elif not add and shell:
            end = {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo All done."}
            block = ToolUseBlock(f"call_{len(messages)}", shell, end)
        else:
            block = TextBlock("All done.")
        stop = "tool_use" if isinstance(block, ToolUseBlock) else "end"
        return Completion(Message("assistant", [block]), stop, Usage(100, 7, 20), self.name)

    async def close(self) -> None: ...


def _is_asked(message: Message) -> bool:
    return message.role == "user" and "Note down" in message.text


def _arguments(tools: Any, shell: str) -> dict[str, Any]:
    schema = next(tool.parameters for tool in tools if tool.name == shell)
    key = "cmd" if "cmd" in schema["properties"] else "command"
    return {key: COMMAND, **({"description": "note"} if "description" in schema.get("required", ()) else {})}


def installed(name: str) -> AgentConfig:
    try:
        find(package_of(name))
    except ConfigError as error:
        pytest.skip(str(error))
    return AgentConfig(name=name, model_name=f"{__name__}:Clerk/clerk")


REST = ["claude_code", "hermes", "mini_swe_agent", "openclaw", "opencode"]
"""Those that take long; Claude Code as it comes with its Python package is always in test_claude_code.py."""


@pytest.mark.parametrize("name", ["codex", *(pytest.param(name, marks=pytest.mark.soak) for name in REST)])
def test_a_real_agent_does_an_office_task_and_a_shell_task(play: Any, name: str) -> None:
    # One has no MCP, so not the world's tools; another hands its shells no library, so not the time of the world.
    notes = ["milk", "bread"] if name != "mini_swe_agent" else []
    year = "2030" if name != "openclaw" else str(datetime.now(UTC).year)
    played = play(OFFICE.replace("EXPECTED", repr(notes)).replace("2030", year), installed(name))
    assert played.said == ["completed: All done."] * 2
    assert played.reward == 1.0
    [header] = played.events("header")
    assert header.data["program"]["package"] == package_of(name).pinned
    assert len(header.data["program"]["digest"]) == 64
    replies = [event.data["value"] for event in played.events("return") if isinstance(event.data["value"], Reply)]
    assert [len(reply.messages) for reply in replies] == [5, 3]
    assert replies[0].usage == (Usage(300, 21, 60) if notes else Usage(200, 14, 40))
    assert replies[0].messages[1].content[0].content


@pytest.mark.parametrize("name", ["codex", pytest.param("opencode", marks=pytest.mark.soak)])
def test_a_model_that_is_down_is_no_deed_of_a_real_agent(play: Any, name: str) -> None:
    agent = installed(name)
    played = play(OFFICE.replace("EXPECTED", "[]"), agent.model_copy(update={"model_name": f"{__name__}:Down/down"}))
    assert played.error == "ModelFault: nobody there"
    assert played.result.verdict.reward is None


class Down(Clerk):
    """Has no answer."""

    async def generate(self, messages: Any, tools: Any) -> Completion:
        raise ModelFault("nobody there")
