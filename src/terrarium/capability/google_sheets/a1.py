"""Cells and ranges as text: `A1`, `A:B`, `2:3`, `'My sheet'!A1:C`, `R1C1:R2C2`."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from terrarium.capability.google_sheets.fault import Fault, bad

COLUMNS = 18_278  # ZZZ
ROWS = 10_000_000

_CELL = re.compile(r"\$?([A-Za-z]{1,3})?\$?([0-9]{1,8})?")
_R1C1 = re.compile(r"R([0-9]{1,8})C([0-9]{1,5})(?::R([0-9]{1,8})C([0-9]{1,5}))?", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a grid: from the first row and column up to, not including, the last; None: to the end."""

    top: int = 0
    left: int = 0
    bottom: int | None = None
    right: int | None = None

    def within(self, rows: int, columns: int) -> Area:
        """The same with its open ends closed by a grid, and nothing beyond it."""
        bottom = rows if self.bottom is None else min(self.bottom, rows)
        right = columns if self.right is None else min(self.right, columns)
        return replace(self, bottom=bottom, right=right)

    @property
    def height(self) -> int:
        """How many rows; only of a closed one."""
        return max(0, (self.bottom or 0) - self.top)

    @property
    def width(self) -> int:
        """How many columns; only of a closed one."""
        return max(0, (self.right or 0) - self.left)

    def overlaps(self, other: Area) -> bool:
        """Whether two closed ones share a cell."""
        rows = self.top < (other.bottom or 0) and other.top < (self.bottom or 0)
        return rows and self.left < (other.right or 0) and other.left < (self.right or 0)


@functools.lru_cache(maxsize=COLUMNS + 1)
def letters(column: int) -> str:
    """The name of a column, from 0: `A`, `Z`, `AA`."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


@functools.lru_cache(maxsize=COLUMNS + 1)
def column_of(text: str) -> int:
    """The place of a column, from 0, by its name in capital letters."""
    number = 0
    for letter in text:
        number = number * 26 + ord(letter) - 64
    return number - 1


def cell_name(row: int, column: int) -> str:
    """`A1` for (0, 0)."""
    return f"{letters(column)}{row + 1}"


def quoted(title: str) -> str:
    """A sheet's title as it stands before `!`."""
    return title if _PLAIN.fullmatch(title) and area_of(title) is None else "'" + title.replace("'", "''") + "'"


def name_of(title: str, area: Area) -> str:
    """A closed area with its sheet, such as `Sheet1!A1:B2`."""
    first = cell_name(area.top, area.left)
    if area.height <= 1 and area.width <= 1:
        return f"{quoted(title)}!{first}"
    return f"{quoted(title)}!{first}:{cell_name(area.top + area.height - 1, area.left + area.width - 1)}"


def area_of(text: str) -> Area | None:
    """The area that a text without a sheet names; None where it names none."""
    if found := _R1C1.fullmatch(text):
        top, left, bottom, right = (int(part) if part else None for part in found.groups())
        if not top or not left or bottom == 0 or right == 0:
            return None
        return _ordered(top - 1, left - 1, (bottom or top) - 1, (right or left) - 1)
    first, colon, last = text.partition(":")
    start = _CELL.fullmatch(first)
    if not first or not start:
        return None
    if not colon:
        return _ordered(*_corner(start), *_corner(start)) if start[1] and start[2] and _legal(start) else None
    end = _CELL.fullmatch(last)
    if not last or not end or not _legal(start) or not _legal(end):
        return None
    (top, left), (bottom, right) = _corner(start), _corner(end)
    if (left is None and right is not None) or (top is None and bottom is not None):
        (top, left), (bottom, right) = (bottom, right), (top, left)
    if left is None and top is None:
        return None
    return _ordered(top, left, bottom, right)


def _legal(found: re.Match[str]) -> bool:
    return found[2] is None or 0 < int(found[2]) <= ROWS


def _corner(found: re.Match[str]) -> tuple[int | None, int | None]:
    row = int(found[2]) - 1 if found[2] else None
    return row, column_of(found[1].upper()) if found[1] else None


def _ordered(top: int | None, left: int | None, bottom: int | None, right: int | None) -> Area:
    if top is not None and bottom is not None and bottom < top:
        top, bottom = bottom, top
    if left is not None and right is not None and right < left:
        left, right = right, left
    return Area(top or 0, left or 0, None if bottom is None else bottom + 1, None if right is None else right + 1)


def split_sheet(text: str) -> tuple[str | None, str]:
    """The sheet's title, or None, and the rest of a range.

    Raises:
        Fault: The quotes do not match.
    """
    if text.startswith("'"):
        found = re.match(r"'((?:[^']|'')*)'(?:!(.*))?", text, re.DOTALL)
        if not found or found.end() != len(text):
            raise unparsable(text)
        return found[1].replace("''", "'"), found[2] or ""
    title, bang, rest = text.rpartition("!")
    return (title, rest) if bang else (None, text)


def unparsable(text: str) -> Fault:
    """What is said of a range that is none."""
    return bad(f"Unable to parse range: {text[:200]}")


def grid_range(sheet: int, area: Area) -> dict[str, int]:
    """An area as the API writes it."""
    found = {"sheetId": sheet, "startRowIndex": area.top, "startColumnIndex": area.left}
    if area.bottom is not None:
        found["endRowIndex"] = area.bottom
    if area.right is not None:
        found["endColumnIndex"] = area.right
    return found


def area_from(told: dict[str, int]) -> Area:
    """The area of a GridRange.

    Raises:
        Fault: It ends before it begins.
    """
    top, left = told.get("startRowIndex", 0), told.get("startColumnIndex", 0)
    bottom, right = told.get("endRowIndex"), told.get("endColumnIndex")
    if top < 0 or left < 0 or (bottom is not None and bottom < top) or (right is not None and right < left):
        raise bad("Invalid range: it ends before it begins, or begins before the grid")
    return Area(top, left, bottom, right)
