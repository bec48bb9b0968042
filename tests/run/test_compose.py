"""What a task's workspaces become: one for each agent, in the sandbox that task and job ask for."""

from __future__ import annotations

import pytest

from terrarium.core.errors import ConfigError
from terrarium.core.sandbox import Caps, bytes_of, caps_of
from terrarium.run.config import AgentConfig, SandboxConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

TWO = """
    @entry({capabilities}, agents=["buyer", "seller"], capabilities_config={config})
    async def fn(env, agents):
        {body}
        return run_checkers({{"fine": lambda: True}})
"""


def test_each_of_several_agents_has_a_workspace_of_its_own(play):
    played = play(
        TWO.format(
            capabilities=["workspace"],
            config={"workspace": {"sandbox": "memory", "files": {"todo.txt": "sell"}}},
            body="""env.workspace("buyer").fs.write_file("secret.txt", "at most 100")
        await agents["buyer"].act("look")
        await agents["seller"].act("look")""",
        ),
        [{"tool": "workspace_list", "args": {}}, "looked"],
    )
    assert played.reward == 1.0
    assert played.shown() == ['["secret.txt", "todo.txt"]', '["todo.txt"]']


def test_agents_share_the_workspace_that_names_them(play):
    played = play(
        TWO.format(
            capabilities=["workspace"],
            config={"workspace": {"sandbox": "memory", "agents": ["buyer", "seller"]}},
            body="""env.workspace.fs.write_file("plan.txt", "meet at noon")
        await agents["seller"].act("look")""",
        ),
        [{"tool": "workspace_list", "args": {}}, "looked"],
    )
    assert played.reward == 1.0
    assert played.shown() == ['["plan.txt"]']


ONE = """
    @entry(["workspace"], capabilities_config={config})
    def fn(env, agent):
        env.workspace.fs.write_file("a", "b")
        return run_checkers({{"fine": lambda: True}})
"""


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"sandbox": 3}, "sandbox must be a name"),
        ({"sandbox": "memroy"}, "memory"),
        ({"resources": {"cpu": 1}}, "cpus"),
        ({"resources": {"memory": "much"}}, "'512m'"),
        ({"resources": {"cpus": 0}}, "above zero"),
    ],
)
def test_a_bad_setting_is_a_recorded_error_that_says_what_to_write(play, config, told):
    played = play(ONE.format(config={"workspace": config}))
    assert told in str(played.error)
    assert played.result.verdict.reward is None


def test_the_header_names_the_sandboxes(play):
    played = play(ONE.format(config={"workspace": {"sandbox": {"name": "memory"}}}))
    assert played.events("header")[0].data["sandboxes"] == {"workspace": "memory"}


def test_the_job_says_which_sandbox_where_the_task_does_not(play, tmp_path):
    played = play(ONE.format(config={}), run=False)
    config = TrialConfig(
        task=TaskConfig(path=str(played.task.parent)),
        agent=AgentConfig(name="null"),
        sandbox_provider=SandboxConfig(name="memory"),
        trial_dir=str(tmp_path / "named"),
    )
    trial = Trial(config)
    assert trial.run_sync().verdict.reward == 1.0
    assert trial.spec.id != played.trial.spec.id


def test_sizes_and_caps():
    assert [bytes_of(size) for size in (5, "512m", "1.5GiB", "2 KB")] == [5, 512 << 20, 3 << 29, 2048]
    assert caps_of({"cpus": 2, "memory": "1g", "storage": "1m", "processes": 9}) == Caps(
        cpus=2.0, memory=1 << 30, disk=1 << 20, processes=9
    )
    for bad in ("", "-1g", True, None, 0, "1x"):
        with pytest.raises(ConfigError):
            bytes_of(bad)
