"""Bad tasks in one job with good ones: each ends with one clear record, and the good ones are unharmed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terrarium.core.journal import EventKind, read
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import Job, JobResult

HEAD = """
import os, re, sys, threading, time
from terrarium import entry, run_checkers

kept = []
"""

GOOD = """
@entry(capabilities=["email"])
def program(env, agent):
    env.email.send(from_addr="a@x.example", to="b@x.example", subject="s", body="b")
    agent.act("go")
    return run_checkers({"sent": lambda: env.email.count_inbox("b@x.example") == 1})
"""

TASKS = {
    "good_1": GOOD,
    "good_2": GOOD,
    "good_3": GOOD,
    "raises": """
@entry()
def program(env, agent):
    raise ValueError("a program's own mistake")
""",
    "wrong_type": """
@entry()
def program(env, agent):
    return 1.0
""",
    "loops": """
@entry(limits={"trial_seconds": 0.5, "grace_seconds": 0.5})
def program(env, agent):
    while True:
        pass
""",
    "swallows": """
@entry(limits={"trial_seconds": 0.5, "grace_seconds": 0.5})
def program(env, agent):
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass
""",
    "blocks_in_c": """
@entry(limits={"trial_seconds": 2})
def program(env, agent):
    re.match(r"(a+)+$", "a" * 60 + "b")
""",
    "leaks_a_thread": """
@entry()
def program(env, agent):
    threading.Thread(target=time.sleep, args=(600,), name="leaked").start()
    return run_checkers({"fine": lambda: True})
""",
    "unknown_capability": """
@entry(capabilities=["telepathy"])
def program(env, agent):
    pass
""",
    "missing_capability": """
@entry()
def program(env, agent):
    env.email.send("a@x.example", "b@x.example", "s", "b")
""",
    "after_close": """
def later(env):
    time.sleep(0.3)
    try:
        env.workspace.fs.exists("/root")
    except Exception as error:
        kept.append(error)

@entry()
def program(env, agent):
    threading.Thread(target=later, args=(env,), daemon=True, name="terrarium late").start()
    return run_checkers({"fine": lambda: True})
""",
    "exits": """
@entry()
def program(env, agent):
    sys.exit(3)
""",
    "leaves": """
@entry()
def program(env, agent):
    os._exit(9)
""",
    "dies": """
@entry()
def program(env, agent):
    os.kill(os.getpid(), 9)
""",
    "prints": """
@entry()
def program(env, agent):
    print("x" * 1_000_000)
    sys.stderr.write("y" * 1_000_000)
    return run_checkers({"fine": lambda: True})
""",
    "acts_for_ever": """
@entry(limits={"turns": 3})
def program(env, agent):
    while True:
        agent.act("again")
""",
    "unplain": """
@entry()
def program(env, agent):
    env.at(object(), lambda: None)
""",
    "a_check_that_raises": """
@entry()
def program(env, agent):
    return run_checkers({"broken": lambda: 1 / 0, "fine": lambda: True})
""",
    "syntax": "def program(:\n",
    "import_error": "import no_such_module_anywhere\n",
    "no_entry": "x = 1\n",
    "hangs_at_import": "while True:\n    pass\n",
}

EXPECTED = {
    "raises": ("task", "a program's own mistake"),
    "wrong_type": ("task", "float"),
    "loops": ("budget", "trial_seconds"),
    "swallows": ("budget", "trial_seconds"),
    "blocks_in_c": ("task", "block"),
    "missing_capability": ("task", "email"),
    "exits": ("task", "SystemExit"),
    "leaves": ("task", "SystemExit"),
    "dies": ("engine", "SIGKILL"),
    "acts_for_ever": ("budget", "turn_limit"),
    "unplain": ("task", "object"),
}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> JobResult:
    folder = tmp_path_factory.mktemp("bad")
    for name, body in TASKS.items():
        (folder / "tasks" / name).mkdir(parents=True)
        (folder / "tasks" / name / "task.py").write_text(HEAD + body)
    config = JobConfig(
        agents=(AgentConfig(name="null"),),
        tasks=(TaskConfig(path=str(folder / "tasks")),),
        job_dir=str(folder / "run"),
        n_attempts=2,
        n_workers=2,
        baseline=False,
        load_timeout_sec=3,
        retry=RetryConfig(max_retries=1, min_wait_sec=0.05),
    )
    return asyncio.run(Job(config).run())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bad_task_has_one_clear_record(job, name):
    boundary, word = EXPECTED[name]
    results = [result for result in job.results if result.trial.task == name]
    assert len(results) == 2
    for result in results:
        assert result.verdict.reward is None, "an error is not a score"
        assert result.error is not None
        assert result.error["boundary"] == boundary
        assert word in result.error["message"]
        assert not result.scored


@pytest.mark.parametrize("name", ["good_1", "good_2", "good_3", "leaks_a_thread", "after_close", "prints"])
def test_good_tasks_are_unharmed(job, name):
    results = [result for result in job.results if result.trial.task == name]
    assert [result.verdict.reward for result in results] == [1.0, 1.0]


def test_a_check_that_raises_has_failed_and_the_others_count(job):
    for result in [result for result in job.results if result.trial.task == "a_check_that_raises"]:
        assert result.verdict.reward == 0.5
        assert result.verdict.checks[0].exception["type"] == "ZeroDivisionError"


@pytest.mark.parametrize("name", ["unknown_capability", "syntax", "import_error", "no_entry", "hangs_at_import"])
def test_what_cannot_be_loaded_is_reported_loudly(job, name):
    assert [entry for entry in job.broken if name in entry["path"]]
    assert job.exit_code == 1


def test_only_failures_of_the_machinery_are_tried_again(job):
    tries = {result.trial.task: result.tries for result in job.results}
    assert tries["dies"] == 2
    assert tries["raises"] == 1
    assert tries["blocks_in_c"] == 1


def test_every_journal_has_a_header_first_and_a_verdict_last(job):
    trials = sorted(Path(job.folder).glob("trials/*"))
    assert len(trials) == 2 * (len(TASKS) - 5)
    for trial in trials:
        events = list(read(max(trial.glob("try-*")) / "journal.jsonl"))
        assert events[0].kind is EventKind.HEADER
        assert events[-1].kind is EventKind.VERDICT


def test_no_world_is_left_behind(job):
    assert not list(Path(job.folder).glob("trials/*/try-*/world"))
