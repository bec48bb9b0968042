"""What judges and times every task of a process, and who replaced some of it.

A task is code in the process of other tasks. One that puts a function of its own in the place of `score` or
`time.monotonic` would judge its neighbours too. So this is looked at whenever foreign code has run.
"""

from __future__ import annotations

import builtins
import math
import operator
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from terrarium.core.errors import EngineFault, TaskFault

_OURS = (
    "terrarium.core.clock",
    "terrarium.core.errors",
    "terrarium.core.journal",
    "terrarium.core.verdict",
    "terrarium.run.episode",
    "terrarium.run.seat",
    "terrarium.run.spec",
    "terrarium.run.trial",
    "terrarium.task.checking",
)
_PYTHON = {
    builtins: ("all", "any", "bool", "float", "isinstance", "len", "max", "min", "sum"),
    math: ("isfinite",),
    time: ("monotonic", "monotonic_ns", "perf_counter", "sleep", "time", "time_ns"),
}

# As they are before any task.
_all, _map, _is, _item, _CODE = all, map, operator.is_, operator.getitem, operator.attrgetter("__code__")

Place = tuple[Any, str, str, Any, Any]  # owner, attribute, full name, value, its code


class Fingerprint:
    """The functions that judge and time, as they were when it was made."""

    def __init__(self) -> None:
        self._places = list(_places())
        self.modules = _loaded()
        """Which of the modules it knows."""
        self._owners = [vars(owner) for owner, *_ in self._places]
        self._names = [name for _, name, *_ in self._places]
        self._values = [value for _, _, _, value, _ in self._places]
        coded = [(value, code) for _, _, _, value, code in self._places if code is not None]
        self._functions, self._codes = [value for value, _ in coded], [code for _, code in coded]

    def replaced(self) -> list[tuple[str, str]]:
        """Name of each that is another now, and the file its successor comes from, where that is known."""
        if self._same():
            return []
        found = []
        for owner, attribute, name, value, code in self._places:
            now = vars(owner).get(attribute)
            if now is not value or _code(now) is not code:
                found.append((name, getattr(_code(now), "co_filename", "")))
        return found

    def _same(self) -> bool:
        # Several times a trial, over hundreds of functions: without a loop of Python's own, and by identity, because
        # what stands there may claim to equal anything.
        try:
            return _all(_map(_is, _map(_item, self._owners, self._names), self._values)) and _all(
                _map(_is, _map(_CODE, self._functions), self._codes)
            )
        except KeyError:  # it was removed
            return False

    def restore(self) -> None:
        """Put them back."""
        for owner, attribute, _, value, code in self._places:
            if vars(owner).get(attribute) is not value:
                setattr(owner, attribute, value)
            if code is not None and _code(value) is not code:
                value.__code__ = code


def fingerprint() -> Fingerprint:
    """The functions that judge and time, as they are now."""
    global _last
    if _last is None or _last.modules != _loaded() or _last.replaced():
        _last = Fingerprint()
    return _last


_last: Fingerprint | None = None


def _loaded() -> list[str]:
    return [name for name in _OURS if name in sys.modules]


def _places() -> Iterator[Place]:
    for module, names in _PYTHON.items():
        for name in names:
            value = getattr(module, name)
            yield module, name, f"{module.__name__}.{name}", value, _code(value)
    for known in _OURS:
        ours = sys.modules.get(known)
        for name, value in list(vars(ours).items()) if isinstance(ours, ModuleType) else ():
            if not callable(value):
                continue
            yield ours, name, f"{known}.{name}", value, _code(value)
            if isinstance(value, type) and value.__module__ == known:
                for part, method in list(vars(value).items()):
                    if callable(method) or isinstance(method, (property, classmethod, staticmethod)):
                        yield value, part, f"{known}.{name}.{part}", method, _code(method)


def _code(value: Any) -> Any:
    return getattr(value, "__code__", None)


class Watch:
    """One trial's look at what judges it, from its start to its verdict.

    Args:
        path: Of its task.
    """

    _running: set[Watch] = set()  # noqa: RUF012 - shared on purpose: what is watched is the process's
    _known: Fingerprint
    _found: list[list[tuple[str, str]]] = []  # noqa: RUF012

    def __init__(self, path: str) -> None:
        if not Watch._running:
            Watch._known = fingerprint()
        Watch._running.add(self)
        self._folder = Path(path).parent
        self._began = len(Watch._found)
        self.tripped = False
        """Something was replaced while it ran; this process is not to be trusted with more trials."""

    def check(self) -> None:
        """Look now; what was replaced is put back.

        Raises:
            TaskFault: This trial replaced something.
            EngineFault: Another trial did, so that this one's verdict is worth nothing.
        """
        replaced = Watch._known.replaced()
        if replaced:
            Watch._known.restore()
            Watch._found.append(replaced)
        meanwhile = Watch._found[self._began :]
        if not meanwhile:
            return
        self.tripped = True
        for each in meanwhile:  # perhaps a neighbour came upon it first
            if any(self._folder in Path(file).parents for _, file in each):
                raise TaskFault(_told(each))
        if replaced and len(Watch._running) == 1:
            raise TaskFault(_told(replaced))
        raise EngineFault("another trial of this process replaced what judges and times; this one is to be run again")

    def end(self) -> None:
        """Look no more; idempotent."""
        Watch._running.discard(self)


def _told(replaced: list[tuple[str, str]]) -> str:
    names = ", ".join(name for name, _ in replaced[:5])
    return f"the task replaced {names}, which judges or times every task of this process; leave it alone"


def unchanged(before: Fingerprint) -> None:
    """Code of a task has been executed: put back what it replaced.

    Raises:
        TaskFault: It replaced something.
    """
    replaced = before.replaced()
    if replaced:
        before.restore()
        raise TaskFault(_told(replaced))
