"""What a task file is made of: itself and what it imports, found without executing any of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terrarium.core.errors import TaskBroken
from terrarium.task.source import beside, content_of, files_of, target_files, tree_of


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_neighbours_and_packages_are_followed_and_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    put(
        tmp_path / "nb",
        errand="import json, pytest, wares\nfrom . import words\nfrom .deep.more import x\nif 1:\n    import later\n",
        words="from .errand import y\nfrom .none import z\n",
        unused="",
    )
    put(tmp_path / "nb" / "deep", more="from ..words import x\nfrom ... import far\n")
    put(tmp_path / "lib" / "wares", more="1/0", unused="")
    (tmp_path / "lib" / "wares" / "__init__.py").write_text("from wares import more\nfrom terrarium import entry\n")
    put(tmp_path / "lib", later="def (")
    found = files_of(tmp_path / "nb" / "errand.py")
    assert sorted({path.relative_to(tmp_path).as_posix() for path in found.values()}) == [
        "lib/later.py", "lib/wares/__init__.py", "lib/wares/more.py", "nb/deep/more.py", "nb/errand.py", "nb/words.py",
    ]  # fmt: skip


def test_a_target_beside_the_task_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    put(tmp_path / "lib", todo="", other="")
    put(tmp_path / "nb", todo="from .words import x", words="")
    assert set(target_files("todo:Todo", tmp_path / "nb").values()) == {
        tmp_path / "nb/todo.py", tmp_path / "nb/words.py",
    }  # fmt: skip
    assert list(target_files("other:Other", tmp_path / "nb").values()) == [tmp_path / "lib/other.py"]
    assert target_files("json:loads", tmp_path / "nb") == {}
    assert beside("todo", tmp_path / "nb")
    assert not beside("other", tmp_path / "nb")


def test_what_is_no_file_is_named(tmp_path: Path):
    for path, told in ((tmp_path, "not a regular file"), (tmp_path / "none", "No such file")):
        with pytest.raises(TaskBroken, match=f"cannot read .*{told}"):
            content_of(path)


@pytest.fixture
def _another_thread_in_every_collection() -> Iterator[None]:
    """Lets another thread go on wherever Python may collect garbage: in the midst of parsing too."""

    def yield_to_another(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(yield_to_another)
    gc.set_threshold(200)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(yield_to_another)


@pytest.mark.usefixtures("_another_thread_in_every_collection")
def test_threads_parse_beside_one_another():
    text = "\n".join(f"def f{n}(a, b={n}): return [a, b, {{'x': (a + b) * 2}}]" for n in range(100))

    def work(depth: int) -> int:
        return work(depth - 1) if depth else len(tree_of(text).body)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, [1, 20, 40, 60] * 5)) == {100}
