"""`terrarium new task`."""

from __future__ import annotations

import pytest

from terrarium.cli.scaffold import scaffold
from tests.cli.conftest import SMALL


def test_what_is_made_runs_at_once_and_passes(shop):
    said = shop("new", "task", "price-request", "--dir", "tasks")
    assert "terrarium run tasks/price-request" in said
    said = shop("run", "tasks/price-request", "--seeds", "0..1", "-o", "out", *SMALL)
    line = next(line for line in said.splitlines() if line.startswith("oracle"))
    assert line.split()[2] == "1.000"
    assert line.split()[-1] == "0.000"  # the null agent does not pass


def test_a_folder_that_is_there_is_never_touched(shop):
    shop.task("mine", "x = 1")
    assert "is there already" in shop("new", "task", "mine", code=2)
    assert (shop.folder / "mine" / "task.py").read_text() == "x = 1"


@pytest.mark.parametrize("name", ["Upper", "../up", "", "a b", "1st"])
def test_names_that_cannot_be_a_task(shop, name):
    assert "cannot be the name" in shop("new", "task", name, code=2)


@pytest.mark.parametrize("name", ["class", "entry", "a-b_c9"])
def test_every_name_gives_a_program(name):
    files = scaffold(name)
    compile(files["task.py"], "task.py", "exec")
    assert f'name = "{name}"' in files["task.toml"]
