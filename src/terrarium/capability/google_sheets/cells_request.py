"""Requests of `batchUpdate` that write cells: update, append, repeat, merge, find and replace, notes and rules."""

from __future__ import annotations

import re
from typing import Any

from terrarium.capability.google_sheets import a1, cell
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import Book, Sheet
from terrarium.capability.google_sheets.cell import Cell
from terrarium.capability.google_sheets.entry import entered
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.grid import add_rows
from terrarium.capability.google_sheets.mask import Mask, apply, parse
from terrarium.capability.google_sheets.number_format import shown
from terrarium.capability.google_sheets.reference import copied
from terrarium.capability.google_sheets.shape import (
    BOOL,
    CELL,
    COORDINATE,
    GRID_RANGE,
    INT,
    ROWS,
    STR,
    VALIDATION,
)

MERGES_LIMIT = 1_000
FILLED_LIMIT = 200_000  # cells that one request may give a content
_KEPT = {"userEnteredValue", "userEnteredFormat", "note", "dataValidation"}


def _mask(text: str | None) -> Mask:
    if not text:
        raise bad("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    mask = parse(text)
    for name in mask:
        if name not in _KEPT:
            raise bad(f"Field {name[:60]!r} of a cell cannot be set here")
    return mask


def _set(before: Cell, data: dict[str, Any], mask: Mask) -> Cell:
    return cell.from_data(apply(before.data(), {name: data[name] for name in data if name in _KEPT}, mask))


def _update(book: Book, told: dict[str, Any]) -> None:
    mask, rows = _mask(told.get("fields")), told.get("rows", [])
    if ("range" in told) == ("start" in told):
        raise bad("Exactly one of 'range' and 'start' must be given.")
    if "range" in told:
        sheet, area = book.area(told["range"])
    else:
        sheet = book.sheet(told["start"].get("sheetId", 0))
        top, left = told["start"].get("rowIndex", 0), told["start"].get("columnIndex", 0)
        width = max((len(row.get("values", [])) for row in rows), default=0)
        area = Area(top, left, top + len(rows), left + width)
        if top < 0 or left < 0 or (area.bottom or 0) > sheet.rows or (area.right or 0) > sheet.columns:
            raise bad("Attempting to write beyond the grid of the sheet.")
    if len(rows) > area.height or any(len(row.get("values", [])) > area.width for row in rows):
        raise bad("Attempting to write outside of the range.")
    _fill(book, sheet, area, mask, [row.get("values", []) for row in rows], pad="range" in told)


def _fill(book: Book, sheet: Sheet, area: Area, mask: Mask, table: list[list[dict[str, Any]]], *, pad: bool) -> None:
    """Write cells over an area; with `pad`, those that the table lacks are written as empty ones."""
    filled = dict(book.stored(sheet, area))
    for row in sorted({*filled, *range(area.top, area.top + min(len(table), area.height))}):
        line = table[row - area.top] if row - area.top < len(table) else []
        made = {}
        names = filled.get(row, {})
        for column in range(area.left, area.left + (area.width if pad else len(line))):
            given = line[column - area.left] if column - area.left < len(line) else None
            before = names.get(a1.letters(column))
            if given is not None or (pad and before is not None):
                made[column] = _set(cell.of(before), given or {}, mask)
        book.draft.spend(2 * area.width)
        if made:
            book.put_cells(sheet, row, made)


def _append(book: Book, told: dict[str, Any]) -> None:
    sheet = book.sheet(told.get("sheetId", 0))
    mask, rows = _mask(told.get("fields")), [row.get("values", []) for row in told.get("rows", [])]
    top = max((row + 1 for row, cells in book.stored(sheet, sheet.all) if cells), default=0)
    if top + len(rows) > sheet.rows:
        sheet = add_rows(book, sheet, top + len(rows) - sheet.rows)
    width = max(map(len, rows), default=0)
    if width > sheet.columns:
        book.check_grid(sheet, sheet.rows, width)
        sheet = book.change_sheet(sheet, columns=width)
    _fill(book, sheet, Area(top, 0, top + len(rows), width), mask, rows, pad=False)


def _repeat(book: Book, told: dict[str, Any]) -> None:
    sheet, area = book.area(told.get("range", {}))
    mask, data = _mask(told.get("fields")), told.get("cell", {})
    filled = dict(book.stored(sheet, area))
    empty = cell.from_data(apply({}, data, mask)).stored() is None
    if not empty and area.height * area.width > FILLED_LIMIT:
        raise bad(f"The request is too large: at most {FILLED_LIMIT} cells can be filled at once.")
    for row in filled if empty else range(area.top, area.top + area.height):
        names, made = filled.get(row, {}), {}
        for column in range(area.left, area.left + area.width):
            before = names.get(a1.letters(column))
            if before is None and empty:
                continue
            one = _set(cell.of(before), data, mask)
            if one.formula is not None and "formulaValue" in data.get("userEnteredValue", {}):
                one = one.with_formula(copied(one.formula, row - area.top, column - area.left))
            made[column] = one
        book.draft.spend(2 * area.width)
        book.put_cells(sheet, row, made)


def put_data(book: Book, sheet: Sheet, data: list[dict[str, Any]]) -> None:
    """Write the GridData that a new sheet came with.

    Raises:
        Fault: It reaches beyond the sheet.
    """
    for part in data:
        start = {"sheetId": sheet.id, "rowIndex": part.get("startRow", 0), "columnIndex": part.get("startColumn", 0)}
        _update(book, {"start": start, "rows": part.get("rowData", []), "fields": "*"})


def _merge(book: Book, told: dict[str, Any]) -> None:
    sheet, area = book.area(told.get("range", {}))
    kind = told.get("mergeType", "MERGE_ALL")
    top, left, bottom, right = area.top, area.left, area.top + area.height, area.left + area.width
    if kind == "MERGE_ROWS":
        count, parts = (
            area.height,
            [[row, left, row + 1, right] for row in range(top, min(bottom, top + MERGES_LIMIT + 1))],
        )
    elif kind == "MERGE_COLUMNS":
        count, parts = area.width, [[top, c, bottom, c + 1] for c in range(left, min(right, left + MERGES_LIMIT + 1))]
    else:
        count, parts = 1, [[top, left, bottom, right]]
    kept = [merge for merge in sheet.fields["merges"] if not Area(*merge).overlaps(area)]
    for merge in sheet.fields["merges"]:
        one = Area(*merge)
        inside = top <= one.top and left <= one.left and (one.bottom or 0) <= bottom and (one.right or 0) <= right
        if one.overlaps(area) and not inside:
            raise bad("You must select all cells in a merged range to merge or unmerge them.")
    if count + len(kept) > MERGES_LIMIT:
        raise bad(f"A sheet has at most {MERGES_LIMIT} merged ranges.")
    parts = [part for part in parts if part[2] - part[0] > 1 or part[3] - part[1] > 1]
    for row, cells in list(book.stored(sheet, area)):
        made = {}
        for name in cells:
            column = a1.column_of(name)
            corner = any(part[0] == row and part[1] == column for part in parts[:1]) or (
                (kind == "MERGE_ROWS" and column == left) or (kind == "MERGE_COLUMNS" and row == top)
            )
            if left <= column < right and not corner:
                made[column] = cell.of(cells[name]).with_value(None)
        book.put_cells(sheet, row, made)
    book.change_sheet(sheet, merges=sorted(kept + parts))


def _unmerge(book: Book, told: dict[str, Any]) -> None:
    sheet, area = book.area(told.get("range", {}))
    book.change_sheet(sheet, merges=[one for one in sheet.fields["merges"] if not Area(*one).overlaps(area)])


def _find_replace(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    find, by = told.get("find", ""), told.get("replacement", "")
    if not find or len(find) > 1000 or len(by) > 10_000:
        raise bad("Invalid find: it is empty, or too long")
    if told.get("searchByRegex"):
        raise bad("Searching by regular expression is not supported here; give the text itself")
    if sum(name in told for name in ("range", "sheetId", "allSheets")) != 1:
        raise bad("Exactly one of 'range', 'sheetId' and 'allSheets' must be given.")
    if "range" in told:
        places = [book.area(told["range"])]
    elif "sheetId" in told:
        sheet = book.sheet(told["sheetId"])
        places = [(sheet, sheet.all)]
    else:
        places = [(sheet, sheet.all) for sheet in book.sheets()]
    flags = 0 if told.get("matchCase") else re.IGNORECASE
    wanted = re.compile(re.escape(find), flags)
    done = {"valuesChanged": 0, "formulasChanged": 0, "rowsChanged": 0, "sheetsChanged": 0, "occurrencesChanged": 0}
    for sheet, area in places:
        changed = 0
        for row, cells in list(book.stored(sheet, area)):
            made = {}
            for name in cells:
                column, one = a1.column_of(name), cell.of(cells[name])
                book.draft.spend(2)
                if not area.left <= column < area.left + area.width or one.blank:
                    continue
                if one.formula is not None and not told.get("includeFormulas"):
                    continue
                text = one.formula or shown(one.value, (one.format or {}).get("numberFormat"))
                if told.get("matchEntireCell") and not wanted.fullmatch(text):
                    continue
                after, count = wanted.subn(lambda _: by, text)
                if count:
                    made[column] = entered(after, one, book.today)
                    done["occurrencesChanged"] += count
                    done["formulasChanged" if one.formula else "valuesChanged"] += 1
            if made:
                book.put_cells(sheet, row, made)
                changed += 1
        done["rowsChanged"] += changed
        done["sheetsChanged"] += bool(changed)
    return {name: count for name, count in done.items() if count} or done


def _validate(book: Book, told: dict[str, Any]) -> None:
    data = {"dataValidation": told["rule"]} if told.get("rule") else {}
    _repeat(book, {"range": told.get("range", {}), "cell": data, "fields": "dataValidation"})


KINDS: dict[str, tuple[Any, Any]] = {
    "updateCells": ({"rows": ROWS, "fields": STR, "start": COORDINATE, "range": GRID_RANGE}, _update),
    "appendCells": ({"sheetId": INT, "rows": ROWS, "fields": STR}, _append),
    "repeatCell": ({"range": GRID_RANGE, "cell": CELL, "fields": STR}, _repeat),
    "mergeCells": ({"range": GRID_RANGE, "mergeType": {"MERGE_ALL", "MERGE_COLUMNS", "MERGE_ROWS"}}, _merge),
    "unmergeCells": ({"range": GRID_RANGE}, _unmerge),
    "findReplace": (
        {
            **{"find": STR, "replacement": STR, "matchCase": BOOL, "matchEntireCell": BOOL, "searchByRegex": BOOL},
            **{"includeFormulas": BOOL, "range": GRID_RANGE, "sheetId": INT, "allSheets": BOOL},
        },
        _find_replace,
    ),
    "setDataValidation": ({"range": GRID_RANGE, "rule": VALIDATION, "filteredRowsIncluded": BOOL}, _validate),
}
