"""What is said of simulated people, in a job and in a program, and what of it cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from terrarium.cli.flags import job_config
from terrarium.core.errors import ConfigError
from terrarium.run.config import AgentConfig, JobConfig, PeopleConfig, TaskConfig
from terrarium.run.spec import TrialSpec
from terrarium.run.trial import Trial, TrialConfig

TASK = """
from terrarium import entry, run_checkers

@entry(capabilities=["email"], people={"ann": {"agent": "agent"}, "ben": {"simulated": True}})
def program(env, agent):
"""

WRONG = [
    ('env.user("agent", script=["a"])', "a name of their own"),
    ('env.user("world", script=["a"])', "a name of their own"),
    ('env.user("ann", script=["a"])', "must be declared with `simulated`"),
    ('env.user("x", script=[{"heras": "a"}])', "did you mean 'hears'?"),
    ('env.user("x", script=[{"hears": "("}])', "must be a regular expression"),
    ('env.user("x", script=[{"ends": "well"}])', "ends must be one of"),
    ('env.user("x", script="a")', "a script is a list"),
    ('env.user("x")', "needs a script, or a persona or goal"),
    ('env.user("x", script=["a"], delay=("2h", "1h"))', "a delay is a span"),
    ('env.user("x", script=["a"], limits={"walls": 1})', "limits are"),
    ('env.user("x", script=["a"], turns=0)', "turns must be"),
    ('env.user("x", script=["a"], tools=[3])', "tools are functions"),
    ('env.user("x", script=["a"]).post("b")', "lives nowhere"),
    ('[env.user("x", script=["a"]) for _ in range(2)]', "there is a simulated person 'x' already"),
]


@pytest.mark.parametrize(("call", "told"), WRONG)
def test_what_cannot_be_a_person_is_refused(tmp_path: Path, call: str, told: str) -> None:
    source = f"{TASK}    {call}\n    return run_checkers({{}})\n"
    (tmp_path / "task.py").write_text(source)
    config = TrialConfig(
        TaskConfig(path=str(tmp_path / "task.py")), AgentConfig(name="null"), trial_dir=str(tmp_path / "run")
    )
    result = Trial(config).run_sync()
    assert result.error is not None
    assert told in result.error["message"]


def test_the_model_of_people_is_a_setting_of_the_job_and_counts_for_identity(tmp_path: Path) -> None:
    flags = {"user_model": "scripted/m", "user_kwargs": ["temperature=0"], "agents": ("null",)}
    config = job_config([str(tmp_path)], None, flags)
    assert config.people == PeopleConfig(model_name="scripted/m", model_kwargs={"temperature": 0})
    plain = job_config([str(tmp_path)], None, {"agents": ("null",)})
    assert "people" not in plain.public()
    assert plain.identity() != config.identity()
    spec = TrialSpec("t", "t.py", "0", AgentConfig(name="null"))
    other = replace(spec, people=config.people)
    assert spec.id != other.id
    assert TrialSpec.of_json(other.to_json()) == other
    with pytest.raises(ConfigError, match="did you mean 'model_name'"):
        JobConfig(people={"model_nam": "a/b"})
