"""Requests of `batchUpdate` that move and copy parts of sheets: paste, cut, sort, insert and delete ranges."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from terrarium.capability.google_sheets import a1, cell
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import Book, Sheet, effective, number_format
from terrarium.capability.google_sheets.cell import Cell, Effective, Problem
from terrarium.capability.google_sheets.cells_request import FILLED_LIMIT
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.grid import add_rows, change_formulas, moved_cell
from terrarium.capability.google_sheets.reference import Corner, rewritten
from terrarium.capability.google_sheets.shape import (
    COORDINATE,
    DIMENSION,
    DIMENSION_RANGE,
    GRID_RANGE,
    INT,
)

_PASTE = {"PASTE_NORMAL", "PASTE_VALUES", "PASTE_FORMAT", "PASTE_NO_BORDERS", "PASTE_FORMULA"}

Block = dict[tuple[int, int], Any]
"""Stored cells by row and column, counted from the block's corner."""


def _taken(book: Book, sheet: Sheet, area: Area) -> Block:
    found: Block = {}
    for row, cells in book.stored(sheet, area):
        book.draft.spend(len(cells))
        for name, stored in cells.items():
            column = a1.column_of(name)
            if area.left <= column < (area.right or 0):
                found[row - area.top, column - area.left] = stored
    return found


def _put(book: Book, sheet: Sheet, area: Area, block: Block) -> None:
    """Write a block over an area, of which nothing else is left."""
    rows: dict[int, dict[int, Any]] = {}
    for row, cells in book.stored(sheet, area):
        inside = (a1.column_of(name) for name in cells)
        rows[row] = {column: None for column in inside if area.left <= column < (area.right or 0)}
    for (row, column), stored in block.items():
        rows.setdefault(area.top + row, {})[area.left + column] = stored
    for row, made in rows.items():
        book.put_cells(sheet, row, {column: cell.of(stored) for column, stored in made.items()})


def _pasted(old: Any, new: Any, kind: str) -> Any:
    """What pasting a cell over another gives."""
    before, after = cell.of(old), cell.of(new)
    if kind == "PASTE_FORMAT":
        return Cell(before.value, before.formula, after.format, before.note, before.validation).stored()
    if kind in ("PASTE_VALUES", "PASTE_FORMULA"):
        return Cell(after.value, after.formula, before.format, before.note, before.validation).stored()
    return new


def _valued(book: Book, sheet: Sheet, area: Area, block: Block) -> Block:
    """A block with the values of its formulas in their place."""
    results = book.results(sheet)
    made: Block = {}
    for (row, column), stored in block.items():
        one, result = cell.of(stored), results.get(area.top + row, {}).get(area.left + column)
        value = effective(one, result)
        made[row, column] = one.with_value(value.text if isinstance(value, Problem) else value).stored()
    return made


def _copy(book: Book, told: dict[str, Any]) -> None:
    source, area = book.area(told.get("source", {}))
    target, place = book.area(told.get("destination", {}))
    kind, turned = told.get("pasteType", "PASTE_NORMAL"), told.get("pasteOrientation") == "TRANSPOSE"
    if not area.height or not area.width:
        return
    block = _taken(book, source, area)
    if kind == "PASTE_VALUES":
        block = _valued(book, source, area, block)
    height, width = (area.width, area.height) if turned else (area.height, area.width)
    down, right = max(1, place.height // height), max(1, place.width // width)
    if down * right * max(1, len(block)) > FILLED_LIMIT:
        raise bad(f"The request is too large: at most {FILLED_LIMIT} cells can be filled at once.")
    covered = Area(place.top, place.left, place.top + down * height, place.left + right * width)
    if (covered.bottom or 0) > target.rows or (covered.right or 0) > target.columns:
        raise bad("The destination of the paste is beyond the grid of the sheet.")
    old = _taken(book, target, covered)
    made: Block = {key: _pasted(stored, None, kind) for key, stored in old.items()}
    for y in range(down):
        for x in range(right):
            for (row, column), stored in block.items():
                to = (y * height + (column if turned else row), x * width + (row if turned else column))
                by = (covered.top + to[0] - area.top - row, covered.left + to[1] - area.left - column)
                made[to] = _pasted(old.get(to), moved_cell(stored, *by), kind)
    _put(book, target, covered, made)


def _cut(book: Book, told: dict[str, Any]) -> None:
    source, area = book.area(told.get("source", {}))
    place = told.get("destination", {})
    target = book.sheet(place.get("sheetId", 0))
    top, left = place.get("rowIndex", 0), place.get("columnIndex", 0)
    covered = Area(top, left, top + area.height, left + area.width)
    if top < 0 or left < 0 or (covered.bottom or 0) > target.rows or (covered.right or 0) > target.columns:
        raise bad("The destination of the paste is beyond the grid of the sheet.")
    block = _taken(book, source, area)
    _put(book, source, area, {})
    _put(book, target, covered, block)
    if book.draft.formulas(book.id):
        _follow(book, source, area, target, top - area.top, left - area.left)


def _follow(book: Book, source: Sheet, area: Area, target: Sheet, down: int, right: int) -> None:
    """Formulas that refer to cells that were cut refer to where they are now."""

    def change(text: str, here: Sheet) -> str:
        def one(title: str | None, start: Corner, end: Corner | None) -> tuple[Corner, Corner | None] | None:
            if (title or here.title).casefold() != source.title.casefold() or source.id != target.id:
                return start, end
            corners = [start, end or start]
            for corner in corners:
                if corner.row is None or corner.column is None:
                    return start, end
                if not (area.top <= corner.row < (area.bottom or 0) and area.left <= corner.column < (area.right or 0)):
                    return start, end
            moved = [Corner((c.row or 0) + down, (c.column or 0) + right, c.fixed_row, c.fixed_column) for c in corners]
            return moved[0], None if end is None else moved[1]

        return rewritten(text, one)

    change_formulas(book, change)


def _shift(book: Book, told: dict[str, Any], away: bool) -> None:
    """Insert (`away`) or delete a range: what is beside it moves."""
    sheet, area = book.area(told.get("range", {}))
    if "shiftDimension" not in told:
        raise bad("No shiftDimension was given.")
    rows = told["shiftDimension"] == "ROWS"
    count = area.height if rows else area.width
    if not area.height or not area.width:
        raise bad("Invalid range: it is empty")
    if rows:
        whole = Area(area.top, area.left, sheet.rows, area.right)
    else:
        whole = Area(area.top, area.left, area.bottom, sheet.columns)
    block = _taken(book, sheet, whole)
    made: Block = {}
    for (row, column), stored in block.items():
        place = row if rows else column
        if away:
            to = place + count
        elif place < count:
            continue
        else:
            to = place - count
        made[(to, column) if rows else (row, to)] = stored
    furthest = max((row if rows else column for row, column in made), default=-1) + 1
    size = sheet.rows - area.top if rows else sheet.columns - area.left
    if furthest > size:
        if rows:
            sheet = add_rows(book, sheet, furthest - size)
        else:
            book.check_grid(sheet, sheet.rows, sheet.columns + furthest - size)
            sheet = book.change_sheet(sheet, columns=sheet.columns + furthest - size)
    whole = Area(area.top, area.left, sheet.rows if rows else area.bottom, area.right if rows else sheet.columns)
    _put(book, sheet, whole, made)


def _insert(book: Book, told: dict[str, Any]) -> None:
    _shift(book, told, True)


def _delete(book: Book, told: dict[str, Any]) -> None:
    _shift(book, told, False)


def _rank(value: Effective) -> tuple[int, Any]:
    """Numbers before texts before booleans before errors."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, str):
        return 1, value.casefold()
    return 3, ""


def _sort(book: Book, told: dict[str, Any]) -> None:
    sheet, area = book.area(told.get("range", {}))
    specs = told.get("sortSpecs", [])
    if not specs or len(specs) > 50:
        raise bad("Between 1 and 50 sortSpecs must be given.")
    results, block = book.results(sheet), _taken(book, sheet, area)
    rows: dict[int, dict[int, Any]] = {}
    for (row, column), stored in block.items():
        rows.setdefault(row, {})[column] = stored
    keys: dict[int, list[Effective]] = {}
    for row, cells in rows.items():
        keys[row] = []
        for spec in specs:
            column = spec.get("dimensionIndex", 0) - area.left
            if not 0 <= column < area.width:
                raise bad("A sort column is outside of the range.")
            one = cell.of(cells.get(column))
            result = results.get(area.top + row, {}).get(area.left + column)
            value = effective(one, result)
            keys[row].append(None if value == "" else value)

    def compare(one: int, other: int) -> int:
        for spec, mine, theirs in zip(specs, keys[one], keys[other], strict=True):
            if mine is None or theirs is None:  # empty cells are last either way
                if (mine is None) != (theirs is None):
                    return 1 if mine is None else -1
                continue
            first, second = _rank(mine), _rank(theirs)
            if first != second:
                order = -1 if first < second else 1
                return -order if spec.get("sortOrder") == "DESCENDING" else order
        return 0

    book.draft.spend(len(rows) * 20)
    made: Block = {}
    for to, row in enumerate(sorted(sorted(rows), key=cmp_to_key(compare))):
        for column, stored in rows[row].items():
            made[to, column] = moved_cell(stored, to - row, 0)
    _put(book, sheet, area, made)


def _no_duplicates(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    sheet, area = book.area(told.get("range", {}))
    columns: set[int] = set()
    for one in told.get("comparisonColumns", []):
        start, end = (
            max(0, one.get("startIndex", area.left)),
            min(one.get("endIndex", area.left + area.width), sheet.columns),
        )
        columns.update(range(start - area.left, end - area.left))
    block, results = _taken(book, sheet, area), book.results(sheet)
    rows: dict[int, dict[int, Any]] = {}
    for (row, column), stored in block.items():
        rows.setdefault(row, {})[column] = stored
    seen: set[Any] = set()
    made: Block = {}
    gone = to = 0
    for row in sorted(rows):
        key = []
        for column in sorted(columns or rows[row]):
            one, result = cell.of(rows[row].get(column)), results.get(area.top + row, {}).get(area.left + column)
            value = effective(one, result)
            key.append((column, _rank(value) if value is not None else None, repr(number_format(one, result))))
        if tuple(key) in seen:
            gone += 1
            continue
        seen.add(tuple(key))
        for column, stored in rows[row].items():
            made[to if gone else row, column] = moved_cell(stored, (to - row) if gone else 0, 0)
        to = (to if gone else row) + 1
    if gone:
        _put(book, sheet, area, made)
    return {"duplicatesRemovedCount": gone}


def _trim(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    sheet, area = book.area(told.get("range", {}))
    block, count = _taken(book, sheet, area), 0
    for place, stored in block.items():
        one = cell.of(stored)
        if isinstance(one.value, str) and (text := " ".join(one.value.split())) != one.value:
            block[place] = one.with_value(text).stored()
            count += 1
    if count:
        _put(book, sheet, area, block)
    return {"cellsChangedCount": count}


_SPEC = {"dimensionIndex": INT, "sortOrder": {"SORT_ORDER_UNSPECIFIED", "ASCENDING", "DESCENDING"}}

KINDS: dict[str, tuple[Any, Any]] = {
    "copyPaste": (
        {
            "source": GRID_RANGE,
            "destination": GRID_RANGE,
            "pasteType": _PASTE,
            "pasteOrientation": {"NORMAL", "TRANSPOSE"},
        },
        _copy,
    ),
    "cutPaste": ({"source": GRID_RANGE, "destination": COORDINATE, "pasteType": {"PASTE_NORMAL"}}, _cut),
    "insertRange": ({"range": GRID_RANGE, "shiftDimension": DIMENSION}, _insert),
    "deleteRange": ({"range": GRID_RANGE, "shiftDimension": DIMENSION}, _delete),
    "sortRange": ({"range": GRID_RANGE, "sortSpecs": [_SPEC]}, _sort),
    "deleteDuplicates": ({"range": GRID_RANGE, "comparisonColumns": [DIMENSION_RANGE]}, _no_duplicates),
    "trimWhitespace": ({"range": GRID_RANGE}, _trim),
}
