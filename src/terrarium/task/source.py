"""The source files that a Python file is made of: itself and what it imports, as far as nobody installed that."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from terrarium.core.errors import TaskBroken

_TASK = "task"  # the package that a task's folder is to its neighbours
_PARSING = threading.Lock()


def files_of(file: Path) -> dict[str, Path]:
    """Every source file that a task file is made of, by the name it is imported as; read, never executed.

    What is installed (the standard library, site-packages, Terrarium) is not among them.

    Raises:
        TaskBroken: One of them cannot be read.
    """
    found = {_TASK: file}
    _follow(_TASK, file, True, [str(file.parent)], found)
    return found


def target_files(target: str, folder: Path) -> dict[str, Path]:
    """The same for what is named as `package.module:Name`, beside the task in `folder` or where Python imports from.

    Raises:
        TaskBroken: One of them cannot be read.
    """
    found: dict[str, Path] = {}
    name = target.partition(":")[0]
    for full in (f"{_TASK}.{name}", name):
        _add(full, [str(folder)], found)
        if found:
            break
    return found


def digest(files: dict[str, Path]) -> str:
    """sha256 over names and contents.

    Raises:
        TaskBroken: One of them cannot be read.
    """
    total = hashlib.sha256()
    for name in sorted(files):
        content = content_of(files[name])
        total.update(f"{name}\n{len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def content_of(file: Path) -> bytes:
    """What is in a file.

    Raises:
        TaskBroken: It cannot be read, or is something else than a file.
    """
    if file.exists() and not file.is_file():
        raise TaskBroken(f"cannot read {file}: it is not a regular file")
    try:
        return file.read_bytes()
    except OSError as error:
        raise TaskBroken(f"cannot read {file}: {error.strerror}") from None


def tree_of(content: str | bytes) -> ast.Module:
    """The syntax tree of a Python source; one thread at a time.

    Before 3.11.8 Python has one count of how deep it is for all threads, and those that parse at the same time get a
    SystemError.

    Raises:
        SyntaxError, ValueError, RecursionError: It is no Python.
    """
    with _PARSING:
        return ast.parse(content)


def beside(module: str, folder: Path) -> bool:
    """Whether a module of that dotted name lies in a folder."""
    return any(True for _ in _located(f"{_TASK}.{module}", [str(folder)]))


def _follow(name: str, file: Path, package: bool, task: Sequence[str], found: dict[str, Path]) -> None:
    try:
        tree = tree_of(content_of(file))
    except (SyntaxError, ValueError, RecursionError):
        return  # whoever executes it will say so
    home = name if package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _add(alias.name, task, found)
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            if node.level and not above:
                continue
            _add(origin, task, found)
            for alias in node.names:
                _add(f"{origin}.{alias.name}", task, found)


def _add(name: str, task: Sequence[str], found: dict[str, Path]) -> None:
    """A module, the packages above it, and what they import; a name that is no module adds only what is above it."""
    for full, file in _located(name, task):
        if full not in found:
            found[full] = file
            _follow(full, file, file.name == "__init__.py", task, found)


def _located(name: str, task: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(name, file) of a module and of the packages above it, as far as there are any."""
    first, *parts = name.split(".")
    if first == _TASK and parts:
        folders, full = list(task), _TASK
    elif first == "terrarium" or first in sys.stdlib_module_names:
        return
    else:
        parts, folders, full = [first, *parts], _search(), ""
    for part in parts:
        full = f"{full}.{part}" if full else part
        inside = [Path(folder) / part for folder in folders]
        for place in inside:
            if (place / "__init__.py").is_file():
                yield full, place / "__init__.py"
                folders = [str(place)]
                break
            if place.with_name(f"{part}.py").is_file():
                yield full, place.with_name(f"{part}.py")
                return
        else:
            folders = [str(place) for place in inside if place.is_dir()]
            if not folders:
                return


def _search() -> list[str]:
    """Where Python imports from, without what is installed; workers have the present folder there too."""
    kept = [str(Path.cwd())]
    installed = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    for entry in sys.path:
        if entry and not any(entry.startswith(place) for place in installed) and "-packages" not in entry:
            kept.append(entry)
    return list(dict.fromkeys(kept))
