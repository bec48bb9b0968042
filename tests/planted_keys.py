"""Fake keys of model providers in the environment of every test; at the end no file that a test made may hold one."""

from __future__ import annotations

import os
import subprocess

import pytest

NAMES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY")
MARK = "sk-planted-"  # then the name, so that a leak says whose key it is


def plant() -> None:
    """Set the keys; also where there are real ones, which no test needs."""
    for name in NAMES:
        os.environ[name] = f"{MARK}{name.lower().replace('_', '-')}-7d1f4c9e"


def leaks(folder: str) -> list[str]:
    """The files below a folder that hold a planted key."""
    found = subprocess.run(
        ["grep", "-rlaF", "-D", "skip", "-e", MARK, folder], capture_output=True, text=True, errors="replace"
    )
    return found.stdout.splitlines()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look through everything that the tests wrote; one process looks for all."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if hasattr(session.config, "workerinput") or factory is None:
        return
    found = leaks(str(factory.getbasetemp()))
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        shown = "\n  ".join(found[:20])
        print(f"\nA planted key of a model provider stands in {len(found)} files that tests wrote:\n  {shown}")
