"""Every example runs by itself, prints what it is about, is short, and is listed; those that are tasks are sound."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from terrarium.run.check import check

EXAMPLES = Path(__file__).parents[2] / "examples"
PRINTS = {
    "autogen_agent.py": "autogen: reward 1.0 in 4 steps",
    "function_agent.py": "function: reward 1.0 in 4 steps",
    "heartbeat.py": "91: alarm sent",
    "hello_mail.py": "reward 1.0",
    "job_api.py": "resumed: ",
    "langgraph_agent.py": "langgraph: reward 1.0 in 4 steps",
    "late_colleague.py": "after all.\nreward 1.0",
    "mail_in_mid_turn.py": "the boss writes again",
    "openai_agents_sdk.py": "openai_agents: reward 1.0 in 4 steps",
    "own_agent.py": "reads: We need",
    "own_capability.py": "'done': False} -> {'text': 'feed the fish', 'done': True}",
    "tree_search.py": "'red', 'green', 'green', 'red'] reward 1.0",
    "two_agents.py": "deal at",
}
ELSEWHERE = {"crewai_agent.py"}
"""Those that need what is not installed here; tests of their own run them."""
TASKS = [
    "heartbeat.py",
    "hello_mail.py",
    "late_colleague.py",
    "mail_in_mid_turn.py",
    "own_capability.py",
    "two_agents.py",
]


def test_every_example_is_here_and_listed() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted({*PRINTS, *ELSEWHERE})
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"({name})" in listed for name in {*PRINTS, *ELSEWHERE})


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs_from_anywhere_and_is_short(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert PRINTS[name] in done.stdout
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 60


def test_the_tasks_among_them_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{EXAMPLES}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    findings = asyncio.run(check([str(EXAMPLES / name) for name in TASKS], seeds=(0, 1)))
    assert not [finding for finding in findings if not finding.ok]
