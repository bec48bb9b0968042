"""What is damaged or cannot be read is named at once, in one line, and never costs more than itself."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import SMALL


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"identity": 7, "config": [], "tasks": null}', "{"])
def test_a_damaged_plan_is_named(shop, content):
    shop.task("one")
    (shop.folder / "out").mkdir()
    (shop.folder / "out" / "job.json").write_text(content)
    told = shop("run", "one", "-o", "out", *SMALL, code=2)
    assert "job.json" in told
    assert "choose another folder" in told


def test_damaged_records_count_as_none(shop):
    shop.task("one")
    shop("run", "one", "-o", "out", *SMALL)
    (shop.folder / "out" / "trials" / "x").mkdir()
    for number, record in enumerate(sorted((shop.folder / "out" / "verdicts").iterdir())):
        (shop.folder / "out" / "trials" / record.stem / "try-x").mkdir()
        plain = json.loads(record.read_text())
        if number:
            plain["verdict"] = None
        else:
            plain["verdict"]["fields"]["reward"] = "x"
        record.write_text(json.dumps(plain))
    shop("show", "out")
    told = shop("run", "one", "-o", "out", *SMALL)
    assert "2 are done already" in told, "their journals still tell how they ended"


@pytest.mark.parametrize("path", ["/dev/null", "x" * 300])
def test_a_path_that_cannot_be_read_is_named(shop, path):
    for command in (("run", path, *SMALL), ("list", path), ("check", path)):
        told = shop(*command, code=2)
        assert f"cannot read {path[:20]}" in told.replace("\n", "")


def test_a_file_of_a_task_that_cannot_be_read_breaks_only_that_task(shop):
    shop.task("tasks/good")
    (shop.task("tasks/bad") / "notes").symlink_to("/proc/self/mem")
    told = shop("run", "tasks", "-o", "out", *SMALL, code=1)
    assert "cannot read" in told
    assert "Input/output error" in told


@pytest.mark.parametrize(
    ("source", "args", "hint"),
    [
        ("raise RuntimeError('no luck')", (), "no luck"),
        ("class Own:\n    def __init__(self, depth): ...", ("-k", "width=3"), "refuses its settings"),
        ("class Own:\n    def __init__(self, depth): ...", (), "missing a required argument: 'depth'"),
        ("import os\nos.kill(os.getpid(), 9)", (), "SIGKILL"),
        ("", (), "Own"),
    ],
)
def test_an_agent_that_cannot_be_made_is_found_before_any_trial(shop, source, args, hint):
    shop.task("one")
    (shop.folder / "own.py").write_text(source)
    told = shop("run", "one", "-o", "out", "--agent-import", "own:Own", *args, *SMALL, code=2)
    assert hint in told.replace("\n", " ")
    assert not (shop.folder / "out" / "trials").exists()
