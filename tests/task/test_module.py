"""Task files are executed afresh and leave nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from terrarium.core.errors import TaskBroken
from terrarium.task.module import entries, load, unload

ENTRY = "from terrarium.task.decorator import entry\n\n@entry()\ndef {name}(env, agent): ...\n"


def test_every_load_has_globals_of_its_own(tmp_path: Path):
    file = tmp_path / "task.py"
    file.write_text("seen = []\nseen.append(1)\n")
    one, two = load(file), load(file)
    assert one.__name__ != two.__name__
    assert one.seen == two.seen == [1]
    one.seen.append(2)
    assert two.seen == [1]
    for module in (one, two):
        unload(module.__name__)
        assert module.__name__ not in sys.modules


def test_neighbours_are_imported_relatively_and_each_load_has_its_own(tmp_path: Path):
    (tmp_path / "task.py").write_text("from .words import WORDS\n")
    (tmp_path / "words.py").write_text("WORDS = ['a']\n")
    one, two = load(tmp_path / "task.py"), load(tmp_path / "task.py")
    assert one.WORDS == two.WORDS
    assert one.WORDS is not two.WORDS
    for module in (one, two):
        unload(module.__name__)
    assert not [name for name in sys.modules if name.startswith(one.__name__)]


def test_a_file_that_changes_is_read_again(tmp_path: Path):
    file = tmp_path / "task.py"
    for number in range(3):
        file.write_text(f"n = {number}{'0' * number}\n")
        module = load(file)
        assert str(module.n).startswith(str(number))
        unload(module.__name__)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"def (", r"task\.py:1: SyntaxError"),
        (b"1/0", "ZeroDivisionError"),
        (b"import no_such_module_anywhere", "ModuleNotFoundError"),
        (b"raise SystemExit(3)", "SystemExit: 3"),
        (b"\xff\xfe", "SyntaxError"),
        (b"x = '\x00'", "SyntaxError|ValueError"),
    ],
)
def test_a_file_that_cannot_be_executed_is_broken_and_forgotten(tmp_path: Path, content: bytes, told: str):
    (tmp_path / "task.py").write_bytes(content)
    before = set(sys.modules)
    with pytest.raises(TaskBroken, match=told):
        load(tmp_path / "task.py")
    assert not [name for name in set(sys.modules) - before if name.startswith("terrarium_task")]


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(TaskBroken):
        load(tmp_path / "task.py")


def test_entries_are_those_of_the_file_in_order(tmp_path: Path):
    (tmp_path / "other.py").write_text(ENTRY.format(name="imported"))
    (tmp_path / "task.py").write_text(
        "from .other import imported\n" + ENTRY.format(name="second") + ENTRY.format(name="first") + "alias = first\n"
    )
    module = load(tmp_path / "task.py")
    assert [entry.__name__ for entry in entries(module)] == ["second", "first"]
    unload(module.__name__)
