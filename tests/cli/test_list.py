"""`terrarium list`."""

from __future__ import annotations

import json

from tests.cli.conftest import PASSES


def test_without_paths_it_lists_what_is_registered(shop):
    said = shop("list")
    for name in ("oracle", "email", "memory"):
        assert name in said
    assert json.loads(shop("list", "--json"))["agent"]["oracle"] == "terrarium.agent.oracle:OracleAgent"


def test_tasks_with_what_they_need(shop):
    folder = shop.task("done")
    (folder / "task.toml").write_text('[metadata]\nversion = "7"\ndescription = "Writes \\u001b[31ma file."\n')
    (header, row) = shop("list", "done").splitlines()[1:3]
    assert header.split()[:4] == ["task", "version", "capabilities", "agents"]
    assert row.split()[:5] == ["done", "7", "workspace", "agent", "yes"]
    assert r"Writes \x1b[31ma file." in row


def test_a_task_without_a_solution_and_a_broken_one(shop):
    shop.task("set/unsolved", PASSES.partition("@program.solution")[0])
    shop.task("set/broken", "raise RuntimeError('not today')")
    said = shop("list", "set", code=1)
    assert "BROKEN  set/broken/task.py: RuntimeError: not today" in said
    assert "1 task, 1 BROKEN" in said
    assert next(line for line in said.splitlines() if line.startswith("unsolved")).split()[4] == "no"


def test_nothing_there_is_a_usage_error(shop):
    assert "no task or taskset" in shop("list", "nowhere", code=2)


def test_a_capability_that_is_not_registered_is_told(shop):
    shop.task("odd", PASSES.replace('"workspace"', '"emial"'))
    said = shop("list", "odd", code=1)
    assert "BROKEN  odd/task.py: " in said
    assert "did you mean 'email'" in said
