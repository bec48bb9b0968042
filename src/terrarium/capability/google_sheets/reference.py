"""References in formulas: found, moved along when rows and columns come and go, and put into the library's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from terrarium.capability.google_sheets.a1 import COLUMNS, ROWS, column_of, letters

_SHEET = r"(?:(?P<quoted>'(?:[^']|'')*')|(?P<bare>[A-Za-z_\u0080-\uffff][\w.]*))!"
_ONE = r"\$?[A-Za-z]{1,3}\$?[0-9]{1,8}"
_PART = rf"(?:{_ONE}|\$?[A-Za-z]{{1,3}}|\$?[0-9]{{1,8}})"
_PIECE = re.compile(
    rf'(?P<text>"(?:[^"]|"")*"?)'
    rf"|(?:{_SHEET})?(?P<area>{_PART}:{_PART}|{_ONE})(?![\w(!.])"
    r"|(?P<call>[A-Za-z_\u0080-\uffff][\w.]*(?=\s*\())"
    r"|(?P<word>[A-Za-z_\u0080-\uffff][\w.]*)"
    r"|(?P<digits>[0-9.]+(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_CORNER = re.compile(r"(\$?)([A-Za-z]{1,3})?(\$?)([0-9]{1,8})?")


@dataclass(frozen=True, slots=True)
class Corner:
    """One end of a reference; a row or column that is None is open."""

    row: int | None
    column: int | None
    fixed_row: bool
    fixed_column: bool

    def text(self) -> str:
        """As formulas write it."""
        column = "" if self.column is None else f"{'$' if self.fixed_column else ''}{letters(self.column)}"
        return column + ("" if self.row is None else f"{'$' if self.fixed_row else ''}{self.row + 1}")


Change = Callable[[str | None, Corner, Corner | None], tuple[Corner, Corner | None] | None]
"""What becomes of a reference: its sheet as written without quotes, its corners; None: it is gone (`#REF!`)."""


def _corner(text: str) -> Corner:
    found = _CORNER.fullmatch(text)
    assert found is not None
    column = column_of(found[2].upper()) if found[2] else None
    if column is None:  # `$5`: the dollar is the row's
        return Corner(int(found[4]) - 1, None, bool(found[1] or found[3]), False)
    return Corner(int(found[4]) - 1 if found[4] else None, column, bool(found[3]), bool(found[1]))


def rewritten(
    formula: str,
    change: Change,
    *,
    word: Callable[[str], str] = lambda name: name,
    sheet: Callable[[str], str] = lambda title: title,
) -> str:
    """A formula with every reference changed; texts and names of functions are left alone.

    Args:
        formula: It.
        change: What becomes of a reference.
        word: What becomes of a name that is no reference.
        sheet: What becomes of the title before a `!`.
    """
    said: list[str] = []
    for found in _PIECE.finditer(formula):
        area = found["area"]
        if area is not None:
            title = _title(found["quoted"], found["bare"])
            first, _, last = area.partition(":")
            start, end = _corner(first), _corner(last) if last else None
            if (start.row or 0) >= ROWS or start.row == -1 or (end and end.row == -1):
                said.append(found[0])
                continue
            after = change(title, start, end)
            before = "" if title is None else _quoted(sheet(title), found["quoted"] is not None) + "!"
            if after is None:
                said.append("#REF!")
            else:
                said.append(before + after[0].text() + (f":{after[1].text()}" if after[1] is not None else ""))
        elif found["word"] is not None:
            said.append(word(found["word"]))
        else:
            said.append(found[0])
    return "".join(said)


def _title(quoted: str | None, bare: str | None) -> str | None:
    return quoted[1:-1].replace("''", "'") if quoted is not None else bare


def _quoted(title: str, needed: bool) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", title) and not needed
    return title if plain else "'" + title.replace("'", "''") + "'"


def same(title: str | None, start: Corner, end: Corner | None) -> tuple[Corner, Corner | None]:
    """The reference as it is."""
    return start, end


def copied(formula: str, down: int, right: int) -> str:
    """A formula as it is when its cell is copied elsewhere: what is not fixed by `$` moves along."""
    if not down and not right:
        return formula

    def moved(corner: Corner) -> Corner | None:
        row = corner.row if corner.row is None or corner.fixed_row else corner.row + down
        column = corner.column if corner.column is None or corner.fixed_column else corner.column + right
        if (row is not None and not 0 <= row < ROWS) or (column is not None and not 0 <= column < COLUMNS):
            return None
        return Corner(row, column, corner.fixed_row, corner.fixed_column)

    def change(title: str | None, start: Corner, end: Corner | None) -> tuple[Corner, Corner | None] | None:
        first, last = moved(start), moved(end) if end is not None else None
        return None if first is None or (end is not None and last is None) else (first, last)

    return rewritten(formula, change)


@dataclass(frozen=True)
class Shift:
    """What happens to the places along one dimension of a sheet: some come or go at a place, or a block moves."""

    rows: bool
    at: int
    count: int
    """New places before `at`; below zero: that many are gone, from `at` on."""
    to: int | None = None
    """The `count` places from `at` on move before this one."""

    def one(self, place: int) -> int | None:
        """Where a place is afterwards; None: it is gone."""
        if self.to is not None:
            if self.at <= place < self.at + self.count:
                return place + (self.to - self.at if self.to < self.at else self.to - self.at - self.count)
            if self.to <= place < self.at:
                return place + self.count
            return place - self.count if self.at + self.count <= place < self.to else place
        if self.count >= 0:
            return place + self.count if place >= self.at else place
        if place < self.at:
            return place
        return None if place < self.at - self.count else place + self.count

    def span(self, first: int, last: int) -> tuple[int, int] | None:
        """Where a span is afterwards, both ends included; None: all of it is gone."""
        if self.to is not None:
            start, end = self.one(first), self.one(last)
            return (
                (start, end) if start is not None and end is not None and end - start == last - first else (first, last)
            )
        if self.count < 0:
            gone = self.at - self.count
            if first >= self.at and last < gone:
                return None
            start = first if first < self.at else max(first, gone) + self.count
            return start, self.at - 1 if self.at <= last < gone else (last if last < self.at else last + self.count)
        return first + (self.count if first >= self.at else 0), last + (self.count if last >= self.at else 0)


def shifted(formula: str, shift: Shift, here: str, title: str) -> str:
    """A formula after rows or columns of a sheet came or went.

    Args:
        formula: It.
        shift: What happened.
        here: The title of the formula's own sheet.
        title: That of the sheet where it happened.
    """

    def change(told: str | None, start: Corner, end: Corner | None) -> tuple[Corner, Corner | None] | None:
        if (here if told is None else told).casefold() != title.casefold():
            return start, end
        first = start.row if shift.rows else start.column
        last = first if end is None else (end.row if shift.rows else end.column)
        if first is None and last is None:
            return start, end
        open_end = last is None
        begin, stop = (first or 0), (ROWS * 2 if last is None else last)
        if stop < begin:
            begin, stop = stop, begin
        after = shift.span(begin, stop)
        if after is None:
            return None
        made = _at(start, shift.rows, None if first is None else after[0])
        return made, None if end is None else _at(end, shift.rows, None if open_end else after[1])

    return rewritten(formula, change)


def _at(corner: Corner, rows: bool, place: int | None) -> Corner:
    if rows:
        return Corner(place, corner.column, corner.fixed_row, corner.fixed_column)
    return Corner(corner.row, place, corner.fixed_row, corner.fixed_column)
