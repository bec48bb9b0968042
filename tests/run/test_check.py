"""`check` finds what gives a solution away, and does not call two failures alike."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terrarium.run.check import Finding, check

TASK = """
from pathlib import Path
from terrarium import entry, run_checkers

@entry(null="any", random="any")
def t(env, agent):
    {setup}
    reply = agent.act("Say the word.")
    return run_checkers({{"said": lambda: reply.text == "fern"}})

@t.solution
def solve(seat):
    {uses}
    the_word_that_must_be_said = "fern"  # nobody may see this line
    return the_word_that_must_be_said
"""
LINE = 'the_word_that_must_be_said = "fern"  # nobody may see this line'
TOOL = '''def manual() -> str:
        """{docstring}"""
        return {result}
    agent.register_tools(manual)'''


def found(folder: Path, setup: str, uses: str = "pass") -> dict[str, Finding]:
    (folder / "t.py").write_text(TASK.format(setup=setup, uses=uses))
    return {finding.what: finding for finding in asyncio.run(check([str(folder / "t.py")], [0]))}


@pytest.mark.parametrize(
    ("setup", "uses", "ok"),
    [
        ("pass", "pass", True),
        (TOOL.format(docstring="How to.", result="'nothing'"), "seat.call('manual')", True),
        (TOOL.format(docstring="How to.", result="Path(__file__).read_text()"), "seat.call('manual')", False),
        (TOOL.format(docstring="How to. " + LINE, result="''"), "pass", False),
        ("pass", f"seat.call('workspace_write', path='a.txt', content={LINE!r})\n"
         "    seat.call('workspace_read', path='a.txt')", True),
    ],
)  # fmt: skip
def test_tools_may_not_show_the_solution(tmp_path: Path, setup: str, uses: str, ok: bool):
    findings = found(tmp_path, setup, uses)
    assert findings["oracle"].ok, findings["oracle"]
    assert findings["solution hidden"].ok is ok, findings["solution hidden"]


def test_two_runs_that_failed_are_not_alike(tmp_path: Path):
    alike = found(tmp_path, "env.nothing.there()")["twice alike"]
    assert not alike.ok
    assert "no run to compare: CapabilityMissing" in alike.detail
