"""A process that calculates formulas, for one worker. It is started as a program and imports nothing of this package.

It reads requests from its standard input and writes answers to its standard output, each a line of JSON. What it reads
comes from agents, so it confines itself before it reads anything: memory, processor time of one request, and no system
calls but those of a calculation; so no file, no connection, no other program or process. It ends with its input.
"""

import contextlib
import ctypes
import datetime
import json
import re
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

MEMORY = 1 << 30
SECONDS = 2.0  # of the processor, for one request
FORMULAS = 200_000
SPILLED = 200_000
PATTERN = 1_000

ORIGIN = datetime.datetime(1899, 12, 30)


def limit() -> None:
    """Take as much as a calculation needs, and no more."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (most, most))


def confine(calls: bytes) -> None:
    """From now on make no system calls but those that a filter allows; for good.

    A kernel without such filters says no, and the limits remain.

    Args:
        calls: A seccomp filter; empty where there is none for this machine.
    """
    if not calls:
        return
    kernel = ctypes.CDLL(None)
    room = ctypes.create_string_buffer(calls, len(calls))
    record = struct.pack("HxxxxxxP", len(calls) // 8, ctypes.addressof(room))
    zero = ctypes.c_ulong(0)
    kernel.prctl(ctypes.c_int(38), ctypes.c_ulong(1), zero, zero, zero)  # PR_SET_NO_NEW_PRIVS
    kernel.prctl(ctypes.c_int(22), ctypes.c_ulong(2), record, zero, zero)  # PR_SET_SECCOMP


def warm(engine: Any) -> None:
    """Have the library load whatever it loads with its first calculation."""
    book = Book(engine, ["A"], 0)
    formulas = ['=TEXT(B1,"yyyy")', "=TRANSPOSE(D1:D2)", '=REGEXMATCH("a","a")', "=NOW()+RAND()", "=1/0", "=("]
    told = [[0, row, 1, formula] for row, formula in enumerate(formulas, 1)]
    book.take({"rows": [[0, 1, 2, [{"t": 47_490.5}]]], "formulas": told})
    json.dumps(book.calculate("2030-01-07T09:00:00+00:00"))


class Flat(Exception):
    """What a function of ours says where its arguments do not fit; the cell shows `#VALUE!`."""


def flat(values: Any) -> Iterator[Any]:
    """All single values of arguments, left to right."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        elif value is not None:
            yield value


def text(value: Any) -> str:
    """A value as formulas join it to text."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def pattern(told: Any) -> re.Pattern[str]:
    """A regular expression of bounded length."""
    if len(text(told)) > PATTERN:
        raise Flat("the expression is too long")
    return re.compile(text(told))


def split(value: Any, marks: Any, each: Any = True, drop: Any = True) -> list[list[Any]]:
    """SPLIT: a text at any of some characters, or at the whole mark."""
    marks = text(marks)
    if not marks:
        raise Flat("no delimiter")
    parts = re.split("|".join(map(re.escape, marks)) if each else re.escape(marks), text(value))
    return [[typed(part) for part in parts if part or not drop]]


def typed(part: str) -> Any:
    """A piece of text, as a number where it is one."""
    try:
        return float(part) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", part) else part
    except ValueError:
        return part


def extract(value: Any, expression: Any) -> Any:
    """REGEXEXTRACT: the first match, or its groups side by side."""
    found = pattern(expression).search(text(value))
    if not found:
        raise Flat("no match")
    groups = [group or "" for group in found.groups()]
    return [groups] if len(groups) > 1 else (groups or [found[0]])[0]


def replaced(value: Any, expression: Any, by: Any) -> str:
    """REGEXREPLACE: `$1` is a group."""
    by = re.sub(r"\$(\d)", r"\\\1", text(by).replace("\\", "\\\\"))
    return pattern(expression).sub(by, text(value))


OURS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "ARRAYFORMULA": (lambda value: value, 1, 1),
    "COUNTUNIQUE": (lambda *values: float(len(set(flat(values)))), 1, 30),
    "FLATTEN": (lambda *values: [[value] for value in flat(values)], 1, 30),
    "ISEMAIL": (lambda value: bool(re.fullmatch(r"[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63}){1,8}", text(value))), 1, 1),
    "JOIN": (lambda mark, *values: text(mark).join(map(text, flat(values))), 2, 30),
    "REGEXEXTRACT": (extract, 2, 2),
    "REGEXMATCH": (lambda value, expression: bool(pattern(expression).search(text(value))), 2, 2),
    "REGEXREPLACE": (replaced, 3, 3),
    "SPLIT": (split, 2, 4),
    "TO_TEXT": (text, 1, 1),
}


class Book:
    """One spreadsheet as the library has it.

    Args:
        engine: The library.
        titles: Of its sheets.
        seed: Of its random numbers.
    """

    def __init__(self, engine: Any, titles: list[str], seed: int) -> None:
        config = engine.EvaluationConfig()
        config.enable_parallel = False
        config.workbook_seed = seed
        config.max_eval_time_ms = int(SECONDS * 1000)
        self.book = engine.Workbook(config=engine.WorkbookConfig(eval_config=config, enable_changelog=False))
        self.titles = titles
        self.formulas: dict[tuple[int, int, int], str] = {}
        self.refused: dict[tuple[int, int, int], Any] = {}
        for title in titles:
            self.book.add_sheet(title)
        for name, (function, least, most) in OURS.items():
            self.book.register_function(name, function, min_args=least, max_args=most)

    def take(self, request: dict[str, Any]) -> None:
        """Put in what changed: `rows` of [sheet, row, first column, values], `formulas` of [sheet, row, column, it]."""
        blocks: list[tuple[int, int, int, list[list[Any]]]] = []
        for sheet, row, column, values in request["rows"]:
            told = [moment(value["t"]) if isinstance(value, dict) else value for value in values]
            for place in range(column, column + len(told)):
                if self.formulas.pop((sheet, row, place), None) is not None:
                    self.refused.pop((sheet, row, place), None)
                    self.book.set_value(self.titles[sheet], row, place, None)
            last = blocks[-1] if blocks else None
            if last and last[:3] == (sheet, row - len(last[3]), column) and len(last[3][0]) == len(told):
                last[3].append(told)  # one block is put in much faster than its rows
            else:
                blocks.append((sheet, row, column, [told]))
        for sheet, row, column, lines in blocks:
            self.book.set_values_batch(self.titles[sheet], row, column, lines)
        for sheet, row, column, formula in request["formulas"]:
            self.formulas[sheet, row, column] = formula
            self.refused.pop((sheet, row, column), None)
            try:
                self.book.set_formula(self.titles[sheet], row, column, formula)
            except Exception as error:  # one that the library refuses spoils no other
                kind = "Circ" if "ircular" in str(error) or "elf" in str(error) else "Error"
                self.refused[sheet, row, column] = {"e": kind, "m": ""}
        if len(self.formulas) > FORMULAS:
            raise Flat("too many formulas")

    def calculate(self, now: str) -> list[list[Any]]:
        """The values of all formulas, and of the cells they fill: [sheet, row, column, value]."""
        moment = datetime.datetime.fromisoformat(now)
        self.book.set_deterministic_clock(moment)
        self.book.evaluate_all()
        found, spilled = [], 0
        for sheet, row, column in self.formulas:
            title = self.titles[sheet]
            value = self.book.get_value(title, row, column)
            found.append([sheet, row, column, self.refused.get((sheet, row, column)) or plain(value)])
            extent = self.extent(title, row, column)
            if extent:
                down, right = extent
                spilled += down * right
                if spilled > SPILLED:
                    raise Flat("too many cells filled by formulas")
                for y in range(row, row + down):
                    for x in range(column, column + right):
                        if (y, x) != (row, column):
                            found.append([sheet, y, x, plain(self.book.get_value(title, y, x))])
        return found

    def extent(self, title: str, row: int, column: int) -> tuple[int, int] | None:
        """How many rows and columns an array formula fills; None where it is none."""
        name, rest = "", column
        while rest:
            rest, letter = divmod(rest - 1, 26)
            name = chr(65 + letter) + name
        quoted = title.replace("'", "''")
        spill = self.book.inspect_cell(f"'{quoted}'!{name}{row}", include_values=False).cell.spill
        if spill is None or not spill.extent:
            return None
        corners = re.fullmatch(r"(?:.*!)?\$?([A-Z]+)\$?(\d+)(?::\$?([A-Z]+)\$?(\d+))?", spill.extent, re.DOTALL)
        if not corners or not corners[3]:
            return None
        return int(corners[4]) - int(corners[2]) + 1, number(corners[3]) - number(corners[1]) + 1


def number(name: str) -> int:
    """The number of a column, from 1."""
    total = 0
    for letter in name:
        total = total * 26 + ord(letter) - 64
    return total


def moment(serial: float) -> Any:
    """The moment of a day's number, or the number where calendars have none."""
    try:
        return ORIGIN + datetime.timedelta(milliseconds=round(serial * 86_400_000))
    except OverflowError:
        return serial


def plain(value: Any) -> Any:
    """A value for the answer: `e` is an error, `t` a moment, `k` of which kind."""
    if isinstance(value, dict):
        return {"e": str(value.get("kind", "Error")), "m": str(value.get("message") or "")[:200]}
    if isinstance(value, list):
        return plain(value[0][0]) if value and isinstance(value[0], list) and value[0] else None
    if isinstance(value, datetime.datetime):
        kind = "DATE" if value.time() == datetime.time() else "DATE_TIME"
        return {"t": (value.replace(tzinfo=None) - ORIGIN) / datetime.timedelta(days=1), "k": kind}
    if isinstance(value, datetime.date):
        return {"t": float((value - ORIGIN.date()).days), "k": "DATE"}
    if isinstance(value, datetime.time):
        return {"t": (value.hour * 3600 + value.minute * 60 + value.second) / 86400, "k": "TIME"}
    if isinstance(value, datetime.timedelta):
        return value / datetime.timedelta(days=1)
    if isinstance(value, str):
        return value[:50_000]
    if isinstance(value, float) and value - value != 0:
        return {"e": "Num", "m": ""}
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)[:50_000]


def serve(engine: Any, lines: TextIO, out: TextIO) -> None:
    """Answer requests until there are no more.

    Args:
        engine: The library.
        lines: The requests.
        out: Where the answers go.
    """
    books: dict[str, Book] = {}
    for line in lines:
        request = json.loads(line)
        # One that takes longer ends this process: the kernel's signal comes through in the middle of the library too.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        key = request["key"]
        try:
            for old in request["drop"]:
                books.pop(old, None)
            if request["titles"] is not None:
                books.pop(key, None)
                books[key] = Book(engine, request["titles"], request["seed"])
            books[key].take(request)
            answer: dict[str, Any] = {"values": books[key].calculate(request["now"])}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is one
            books.pop(key, None)
            answer = {"failed": str(error)[:200]}
        told = json.dumps(answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(told + "\n")
        out.flush()


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    limit()
    import formualizer.formualizer_py as library

    warm(library)
    confine(bytes.fromhex(sys.argv[2]))
    with contextlib.suppress(BrokenPipeError, MemoryError):
        serve(library, sys.stdin, sys.stdout)
