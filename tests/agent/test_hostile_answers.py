"""Answers of a model that are meant to break something: the trial goes on, and its record can be read and shown."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from dialogue import ASKED, talking

from terrarium.cli.main import terrarium
from terrarium.core.containment import TEXT_LIMIT
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion

TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    reply = agent.act("add notes")
    env.reward(reply.stop, 0)
    return run_checkers({"so": lambda: True})
"""


def deep(levels: int):
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


def use(name: str, **arguments: object) -> ToolUseBlock:
    return ToolUseBlock("", name, arguments)


HOSTILE = {
    "50 MB of text": lambda: [TextBlock("x" * 50_000_000), use("notes_add", text="a")],
    "10,000 calls": lambda: [use("notes_add", text="a")] * 10_000,
    "deep arguments": lambda: [use("notes_add", text=deep(10_000))],
    "deep text for arguments": lambda: [ToolUseBlock("", "notes_add", "[" * 100_000)],
    "huge arguments": lambda: [use("notes_add", text="x" * 5_000_000)],
    "escapes": lambda: [TextBlock("\x1b]0;owned\x07\x1b[2J\x00\u202e"), use("notes_add", text="\x1b[31m\x00")],
    "surrogates": lambda: [TextBlock("\ud83d\ude00\udfff"), use("notes_add", text="\udc80")],
    "a name of 1 MB": lambda: [use("\x1b[2J" + "n" * 1_000_000)],
    "an id of 1 MB": lambda: [ToolUseBlock("i" * 1_000_000, "notes_add", {"text": "a"})] * 2,
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("calls", ["native", "text"])
def test_it_is_contained(play, answer, calls):
    hostile = Completion(Message("assistant", answer()), "tool_use")
    played = play(TASK, talking(hostile, "done", calls=calls), limits={"tool_calls": 50})
    assert played.reward == 1.0
    assert played.said in (["completed"], ["tool_call_limit"])
    assert played.events("tool_result") or calls == "text"
    written = played.journal.read_bytes()
    assert written.isascii()
    assert not any(byte < 32 and byte != 10 for byte in written)
    assert len(written) < 1_000_000
    assert all(blob.stat().st_size < 2 * TEXT_LIMIT for blob in (played.folder / "blobs").glob("*"))
    for messages, _ in ASKED:
        for message in messages:
            assert sum(len(use.name) + len(use.id) for use in message.tool_uses) < 500_000
            message.text.encode("utf-8")
    for command in ("show", "attach"):
        shown = CliRunner().invoke(terrarium, [command, str(played.folder), played.trial.spec.id[:8]])
        assert shown.exit_code == 0, shown.output
        assert "\x1b" not in shown.output
        assert "\x00" not in shown.output


@pytest.mark.parametrize("text", ["50 MB of text", "escapes", "surrogates"])
@pytest.mark.parametrize("agent", ["shell"])
def test_the_shell_agent_bears_it_too(play, agent, text):
    def answer(messages):
        return [block for block in HOSTILE[text]() if isinstance(block, TextBlock)]

    assert play(TASK, talking(answer, agent=agent)).reward == 1.0
    assert play(TASK, talking(HOSTILE[text](), "done", agent=agent)).reward == 1.0
