"""The values of formulas, calculated in a process of their own by the library `formualizer`.

Formulas come from agents. The library calculates fast, but a few letters make it fill all memory, and then it ends its
process: so it has its own, which confines itself and is started again. One serves all worlds of a worker.
"""

from __future__ import annotations

import atexit
import importlib.util
import itertools
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from terrarium.capability.google_sheets import a1, cage
from terrarium.capability.google_sheets.cell import Effective, Problem
from terrarium.capability.google_sheets.reference import rewritten, same
from terrarium.capability.google_sheets.shape import number

KEPT = 8  # spreadsheets that the process remembers
WAIT = 20.0  # wall seconds; the process ends itself long before
_VOLATILE = re.compile(r"\b(?:NOW|TODAY|RAND|RANDBETWEEN|RANDARRAY)\s*\(", re.IGNORECASE)
_RANDOM = re.compile(r"\bRAND", re.IGNORECASE)
_PROBLEMS = {
    "Div": "DIV/0",
    "Name": "NAME",
    "Ref": "REF",
    "Na": "N/A",
    "Num": "NUM",
    "Value": "VALUE",
    "Null": "NULL",
    "Circ": "REF",
    "Spill": "REF",
}
_MESSAGES = {
    "Div": "Division by zero.",
    "Name": "An unknown function or name.",
    "Ref": "A reference that does not exist.",
    "Circ": "Circular dependency detected.",
    "Spill": "The array result was not expanded because it would overwrite data.",
}
TOO_MUCH = Problem("ERROR", "The formulas of this spreadsheet take too long or too much memory.")
UNAVAILABLE = Problem("ERROR", "Formulas are not calculated: pip install 'terrarium[google-sheets]'.")

Place = tuple[int, int, int]
"""Sheet by its order, row and column from 0."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is calculated: the sheets of a spreadsheet in order, and its names."""

    key: str
    titles: Sequence[str]
    rows: Sequence[Mapping[int, Mapping[str, Any]]]
    """Of each sheet: stored cells by column, by row from 0. Equal rows are the same object."""
    names: Mapping[str, str]
    """In capital letters: what a name stands for."""
    now: datetime
    """On the spreadsheet's own wall clock."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one formula gives, and how its number is shown where nothing else says so."""

    value: Effective
    shown: str | None = None


def calculates() -> bool:
    """Whether there is a library that calculates formulas."""
    return importlib.util.find_spec("formualizer") is not None


class _Gone(Exception):
    """The process has ended."""


class Calculator:
    """The process, started at the first formula. Threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: OrderedDict[str, tuple[Any, dict[tuple[int, int], Any]]] = OrderedDict()
        self._dropped: list[str] = []
        self._users: set[object] = set()

    def values(self, content: Content) -> dict[Place, Result]:
        """The values of every formula, and of the cells that formulas fill besides their own.

        Formulas that cannot be calculated have a `Problem` of kind `ERROR`.
        """
        formulas = list(_formulas(content))
        if not formulas:
            return {}
        if not calculates():
            return {place: Result(UNAVAILABLE) for place, _ in formulas}
        with self._lock:
            try:
                told = self._ask(content)
            except _Gone:
                self._end()
                told = None
        if told is None:
            return {place: Result(TOO_MUCH) for place, _ in formulas}
        return {(sheet, row - 1, column - 1): _result(value) for sheet, row, column, value in told}

    def use(self, user: object) -> None:
        """Somebody may ask."""
        self._users.add(user)

    def leave(self, user: object) -> None:
        """Somebody asks no more; with the last of them the process ends. Idempotent."""
        self._users.discard(user)
        if not self._users:
            with self._lock:
                self._end()

    def _ask(self, content: Content) -> list[Any] | None:
        process = self._process or self._start()
        # Random numbers follow from the present content alone, so that a world opened again has the same ones.
        texts = [cell["formula"] for _, cell in _formulas(content)]
        random = any(_RANDOM.search(text) for text in texts)
        seed = zlib.crc32(f"{content.key.rpartition(chr(47))[2]} {content.now}".encode()) if random else 0
        signature = (tuple(content.titles), tuple(sorted(content.names.items())), seed)
        known, sent = self._known.get(content.key, (None, {}))
        fresh = known != signature
        if fresh:
            sent = {}
        request: dict[str, Any] = {
            "key": content.key,
            "drop": self._dropped,
            "titles": list(content.titles) if fresh else None,
            "seed": seed,
            "now": f"{content.now.isoformat()}+00:00",
            "rows": [],
            "formulas": [],
        }
        seen: dict[tuple[int, int], Any] = {}
        for sheet, rows in enumerate(content.rows):
            for row, cells in rows.items():
                place = (sheet, row)
                seen[place] = cells
                if sent.get(place) is not cells:
                    _add(request, place, sent.get(place), cells, content.names)
        for place, cells in sent.items():
            if place not in seen:
                _add(request, place, cells, {}, content.names)
        self._dropped = []
        self._known[content.key] = (signature, seen)
        self._known.move_to_end(content.key)
        if len(self._known) > KEPT:
            self._dropped.append(self._known.popitem(last=False)[0])
        answer = self._exchange(process, json.dumps(request).encode("ascii") + b"\n")
        if "values" not in answer:
            self._known.pop(content.key, None)
            return None
        found: list[Any] = answer["values"]
        return found

    def _start(self) -> subprocess.Popen[bytes]:
        import formualizer

        place = Path(formualizer.__file__).parent.parent
        program = Path(__file__).with_name("calculator_process.py")
        self._known.clear()
        self._dropped = []
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), str(place), cage.program().hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"MALLOC_ARENA_MAX": "1"},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        until = time.monotonic() + WAIT
        source, target = process.stdout.fileno(), process.stdin.fileno()
        os.set_blocking(target, False)
        said = bytearray()
        left = memoryview(request)
        poll = select.poll()  # `select` knows no descriptor over 1023, and an engine may have more
        poll.register(source, select.POLLIN)
        poll.register(target, select.POLLOUT)
        try:
            while not said.endswith(b"\n"):
                ready = {descriptor for descriptor, _ in poll.poll(1e3 * max(0.0, until - time.monotonic()))}
                if not ready:
                    raise _Gone
                if target in ready:
                    left = left[os.write(target, left[:65536]) :]
                    if not left:
                        poll.unregister(target)
                if source in ready:
                    piece = os.read(source, 1 << 20)
                    if not piece:
                        raise _Gone
                    said += piece
            answer: dict[str, Any] = json.loads(said)
        except (OSError, ValueError):
            raise _Gone from None
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        self._known.clear()
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def volatile(content: Content) -> bool:
    """Whether a value depends on the time."""
    return any(_VOLATILE.search(cell["formula"]) for _, cell in _formulas(content))


def _formulas(content: Content) -> Any:
    for sheet, rows in enumerate(content.rows):
        for row, cells in rows.items():
            for name, cell in cells.items():
                if isinstance(cell, dict) and "formula" in cell:
                    yield (sheet, row, a1.column_of(name)), cell


def _add(
    request: dict[str, Any],
    place: tuple[int, int],
    before: Mapping[str, Any] | None,
    cells: Mapping[str, Any],
    names: Mapping[str, str],
) -> None:
    """Put one row of cells into a request: runs of values side by side, and its formulas."""
    sheet, row = place
    columns = sorted({a1.column_of(name) for name in itertools.chain(before or (), cells)})
    run: list[Any] = []
    for column in columns:
        cell = cells.get(a1.letters(column))
        if not run or run[2] + len(run[3]) != column + 1:
            run = [sheet, row + 1, column + 1, []]
            request["rows"].append(run)
        run[3].append(_value(cell))
        if isinstance(cell, dict) and "formula" in cell:
            text = rewritten(cell["formula"], same, word=lambda name: names.get(name.upper(), name))
            request["formulas"].append([sheet, row + 1, column + 1, text])


def _value(cell: Any) -> Any:
    if not isinstance(cell, dict):
        return cell
    value = cell.get("value")
    shown = (cell.get("format") or {}).get("numberFormat", {}).get("type")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and shown in ("DATE", "DATE_TIME"):
        return {"t": value} if 1 <= value < 2_958_466 else value
    return value


def _result(told: Any) -> Result:
    if not isinstance(told, dict):
        return Result(number(told) if isinstance(told, float) else told)
    if "t" in told:
        return Result(number(told["t"]), told["k"])
    return Result(Problem(_PROBLEMS.get(told["e"], "ERROR"), told["m"] or _MESSAGES.get(told["e"], "")))


_calculators: dict[int, Calculator] = {}


def calculator() -> Calculator:
    """That of this process."""
    found = _calculators.get(os.getpid())
    if found is None:
        found = _calculators[os.getpid()] = Calculator()
        atexit.register(found._end)
    return found
