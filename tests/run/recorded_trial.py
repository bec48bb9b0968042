"""A trial that is recorded for tests of replays, and what is done to its journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import thinking_agent

from terrarium.run.config import AgentConfig
from terrarium.run.replaying import Replay, replay

BUSY = """
    @entry(["notes", "email"], NOTES, notices=["notes"], limits={limits})
    def fn(env, agent):
        def ring(times: int) -> str:
            "Ring the bell."
            env.reward("rung", times)
            return "ding " * times
        agent.register_tools(ring)
        env.after("4s", lambda: env.notes.leave("agent", f"late {{env.random.random()}}"))
        env.notes.add("long " * 20_000)
        for turn in range(3):
            env.email.send("ann@corp.example", env.email.address(), f"Mail {{turn}}", "News.")
            try:
                agent.act(f"Turn {{turn}}: what is new?")
            except TerrariumError as error:
                env.reward(f"{{type(error).__name__}}: {{error}}", 0)
        return run_checkers({{"noted": lambda: env.notes.count() >= 2, "told": lambda: "x" in env.notes.texts()}})
"""
ANSWERS = [
    [{"tool": "email_list"}, {"tool": "notes_add", "args": {"text": "x"}}],
    {"tool": "ring", "args": {"times": 2}},
    "One mail.",
    {"tool": "notes_list"},
    {"tool": "no_such_tool", "args": {"x": 1}},
    "Two mails.",
    {"tool": "notes_add", "args": {}},
    "Three mails.",
]


def thinking(*answers: Any, kind: str = "Thinking", **more: Any) -> AgentConfig:
    kwargs = {"answers": list(answers or ANSWERS), **more}
    return AgentConfig(name="thinking", import_path=f"thinking_agent:{kind}", model_name=None, kwargs=kwargs)


def again(trial: Any, **more: Any) -> Replay:
    """Replay it: the model is not asked, and no byte of the run changes."""
    asked, before = len(thinking_agent.ASKED), content(trial.folder)
    try:
        return asyncio.run(replay(trial.journal, **more))
    finally:
        assert len(thinking_agent.ASKED) == asked, "the model was asked"
        assert content(trial.folder) == before, "the run was touched"


def content(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def edit(played: Any, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Rewrite a journal, line by line."""
    lines = [json.loads(line) for line in played.journal.read_bytes().splitlines()]
    lines = change(lines) or lines
    played.journal.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def nth(lines: list[dict[str, Any]], kind: str, number: int = 0) -> dict[str, Any]:
    return [line for line in lines if line["kind"] == kind][number]
