"""Rows and columns of a sheet: put in, taken out and moved, with every formula, name and merge that refers to them."""

from __future__ import annotations

from typing import Any

from terrarium.capability.google_sheets import a1
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import Book, Sheet
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.reference import Shift, copied, shifted


def add_rows(book: Book, sheet: Sheet, count: int) -> Sheet:
    """Put rows at the end.

    Raises:
        Fault: The spreadsheet would be too large.
    """
    book.check_grid(sheet, sheet.rows + count, sheet.columns)
    return book.change_sheet(sheet, rows=sheet.rows + count)


def insert(book: Book, sheet: Sheet, *, rows: bool, at: int, count: int) -> Sheet:
    """Put empty rows or columns before a place.

    Raises:
        Fault: The place is beyond the grid, or the spreadsheet would be too large.
    """
    size = sheet.rows if rows else sheet.columns
    if not 0 <= at <= size or count < 1:
        raise bad(f"Invalid range: cannot insert {count} at {at}; the sheet ends at {size}")
    if rows:
        book.check_grid(sheet, sheet.rows + count, sheet.columns)
    else:
        book.check_grid(sheet, sheet.rows, sheet.columns + count)
    return _apply(book, sheet, Shift(rows, at, count), size + count)


def delete(book: Book, sheet: Sheet, *, rows: bool, at: int, count: int) -> Sheet:
    """Take out rows or columns from a place on.

    Raises:
        Fault: They are not there, or nothing would be left.
    """
    size = sheet.rows if rows else sheet.columns
    if at < 0 or count < 1 or at + count > size:
        raise bad(f"Invalid range: cannot delete {count} at {at}; the sheet ends at {size}")
    if count == size:
        raise bad(f"You can't delete all the {'rows' if rows else 'columns'} on the sheet.")
    return _apply(book, sheet, Shift(rows, at, -count), size - count)


def move(book: Book, sheet: Sheet, *, rows: bool, at: int, count: int, to: int) -> Sheet:
    """Move rows or columns before another place.

    Raises:
        Fault: They, or the place, are not there.
    """
    size = sheet.rows if rows else sheet.columns
    if at < 0 or count < 1 or at + count > size or not 0 <= to <= size:
        raise bad(f"Invalid range: cannot move {count} from {at} to {to}; the sheet ends at {size}")
    if at <= to <= at + count:
        return sheet
    return _apply(book, sheet, Shift(rows, at, count, to), size)


def _apply(book: Book, sheet: Sheet, shift: Shift, size: int) -> Sheet:
    _move_cells(book, sheet, shift)
    sheet = book.change_sheet(
        sheet,
        **{"rows" if shift.rows else "columns": size},
        merges=[after for one in sheet.fields["merges"] if (after := _moved(one, shift)) is not None],
    )
    for name in book.names():
        if name["range"]["sheetId"] == sheet.id:
            there = _moved_range(name["range"], shift)
            book.draft.put(
                "named_range", f"{book.id}/{name['namedRangeId']}", None if there is None else {**name, "range": there}
            )
    if book.draft.formulas(book.id):
        change_formulas(book, lambda text, here: shifted(text, shift, here.title, sheet.title))
    book.desk.touch(book.id)
    return sheet


def _move_cells(book: Book, sheet: Sheet, shift: Shift) -> None:
    every = list(book.stored(sheet, Area(0, 0, 10**9, 10**9)))
    if shift.rows:
        places = {row: shift.one(row) for row, _ in every}
        moving = [(row, cells) for row, cells in every if places[row] != row]
        for row, _ in moving:
            book.put_row(sheet, row, {})
        for row, cells in moving:
            after = places[row]
            if after is not None:
                book.put_row(sheet, after, cells)
        return
    for row, cells in every:
        book.draft.spend(len(cells))
        made = {}
        for name, stored in cells.items():
            column = shift.one(a1.column_of(name))
            if column is not None:
                made[a1.letters(column)] = stored
        if made != cells or list(made) != list(cells):
            book.put_row(sheet, row, made)


def change_formulas(book: Book, change: Any) -> None:
    """Give every formula of a spreadsheet, with its sheet, to `change`, and write what comes back."""
    for sheet in book.sheets():
        for row, cells in list(book.stored(sheet, Area(0, 0, 10**9, 10**9))):
            made = {}
            for name, stored in cells.items():
                if isinstance(stored, dict) and "formula" in stored:
                    book.draft.spend(2 + len(stored["formula"]) // 4)
                    text = change(stored["formula"], sheet)
                    if text != stored["formula"]:
                        made[name] = {**stored, "formula": text}
            if made:
                book.put_row(sheet, row, {**cells, **made})


def moved_cell(stored: Any, down: int, right: int) -> Any:
    """A stored cell as it is when it is copied elsewhere."""
    if isinstance(stored, dict) and "formula" in stored:
        return {**stored, "formula": copied(stored["formula"], down, right)}
    return stored


def _moved(merge: list[int], shift: Shift) -> list[int] | None:
    """A merged area, as [top, left, bottom, right], after a shift."""
    first, last = (0, 2) if shift.rows else (1, 3)
    after = shift.span(merge[first], merge[last] - 1)
    if after is None:
        return None
    made = list(merge)
    made[first], made[last] = after[0], after[1] + 1
    return made if made[2] - made[0] > 1 or made[3] - made[1] > 1 else None


def _moved_range(told: dict[str, int], shift: Shift) -> dict[str, int] | None:
    first, last = ("startRowIndex", "endRowIndex") if shift.rows else ("startColumnIndex", "endColumnIndex")
    if last not in told:
        return told
    after = shift.span(told.get(first, 0), told[last] - 1)
    return None if after is None else {**told, first: after[0], last: after[1] + 1}
