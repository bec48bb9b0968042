"""A trial's identity: everything that decides it."""

from __future__ import annotations

from pathlib import Path

import pytest

from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.spec import TrialSpec
from terrarium.run.trial import Trial, TrialConfig

TASK = "from terrarium import entry, run_checkers\n\n@entry()\ndef t(env, agent):\n    return run_checkers({})\n"


def test_the_source_of_an_agent_of_ones_own_is_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "t.py").write_text(TASK)
    agent, words = tmp_path / "lib" / "postman_of_test_spec.py", tmp_path / "lib" / "words_of_test_spec.py"
    agent.write_text("import words_of_test_spec\n")
    words.write_text("")
    config = TrialConfig(TaskConfig(path=str(tmp_path / "t.py")), AgentConfig(import_path=f"{agent.stem}:Postman"))
    first = Trial(config).spec
    assert first.id == Trial(config).spec.id == TrialSpec.of_json(first.to_json()).id
    words.write_text("x = 1\n")
    assert Trial(config).spec.id != first.id
