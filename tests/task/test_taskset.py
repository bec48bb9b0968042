"""Tasks on disk: what is found, what is broken, and what counts for a digest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from terrarium.core.errors import ConfigError, TaskBroken
from terrarium.task.taskset import find, reload

TASK = """
from terrarium.task.decorator import entry
@entry({args})
def fn(env, agent, **params): ...
"""


def put(folder: Path, content: str = TASK.format(args=""), **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.py").write_text(content)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def broken(path: Path) -> str:
    found = find(path)
    assert not found.tasks
    return "\n".join(each.message for each in found.broken)


def test_a_folder_of_folders_with_its_dataset_file(tmp_path: Path):
    put(tmp_path / "b" / "deep")
    put(
        tmp_path / "a",
        task__toml='[metadata]\nname = "first"\ntags = ["x"]\nversion = "3"\n'
        '[limits]\nsteps = 7\n[check]\nnull = "pass"\n',
    )
    put(tmp_path / "node_modules" / "c")
    put(tmp_path / ".hidden")
    put(tmp_path / "bad", "1/0")
    (tmp_path / "dataset.toml").write_text(
        '[metadata]\nname = "errands"\nversion = "2"\n[metrics]\ntypes = ["mean", "max"]\n'
    )
    found = find(tmp_path)
    assert (found.name, found.version, found.metrics) == ("errands", "2", ("mean", "max"))
    assert [task.name for task in found.tasks] == ["first", "deep"]
    first = found.tasks[0]
    assert (first.tags, first.version, first.limits.steps, first.expects("null"), first.expects("random")) == (
        ("x",), "3", 7, "pass", "fail",
    )  # fmt: skip
    assert [Path(each.path).parent.name for each in found.broken] == ["bad"]
    assert not [name for name in sys.modules if name.startswith("terrarium_task")]


def test_one_file_one_folder_and_none(tmp_path: Path):
    put(tmp_path / "errand")
    (tmp_path / "loose.py").write_text(TASK.format(args=""))
    assert [task.name for task in find(tmp_path / "errand").tasks] == ["errand"]
    assert [task.name for task in find(tmp_path / "errand" / "task.py").tasks] == ["errand"]
    assert [task.name for task in find(tmp_path / "loose.py").tasks] == ["loose"]
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(ConfigError, match="there is no task"):
            find(path)


def test_several_entries_and_variants(tmp_path: Path):
    two = TASK.format(args="") + TASK.format(args="agents=['a', 'b']").replace("def fn", "def other")
    assert [task.name for task in find(put(tmp_path / "two", two)).tasks] == ["two/fn", "two/other"]
    many = TASK.format(args="['email'], limits={'steps': 5}") + (
        "\n@fn.parameterize\ndef variants():\n"
        "    for n in range(3):\n"
        "        more = {'limits': {'turns': n + 1}, 'metadata': {'tags': ['t']}}\n"
        "        yield {'name': f'many-{n}', 'params': {'n': n}, **more}\n"
    )
    tasks = find(put(tmp_path / "many", many)).tasks
    assert [(task.name, task.params, task.limits.turns, task.limits.steps) for task in tasks] == [
        (f"many-{n}", {"n": n}, n + 1, 5) for n in range(3)
    ]
    assert len({task.digest for task in tasks}) == 3
    assert tasks[0].capabilities == ("email",)
    none = put(tmp_path / "none", TASK.format(args="") + "\nfn.parameterize(lambda: [])\n")
    assert find(none).tasks == ()


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        ("[{}]", "has no name"),
        ("[{'name': ''}]", "has no name"),
        ("[{'name': 'x', 'parms': {}}]", "did you mean 'params'"),
        ("[{'name': 'x', 'limits': {'stps': 1}}]", "did you mean 'steps'"),
        ("['x']", "must be a dict"),
        ("[7]", "must be a dict"),
        ("[{'name': 'x', 'params': 5}]", "params"),
        ("[{'name': 'x', 'params': {'f': print}}]", "cannot be written"),
        ("1/0", "ZeroDivisionError"),
        ("[{'name': 'x'}, {'name': 'x'}]", "two tasks are called 'x'"),
    ],
)
def test_bad_variants_are_named(tmp_path: Path, variants: str, told: str):
    found = find(put(tmp_path / "t", TASK.format(args="") + f"\nfn.parameterize(lambda: {variants})\n"))
    assert told in "\n".join(each.message for each in found.broken)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[metdata]\n", "did you mean 'metadata'"),
        ("[metadata]\nauther = 'x'\n", "did you mean 'author'"),
        ("[limits]\nstpes = 1\n", "did you mean 'steps'"),
        ("[limits]\nsteps = 'x'\n", "above zero"),
        ("[check]\nnull = 'maybe'\n", "must be 'fail'"),
        ("[check]\noracle = 'pass'\n", "unknown key"),
        ("metadata = 5\n", "must be a table"),
        ("limits = 5\n", "must be a table"),
        ("[metadata]\ntags = 5\n", "tags must be a list"),
        ("[metadata]\npermits = ['email mark', 5]\n", "permits must be a list"),
        ("[metadata\n", "is not TOML"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, toml: str, told: str):
    assert told in broken(put(tmp_path / "t", task__toml=toml))


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[metrics]\ntypes = [5]\n", "must be a list"),
        ("metrics = 'mean'\n", "must be a table"),
        ("[metrics]\ntypes = 'mean'\n", "must be a list"),
        ("[metadata]\nnmae = 'x'\n", "did you mean 'name'"),
        ("[metrcs]\n", "did you mean 'metrics'"),
    ],
)
def test_bad_dataset_files_are_errors(tmp_path: Path, toml: str, told: str):
    put(tmp_path / "t")
    (tmp_path / "dataset.toml").write_text(toml)
    with pytest.raises(ConfigError, match=told):
        find(tmp_path)


def test_a_file_without_entry_is_broken(tmp_path: Path):
    assert "decorate its program with @entry" in broken(put(tmp_path / "t", "x = 1\n"))


def test_two_tasks_of_one_name_are_reported(tmp_path: Path):
    put(tmp_path / "a" / "same")
    put(tmp_path / "b" / "same")
    assert "two tasks are called 'same'" in find(tmp_path).broken[0].message


def test_the_digest_is_of_content_not_of_place(tmp_path: Path):
    one = put(tmp_path / "x" / "errand", data__txt="1")
    digest = find(one).tasks[0].digest
    other = tmp_path / "y" / "errand"
    shutil.copytree(one, other)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "x.pyc").write_bytes(b"1")
    os.utime(other / "task.py", (1, 1))
    assert find(other).tasks[0].digest == digest
    (other / "data.txt").write_text("2")
    assert find(other).tasks[0].digest != digest


def test_reload_gives_one_task_from_a_module_of_its_own(tmp_path: Path):
    file = put(tmp_path / "t") / "task.py"
    (one, first), (two, second) = reload(file, "t"), reload(file, "t")
    assert one.entry is not two.entry
    assert first != second
    for name in (first, second):
        sys.modules.pop(name)
    with pytest.raises(TaskBroken, match="has no task 'other' any more"):
        reload(file, "other")
    assert not [name for name in sys.modules if name.startswith("terrarium_task")]


def test_the_digest_covers_what_a_loose_file_imports_and_its_own_capabilities(tmp_path: Path):
    config = "['todo'], {'todo': {'import_path': 'todo:Todo'}}"
    file = tmp_path / "errand.py"
    file.write_text("from .content import TEXT\n" + TASK.format(args=config))
    (tmp_path / "content.py").write_text("TEXT = 'a'\n")
    (tmp_path / "todo.py").write_text("class Todo: ...\n")
    (tmp_path / "other.py").write_text("")
    seen = [find(file).tasks[0].digest]
    (tmp_path / "other.py").write_text("changed = 1\n")
    assert find(file).tasks[0].digest == seen[0]
    (tmp_path / "content.py").write_text("TEXT = 'b'\n")
    seen.append(find(file).tasks[0].digest)
    (tmp_path / "todo.py").write_text("class Todo:\n    x = 1\n")
    seen.append(find(file).tasks[0].digest)
    assert len(set(seen)) == 3


def test_the_digest_of_a_variant_covers_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = TASK.format(args="['email']") + (
        "\nimport os\nfn.parameterize(lambda: [{'name': 'x', 'params': {}, **eval(os.environ['MORE'])}])\n"
    )
    put(tmp_path / "t", source)
    seen = set()
    for more in (
        "{}",
        "{'limits': {'turns': 2}}",
        "{'limits': {'turns': 3}}",
        "{'capabilities': ['calendar']}",
        "{'people': {'ann': {}}}",
    ):
        monkeypatch.setenv("MORE", more)
        seen.add(find(tmp_path / "t").tasks[0].digest)
    assert len(seen) == 5


def test_a_variant_may_have_people_of_its_own(tmp_path: Path):
    source = TASK.format(args="people={'ann': {'agent': 'agent'}}") + (
        "\nfn.parameterize(lambda: [{'name': 'a'}, {'name': 'b', 'people': {'bob': {'agent': 'agent'}}},"
        " {'name': 'c', 'people': {'bob': {'name': 'Robert'}}}])\n"
    )
    tasks = find(put(tmp_path / "t", source)).tasks
    assert [list(task.people) for task in tasks] == [["ann"], ["bob"], ["bob"]]
    bad = source.replace("'name': 'Robert'", "'agent': 'agnet'")
    assert "did you mean 'agent'" in broken(put(tmp_path / "bad", bad))


def test_what_cannot_be_read_is_named(tmp_path: Path):
    put(tmp_path / "set" / "good")
    (tmp_path / "set" / "bad" / "task.py").mkdir(parents=True)
    found = find(tmp_path / "set")
    assert [task.name for task in found.tasks] == ["good"]
    assert "cannot read" in found.broken[0].message
    with pytest.raises(ConfigError, match="cannot read /dev/null"):
        find(Path("/dev/null"))
    (tmp_path / "set" / "dataset.toml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot read .*dataset\.toml"):
        find(tmp_path / "set")
    with pytest.raises(ConfigError, match="cannot read"):
        find(tmp_path / ("x" * 300))


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user reaches; pytest's own are shut, however many lie above one another."""
    with TemporaryDirectory(prefix="terrarium-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_folder_one_may_not_open_is_broken_and_the_others_stand(open_to_all: Path):
    put(open_to_all / "good")
    blocked = put(open_to_all / "shut")
    blocked.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # who may open everything: look as somebody else
            os.seteuid(65534)
        found = find(open_to_all)
    finally:
        os.seteuid(user)
        blocked.chmod(0o700)
    assert [task.name for task in found.tasks] == ["good"]
    assert [each.message for each in found.broken] == [f"cannot read {blocked / 'task.py'}: Permission denied"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("['emial']", "did you mean 'email'"),
        ("['notes:left']", "no capability called 'notes'"),
        ("['email'], {'email': 5}", "the settings of 'email' must be a dict, not 5"),
    ],
)
def test_capabilities_that_there_are_not_are_found_at_once(tmp_path: Path, args: str, told: str):
    assert told in broken(put(tmp_path / "t", TASK.format(args=args)))
