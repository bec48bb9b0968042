"""Task and job files as they are written for the public interface of other multi-turn engines, run unmodified."""

from __future__ import annotations

import asyncio
import textwrap
from datetime import UTC, datetime

import pytest

from terrarium import AgentConfig, Job, JobConfig, TaskConfig, Trial, TrialConfig
from terrarium.core.errors import CapabilityMissing, ConfigError, NotFound, Refused
from terrarium.run.config import load, parse

INBOX = '''
    from terrarium.task.checking import aggregate_results, run_checkers
    from terrarium.task.decorator import entry


    @entry(["email", "email:second"], config={"email": {}})
    def task(env, agent, boss, stages=1):
        """Two stages, with capabilities that come and go."""
        assert agent.name == "agent" and agent.name() == "agent"
        assert "workspace" in env and "notion" not in env
        env.email("default").send("x@corp.example", boss, "Hello", "First", attachments=[("a.txt", b"a")])
        assert env.email.count_inbox("nobody@corp.example") == 0
        message = env.email.get_message(boss, 0)
        assert message["from"] == "x@corp.example" and message["subject"] == "Hello"
        assert message["attachments"] == [{"filename": "a.txt", "size": 1}]
        assert len(env.email) == 2
        for wrong, kind in (
            (lambda: env.email("third"), KeyError),
            (lambda: env.acquire("email:second"), ValueError),
            (lambda: env.release("email:third"), KeyError),
            (lambda: env.email("default").get_message(boss, 7), LookupError),
        ):
            try:
                wrong()
            except kind as error:
                assert not str(error).startswith(("'", '"')), error
            else:
                raise AssertionError("nothing was raised")
        env.acquire("email:late")
        env.release("email:late")
        env.workspace.fs.write_file("/root/notes/in.txt", "text")
        assert env.workspace.fs.read_file("/root/notes/in.txt") == b"text"
        done = env.workspace.shell.exec("cat /root/notes/in.txt")
        assert (done.exit_code, done.stdout) == (0, "text")
        results = []
        for stage in range(stages):
            reply = agent.act(f"Stage {stage}")
            assert (reply.input_tokens, reply.output_tokens, reply.cache_read_tokens) == (0, 0, 0)
            assert reply.messages[0].content[0].text == "done"
            results.append(run_checkers({
                f"told {stage}": lambda: agent.get_trajectory().messages[-1].role == "assistant",
                f"broke {stage}": lambda: {}["missing"],
            }, tags=[f"stage{stage}"]))
        metrics = agent.get_trajectory().metrics
        assert (metrics.total_llm_calls, metrics.total_tool_calls) == (stages, 0)
        result = aggregate_results(*results)
        broken = result.by_tag("stage0")[1]
        assert broken.exception.exception_type == "KeyError"
        assert "missing" in broken.exception.exception_message
        assert "Traceback" in broken.exception.exception_traceback
        return result


    @task.parameterize
    def variants():
        yield {"name": "one", "params": {"boss": "boss@corp.example"}}
        yield {"name": "two", "params": {"boss": "boss@corp.example", "stages": 2}, "metadata": {"tags": ["long"]}}
'''

JOB = """
    job_name = "compared"
    tasks = ["./inbox/"]
    n_attempts = 2
    n_concurrent_trials = 2
    agent_setup_timeout_sec = 60
    agent_exec_timeout_sec = 60

    [[agents]]
    name = "scripted"
    [agents.kwargs]
    script = [{say = "done"}, {say = "done"}]

    [retry]
    max_retries = 1
    min_wait_sec = 0.1

    [sandbox_provider]
    name = "docker"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "task.py").write_text(textwrap.dedent(INBOX))
    (tmp_path / "inbox" / "task.toml").write_text('[metadata]\nname = "inbox"\nauthor = "me"\ndifficulty = "easy"\n')
    (tmp_path / "job.toml").write_text(textwrap.dedent(JOB))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_job_file_runs_and_its_result_has_the_names(place):
    config = parse({**load(place / "job.toml"), "baseline": False})
    assert config.tasks == (TaskConfig(path="inbox"),)
    result = asyncio.run(Job(config).run())
    assert result.folder.resolve() == place / "outputs" / "compared"
    assert [one.exception_info for one in result.trial_results] == [None] * 4
    assert [one.trial_name for one in result.trial_results] == [
        "scripted__none__inbox__one",
        "scripted__none__inbox__one__attempt2",
        "scripted__none__inbox__two",
        "scripted__none__inbox__two__attempt2",
    ]
    assert (result.stats.n_trials, result.stats.n_errors) == (4, 0)
    (group,) = result.stats.agent_dataset_stats.items()
    assert group[0] == "scripted__none__inbox"
    assert (group[1].metrics, list(group[1].score_stats)) == ({"mean": 0.5}, [0.5])
    assert result.timing.started_at <= result.timing.finished_at <= datetime.now(UTC)


def test_a_trial_by_itself_has_the_names(place):
    config = TrialConfig(
        task=TaskConfig(path=str(place / "inbox"), name="two"),
        agent=AgentConfig(name="scripted", kwargs={"script": [{"say": "done"}, {"say": "done"}]}),
        trial_name="by-hand",
        agent_setup_timeout_sec=30,
        agent_exec_timeout_sec=30,
    )
    result = asyncio.run(Trial(config).run())
    assert result.exception_info is None
    assert (place / "outputs" / "by-hand" / "verdicts").is_dir()
    assert result.checker_result.score == 0.5
    assert result.checker_result.all_tags() == ["stage0", "stage1"]
    assert result.checker_result.checks[1].exception.exception_type == "KeyError"
    assert (result.trial_name, result.task_info.name, result.agent_info.name) == ("by-hand", "two", "scripted")
    assert result.timing.duration_sec == result.seconds
    assert [message.role for message in result.trajectory.messages] == ["user", "assistant"] * 2
    assert result.trajectory.messages[0].content == "Stage 0"
    assert result.trajectory.metrics.total_input_tokens == 0


def test_what_failed_is_told_under_these_names(place):
    (place / "inbox" / "task.py").write_text(
        "from terrarium import entry\n@entry([])\ndef task(env, agent):\n    return 1 / 0\n"
    )
    result = Trial(TrialConfig(task=TaskConfig(path="inbox"), agent=AgentConfig(name="null"))).run_sync()
    assert result.checker_result is None
    assert result.exception_info.exception_type == "ProgramError"
    assert "ZeroDivisionError" in result.exception_info.exception_message
    assert "1 / 0" in result.exception_info.exception_traceback


def test_an_agent_that_is_not_set_up_in_time_is_at_fault(place, play):
    found = play(
        "from terrarium import entry, run_checkers\n@entry()\ndef program(env, agent):\n"
        "    agent.act('x')\n    return run_checkers({})\n",
        AgentConfig(name="slow", import_path=f"{__name__}:Slow"),
        limits={"open_seconds": 0.2},
    )
    assert found.result.error["boundary"] == "agent"
    assert "open_seconds" in found.result.error["message"]


class Slow:
    """An agent that never gets ready."""

    timing = "fixed"

    async def open(self, seat):
        await asyncio.sleep(1000)

    async def close(self):
        pass


def test_errors_are_also_those_of_the_language():
    assert isinstance(Refused("x"), ValueError)
    assert isinstance(NotFound("x"), LookupError)
    assert isinstance(CapabilityMissing("x"), KeyError)
    assert str(CapabilityMissing("there is none")) == "there is none"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: JobConfig(n_atempts=3), "did you mean 'n_attempts'"),
        (lambda: JobConfig(agents=[{"nmae": "x"}]), "AgentConfig: unknown key 'nmae'; did you mean 'name'"),
        (lambda: JobConfig(n_attempts=0), "JobConfig.n_attempts"),
        (lambda: JobConfig(job_name="../../tmp/x"), "one folder below outputs"),
        (lambda: TrialConfig(task=TaskConfig(path="x"), trial_name="../x"), "one folder below outputs"),
        (lambda: parse({"n_atempts": 1}, "job.toml"), "job.toml: JobConfig: unknown key 'n_atempts'"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(make, told):
    with pytest.raises(ConfigError) as raised:
        make()
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_place_has_one_name(tmp_path):
    assert JobConfig(tasks=["./chg"]).identity() == JobConfig(tasks=[{"path": "chg/"}]).identity()
