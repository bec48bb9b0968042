"""`terrarium regrade`: the table, the data and the exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from tests.cli.conftest import PASSES, SMALL, Shop

WRONG = PASSES.replace('exists("done.txt")', 'exists("other.txt")')


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose check was wrong."""
    shop = Shop(tmp_path_factory.mktemp("regrade"))
    shop.task("errand", WRONG)
    shop("run", "errand", "-o", "out", "--seeds", "0,1", "--sandbox", "memory", *SMALL)
    return shop.folder


@pytest.fixture
def shop(made, tmp_path):
    """A copy of it; the task is where the run says."""
    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path


def regrade(*args: object, code: int) -> str:
    result = CliRunner().invoke(terrarium, ["regrade", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def task(folder: Path, source: str) -> Path:
    place = folder / "corrected" / "errand" / "task.py"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(line[4:] for line in source.splitlines()))
    return place.parent


def test_a_corrected_run(shop):
    told = regrade(shop / "out", "--task", task(shop, PASSES), "--no-color", code=0)
    assert told.count("0.000 → 1.000") == 2
    assert told.count("written: failed → passed") == 2
    assert "0.000 → 0.000" in told, "the null agent has written nothing"
    assert "3 of 3 trials regraded, 2 with another verdict" in told
    assert f"verdicts: {shop / 'out' / 'verdicts' / 'regrade-1'}" in told.replace("\n", "")
    shown = CliRunner().invoke(terrarium, ["show", str(shop / "out")]).output
    assert "1.000" not in shown, "the verdicts of the run stay what they were"


def test_what_is_not_regradable_is_an_exit_code_and_no_end(shop):
    refused = PASSES.replace('agent.act("Write done.txt")', 'agent.act("Write \x1b[31mdone[bold].txt"); print("loud")')
    told = regrade(shop / "out", "--task", task(shop, refused), code=1)
    assert told.count("→ not regradable") == 3
    assert "where before event" in told.replace("\n", " ")
    assert "\x1b[31mdone" not in told
    data = json.loads(
        CliRunner()
        .invoke(terrarium, ["regrade", str(shop / "out"), "errand", "--json", "--task", str(shop / "corrected")])
        .stdout
    )
    assert data["counts"] == {"regraded": 0, "failed": 0, "not regradable": 3, "changed": 0}
    assert all(one["after"] == {"reward": None, "passed": None} for one in data["trials"])
    assert {one["reason"]["event"] for one in data["trials"]} == {2}
    assert data["folder"].endswith("regrade-2")


def test_a_program_that_raises_now(shop):
    told = regrade(shop / "out", "--task", task(shop, PASSES.replace("return", "1 / 0\n        return", 1)), code=1)
    assert "→ failed" in told
    assert "ZeroDivisionError" in told


@pytest.mark.parametrize(
    "args", [("nowhere",), ("out", "--task", "nowhere"), ("out", "zzz"), (), ("out", "--tusk", "x")]
)
def test_wrong_usage(shop, args, monkeypatch):
    monkeypatch.chdir(shop)
    assert regrade(*args, code=2)
    assert not list((shop / "out" / "verdicts").glob("regrade-*"))
