"""What other people's agents tell of a turn, recorded from the real programs, read into messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.agent.command.account import Account
from terrarium.agent.command.codex import CodexTranscript
from terrarium.agent.command.declared import TextTranscript
from terrarium.agent.command.hermes import HermesTranscript
from terrarium.agent.command.mini_swe_agent import MiniTranscript
from terrarium.agent.command.openclaw import OpenclawTranscript
from terrarium.agent.command.opencode import OpencodeTranscript
from terrarium.core.message import TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.values import encode

RECORDED = Path(__file__).parent / "transcripts"
ALL = [CodexTranscript, HermesTranscript, MiniTranscript, OpenclawTranscript, OpencodeTranscript, TextTranscript]


def read(kind: type[Account], name: str) -> Account:
    made = kind()
    content = (RECORDED / name).read_bytes()
    if kind in (CodexTranscript, OpencodeTranscript):
        for line in content.decode().splitlines():
            made.line(line)
    else:
        made.file(content)
    return made


@pytest.mark.parametrize(
    ("kind", "name", "session", "shell"),
    [
        (CodexTranscript, "codex.jsonl", "01a20119-3703-7033-8206-4e735f0c238e", "shell"),
        (HermesTranscript, "hermes.jsonl", "20261122_023501_426d97", "terminal"),
        (OpenclawTranscript, "openclaw.jsonl", "6f1c2d3e-0000-4000-8000-000000000001", "exec"),
        (OpencodeTranscript, "opencode.jsonl", "ses_70465c17fffe0d1POJg1fTJO0m", "bash"),
    ],
)
def test_a_turn_with_a_command_and_a_tool_of_the_world(
    kind: type[Account], name: str, session: str, shell: str
) -> None:
    told = read(kind, name)
    assert (told.session, told.text, told.error) == (session, "All done.", "")
    assert [message.role for message in told.messages] == ["assistant", "tool", "assistant", "tool", "assistant"]
    [command], [ran], [tool], [noted], [said] = (message.content for message in told.messages)
    assert isinstance(command, ToolUseBlock)
    assert command.name == shell
    assert "echo hello" in str(command.input)
    assert isinstance(ran, ToolResultBlock)
    assert (ran.tool_use_id, ran.is_error) == (command.id, False)
    assert "hello" in (ran.content or "")
    assert isinstance(tool, ToolUseBlock)
    assert (tool.name, tool.input) == ("note_add", {"text": "milk"})
    assert isinstance(noted, ToolResultBlock)
    assert "milk" in (noted.content or "")
    assert said == TextBlock("All done.")


def test_a_trajectory_of_mini_swe_agent_ends_with_what_it_submits() -> None:
    told = read(MiniTranscript, "mini_swe_agent.json")
    assert [message.role for message in told.messages] == ["assistant", "tool", "assistant", "tool"]
    assert told.messages[0].tool_uses[0].name == "bash"
    assert told.error == ""
    [result] = told.messages[1].content
    assert isinstance(result, ToolResultBlock)
    assert (result.is_error, "hello" in (result.content or "")) == (False, True)


def test_a_failed_turn_says_why() -> None:
    told = read(CodexTranscript, "codex_fault.jsonl")
    assert "nope" in told.error
    assert told.messages == []
    told = MiniTranscript()
    told.file(b'{"info": {"exit_status": "LimitsExceeded"}, "messages": []}')
    assert told.error == "exit status LimitsExceeded"
    told = HermesTranscript()
    told.line("API call failed after 3 retries: HTTP 500: nope")
    assert told.error.startswith("API call failed")


def test_only_the_last_turn_of_a_session_counts() -> None:
    told = OpenclawTranscript()
    whole = (RECORDED / "openclaw.jsonl").read_bytes()
    told.file(whole + whole.replace(b"All done.", b"Again."))
    assert (len(told.messages), told.text) == (5, "Again.")


def test_plain_text_is_what_an_agent_says() -> None:
    told = TextTranscript()
    for line in ("one", "two"):
        told.line(line)
    assert (told.text, told.messages[0].text, len(told.messages)) == ("one\ntwo", "one\ntwo", 1)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "item", "part", "message", "messages", "role", "content"]), inner)
    ),
    max_leaves=8,
)
KINDS = [
    "thread.started", "item.completed", "turn.failed", "text", "tool_use", "error", "message", "session",
    "agent_message", "command_execution", "mcp_tool_call", "file_change", "assistant", "user", "tool", "toolResult",
]  # fmt: skip


@given(kind=st.sampled_from(KINDS), inner=st.sampled_from(KINDS), value=VALUES, more=VALUES)
def test_whatever_a_program_tells_breaks_nothing(kind: str, inner: str, value: Any, more: Any) -> None:
    item = {"type": inner, "role": inner, "content": value, "tool": more, "state": value, "arguments": more}
    event = {"type": kind, "item": item, "part": item, "message": item, "messages": [item, value], "error": value}
    told = json.dumps({**event, "thread_id": value, "sessionID": more, "id": value, "info": more})
    for made in [kind_() for kind_ in ALL]:
        made.line(told)
        made.file(told.encode())
        encode(made.messages)


@pytest.mark.parametrize("kind", ALL)
def test_what_is_no_json_and_what_is_too_deep_is_passed_over(kind: type[Account]) -> None:
    made = kind()
    for line in ("[" * 100_000, "{" * 100_000, '{"type": ', "\x1b[31mred", "null", "[1]"):
        made.line(line)
    made.file(b"\xff\xfe{" * 1000)
    assert made.session is None


@pytest.mark.parametrize("session", ["--help", "", "a b", "x" * 300, 7, None, "../x\n"])
def test_a_session_that_could_be_something_else_is_none(session: Any) -> None:
    made = CodexTranscript()
    made.event({"type": "thread.started", "thread_id": session})
    assert made.session is None


def test_arguments_that_are_nested_too_deep_are_text() -> None:
    made = OpencodeTranscript()
    deep = "[" * 400 + "]" * 400
    made.line('{"type": "tool_use", "part": {"tool": "x", "callID": "1", "state": {"input": ' + deep + "}}}")
    [use] = made.messages[0].tool_uses
    assert isinstance(use.input, str)
    encode(made.messages)
