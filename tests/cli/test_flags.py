"""Flags > file > defaults."""

from __future__ import annotations

import pytest

from terrarium.cli.flags import job_config, pairs, seeds
from terrarium.core.errors import ConfigError, NotRegistered

JOB = """
n_attempts = 5
seeds = [7]

[[agents]]
name = "null"

[[tasks]]
path = "from-the-file"

[limits]
steps = 9
turns = 4

[retry]
max_retries = 9
min_wait_sec = 0.5
"""


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    return str(path)


def test_without_anything_it_is_the_oracle_once():
    config = job_config(["here"], None, {})
    assert [agent.name for agent in config.agents] == ["oracle"]
    assert (config.seeds, config.n_attempts, config.baseline, config.retry.max_retries) == ((0,), 1, True, 2)


def test_a_file_says_the_same_as_flags(job):
    config = job_config([], job, {})
    assert [agent.name for agent in config.agents] == ["null"]
    assert [task.path for task in config.tasks] == ["from-the-file"]
    assert (config.n_attempts, config.seeds, config.limits) == (5, (7,), {"steps": 9, "turns": 4})


def test_flags_win_over_the_file(job):
    flags = {
        "agents": ("oracle", "random"),
        "model": "m-1",
        "kwargs": ("a=1",),
        "attempts": 2,
        "seeds": "0..2",
        "workers": 3,
        "concurrent": 6,
        "folder": "out",
        "limits": ("steps=5",),
        "retries": 0,
        "baseline": False,
        "snapshot": "never",
        "task": "one",
    }
    config = job_config(["elsewhere"], job, flags)
    assert [agent.label for agent in config.agents] == ["oracle/m-1", "random/m-1"]
    assert config.agents[0].kwargs == {"a": 1}
    assert [(task.path, task.name) for task in config.tasks] == [("elsewhere", "one")]
    assert (config.n_attempts, config.seeds, config.n_workers, config.n_concurrent_trials) == (2, (0, 1, 2), 3, 6)
    assert (config.limits, config.snapshot, config.baseline) == ({"steps": 5, "turns": 4}, "never", False)
    assert (config.retry.max_retries, config.retry.min_wait_sec, config.job_dir) == (0, 0.5, "out")


def test_a_model_goes_to_the_agents_of_the_file(job):
    assert [agent.label for agent in job_config([], job, {"model": "m"}).agents] == ["null/m"]


def test_an_agent_of_ones_own_is_called_by_its_class():
    config = job_config(["x"], None, {"agent_import": "mine.agents:Clever"})
    assert (config.agents[0].name, config.agents[0].import_path) == ("Clever", "mine.agents:Clever")
    with pytest.raises(ConfigError, match="one agent"):
        job_config(["x"], None, {"agent_import": "a:B", "agents": ("x", "y")})
    with pytest.raises(ConfigError, match="module:Class"):
        job_config(["x"], None, {"agent_import": "mine.Clever"})


def test_a_folder_with_a_dataset_is_a_dataset(tmp_path):
    (tmp_path / "dataset.toml").write_text("")
    config = job_config([str(tmp_path), "a-task"], None, {})
    assert [entry.path for entry in config.datasets] == [str(tmp_path)]
    assert [entry.path for entry in config.tasks] == ["a-task"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("3", [3]), ("0,1,2", [0, 1, 2]), ("0..3", [0, 1, 2, 3]), ("5, 1..2,5", [5, 1, 2]), ("-1", [-1])],
)
def test_seeds(text, found):
    assert seeds(text) == found


@pytest.mark.parametrize("text", ["", "a", "1..", "3..1", "1,,2", "0..99999999"])
def test_seeds_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="--seeds"):
        seeds(text)


def test_pairs_are_json_where_they_can_be():
    found = pairs(["a=1", "b=x=y", "c=[1, 2]", "d=true", "e=", "f={"], "-k")
    assert found == {"a": 1, "b": "x=y", "c": [1, 2], "d": True, "e": "", "f": "{"}
    with pytest.raises(ConfigError, match="-k: 'novalue'"):
        pairs(["novalue"], "-k")


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        ({"limits": ("stpes=5",)}, "'steps'"),
        ({"limits": ("steps=0",)}, "above zero"),
        ({"agents": ("orcale",)}, "'oracle'"),
    ],
)
def test_what_is_unknown_names_the_nearest(flags, hint):
    with pytest.raises((ConfigError, NotRegistered), match=hint):
        job_config(["x"], None, flags)


@pytest.mark.parametrize(
    ("content", "hint"),
    [("n_atempts = 1", "'n_attempts'"), ("agents = 3", "agents"), ("limits = 3", "limits"), ("x = [", "not TOML")],
)
def test_a_wrong_file_is_told_by_name(tmp_path, content, hint):
    path = tmp_path / "job.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=hint) as caught:
        job_config(["x"], str(path), {"model": "m"})
    assert "job.toml" in str(caught.value) or hint in ("agents", "limits")


def test_a_policy_and_a_judge_come_from_flags_and_are_checked(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('[[approval]]\ntool = "x_*"\ndo = "deny"\n')
    config = job_config(["."], None, {"approval": str(policy), "judge_model": "scripted/answers.json"})
    assert [rule.do for rule in config.approval] == ["deny"]
    assert config.judge is not None
    assert config.judge.model_name == "scripted/answers.json"
    with pytest.raises(NotRegistered, match="there is no model called 'scriptd'"):
        job_config(["."], None, {"judge_model": "scriptd/x"})
    with pytest.raises(NotRegistered, match="there is no model called 'opnai'"):
        job_config(["."], None, {"user_model": "opnai/x"})
    policy.write_text('[[approvals]]\ndo = "deny"\n')
    with pytest.raises(ConfigError, match=r"a list of \[\[approval\]\] tables"):
        job_config(["."], None, {"approval": str(policy)})
    policy.write_text('[[approval]]\ndo = "deni"\n')
    with pytest.raises(ConfigError, match="'allow', 'deny', 'ask' or 'modify'"):
        job_config(["."], None, {"approval": str(policy)})
