"""Tasks for vendors' own clients, pip and a browser, and what becomes of right and wrong agents in them."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import pytest
from shipped import TASKS, altered, failed, verdict

from terrarium.capability.browser.chromium import executable
from terrarium.capability.postgres.binaries import find as find_postgres
from terrarium.core.errors import ConfigError
from terrarium.run.config import AgentConfig
from terrarium.sandbox.packages import folder_of, version_at
from terrarium.sandbox.tier import tier
from terrarium.task.taskset import find

CLIENTS = find(Path(__file__).parents[2] / "tasksets" / "clients")
NAMES = sorted(task.name for task in CLIENTS.tasks)

ONCE = {"alter": "looks_only_once"}
SEVERITY = ["new = {", 'new = {"Severity": {"number": 9}, ']
WRONG = [
    ("refunds", ONCE, "paid back what came later"),
    ("refunds", {"patch": ["AND earlier.status = 'paid'", ""]}, "changed nothing else"),
    ("stock_sheet", ONCE, "every delivery is booked"),
    ("bug_board", {"patch": SEVERITY}, "names and severities are as they were"),
    ("help_desk", {"patch": ["if len.thread. > 1 and not mine", "if False"]}, "said nothing else"),
    ("price_list", {"patch": ['page."edition". != edition', "False"]}, "the list is the present one"),
    ("report_archive", ONCE, "archived what came and what was finished"),
    ("fixed_tool", ONCE, "the result is by the newest release"),
    ("room_rush", {"patch": ["^(Rosa|Theo|Mara|Priya) .*", "Nobody"]}, "booked something else"),
    ("lamp_shop", {"patch": ["Standard", "Express"]}, "with the right delivery"),
]
FURTHER = [
    ("refunds", {"patch": ["(earlier|later).amount", "0"]}, "changed nothing else"),
    ("stock_sheet", {"patch": ["total = ", 'stock.update_acell("C2", 1); total = ']}, "changed nothing else"),
    ("bug_board", ONCE, "escalated what came later"),
    ("bug_board", {"patch": ['"greater_than_or_equal_to": 8', '"greater_than_or_equal_to": 2']}, "escalated others"),
    ("help_desk", ONCE, "answered the later ones"),
    ("report_archive", {"patch": ["before != content", "before is None"]}, "archived the correction"),
    ("report_archive", {"patch": ['report."state". != "final"', "False"]}, "changed nothing else"),
    ("lamp_shop", {"patch": ["^[0-9]+$", "999"]}, "did nothing else"),
]


@cache
def lacking(task: str) -> str:
    """Why a task cannot be played here; nothing where it can."""
    if tier().number > 1:
        return "this machine gives no namespaces"
    try:
        folder_of(tuple(TASKS[task].capabilities_config.get("workspace", {}).get("packages", ())), version_at("/"))
        if "postgres" in TASKS[task].capabilities:
            find_postgres()
    except ConfigError as error:
        return str(error)
    if "google_sheets" in TASKS[task].capabilities and not importlib.util.find_spec("formualizer"):
        return "formualizer is not installed"
    if "browser" in TASKS[task].capabilities and executable() is None:
        return "there is no Chromium"
    return ""


@pytest.fixture
def played(tmp_path):
    """The verdict on an agent in a task, if it can be played here."""

    def play(task, agent, seed=0):
        if lacking(task):
            pytest.skip(lacking(task))
        return verdict(tmp_path, task, agent, seed)

    return play


def test_the_taskset_is_whole():
    assert CLIENTS.broken == ()
    assert len(NAMES) == 9
    assert all(task.entry.solutions and task.metadata["description"] for task in CLIENTS.tasks)
    assert {task for task, _, _ in WRONG} == set(NAMES)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 10))])
@pytest.mark.parametrize("task", NAMES)
def test_the_solution_passes(played, task, seed):
    judged = played(task, AgentConfig(name="oracle"), seed)
    assert failed(judged) == []
    assert judged.reward == 1.0


@pytest.mark.parametrize("task", NAMES)
def test_doing_nothing_is_worth_nothing(played, task):
    assert played(task, AgentConfig(name="null")).reward == 0.0


@pytest.mark.parametrize(
    ("task", "change", "check"), [*WRONG, *(pytest.param(*one, marks=pytest.mark.soak) for one in FURTHER)]
)
def test_a_wrong_agent_fails_for_the_right_reason(played, task, change, check):
    judged = played(task, altered(task, **change))
    assert not judged.passed
    assert check in failed(judged)
