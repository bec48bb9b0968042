"""Spreadsheets and sheets as the API has them: made, shown and copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.capability.google_sheets import a1, cell
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import SHEETS_LIMIT, Book, Sheet, effective, number_format
from terrarium.capability.google_sheets.calculator import Result
from terrarium.capability.google_sheets.desk import SHEET, Desk
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.mask import Mask, wants
from terrarium.capability.google_sheets.number_format import shown

ROWS, COLUMNS = 1000, 26
TITLE_LIMIT = 100
URL = "https://docs.google.com/spreadsheets/d/{}/edit"


def create(desk: Desk, told: Mapping[str, Any], parents: list[str] | None = None) -> str:
    """Make a spreadsheet as a Spreadsheet message describes it, and give its id.

    Raises:
        Fault: It describes none that can be.
    """
    properties = told.get("properties", {})
    id = desk.add(
        properties.get("title") or "Untitled spreadsheet",
        SHEET,
        parents,
        locale=_short(properties.get("locale", "en_US")),
        zone=_short(properties.get("timeZone", "Etc/GMT")),
    )
    book = Book(desk, id, "writer")
    for one in told.get("sheets") or [{}]:
        add_sheet(book, one.get("properties", {}))
        if one.get("data"):
            from terrarium.capability.google_sheets.cells_request import put_data

            put_data(book, book.sheets()[-1], one["data"])
    return id


def _short(text: str) -> str:
    if len(text) > 100:
        raise bad("Invalid value at 'properties': it is too long")
    return text


def add_sheet(book: Book, told: Mapping[str, Any]) -> Sheet:
    """Add a sheet as SheetProperties describe it.

    Raises:
        Fault: Its title or id is taken, or there cannot be one more.
    """
    there = book.sheets()
    if len(there) >= SHEETS_LIMIT:
        raise bad(f"A spreadsheet has at most {SHEETS_LIMIT} sheets.")
    if told.get("sheetType", "GRID") not in ("GRID", "SHEET_TYPE_UNSPECIFIED"):
        raise bad("Only sheets of type GRID can be added here.")
    title = told.get("title") or _free_title(there)
    check_title(book, title, None)
    grid = told.get("gridProperties", {})
    rows, columns = grid.get("rowCount", ROWS), grid.get("columnCount", COLUMNS)
    book.check_grid(None, rows, columns)
    taken = {one.id for one in there}
    id = told.get("sheetId")
    if id is None:
        stream = book.desk.office.site.rng.stream(book.desk.office.site.name)
        id = 0
        while there and (id in taken or not id):
            id = stream.getrandbits(31)
    if id in taken or id < 0:
        raise bad(f"Invalid sheetId: {id} is taken, or no id")
    index = min(max(0, told.get("index", len(there))), len(there))
    for one in there[index:]:
        book.change_sheet(one, index=one.fields["index"] + 1)
    fields = {"title": title, "index": index, "rows": rows, "columns": columns, "merges": []}
    sheet = Sheet(id, {**fields, "properties": _kept(told)})
    book.put_sheet(sheet)
    book.desk.touch(book.id)
    return sheet


def _kept(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of SheetProperties is kept as it is."""
    kept = {name: told[name] for name in ("hidden", "tabColor", "tabColorStyle", "rightToLeft") if told.get(name)}
    grid = told.get("gridProperties", {})
    more = {name: grid[name] for name in grid if name not in ("rowCount", "columnCount") and grid[name]}
    return {**kept, **({"gridProperties": more} if more else {})}


def check_title(book: Book, title: str, own: int | None) -> None:
    """Refuse a title that a sheet cannot have.

    Raises:
        Fault: It is taken, or too long.
    """
    if not title or len(title) > TITLE_LIMIT:
        raise bad(f"Invalid title: a sheet's has 1 to {TITLE_LIMIT} characters")
    other = book.titled(title)
    if other is not None and other.id != own:
        raise bad(f'A sheet with the name "{title}" already exists. Please enter another name.')


def _free_title(there: Sequence[Sheet]) -> str:
    taken = {sheet.title.casefold() for sheet in there}
    number = len(there) + 1
    while f"sheet{number}" in taken:
        number += 1
    return f"Sheet{number}"


def properties_of(sheet: Sheet) -> dict[str, Any]:
    """SheetProperties."""
    kept = sheet.fields["properties"]
    grid = {"rowCount": sheet.rows, "columnCount": sheet.columns, **kept.get("gridProperties", {})}
    told = {"sheetId": sheet.id, "title": sheet.title, "index": sheet.fields["index"], "sheetType": "GRID"}
    return {**told, **{name: kept[name] for name in kept if name != "gridProperties"}, "gridProperties": grid}


def resource(
    book: Book, *, ranges: Sequence[tuple[Sheet, Area]] | None = None, grid: bool = False, mask: Mask | None = None
) -> dict[str, Any]:
    """The Spreadsheet message.

    Args:
        book: It.
        ranges: Of which sheets and parts; None: all.
        grid: With cells.
        mask: What of it is wanted; what is not is left out where that saves work.
    """
    sheets = book.sheets()
    parts: dict[int, list[Area]] = {}
    for sheet, area in ranges or []:
        parts.setdefault(sheet.id, []).append(area.within(sheet.rows, sheet.columns))
    if mask:
        grid = "sheets" in mask and wants(mask, "sheets", "data")
    found = []
    for sheet in sheets:
        if parts and sheet.id not in parts:
            continue
        one: dict[str, Any] = {"properties": properties_of(sheet)}
        if grid:
            one["data"] = [grid_data(book, sheet, area) for area in parts.get(sheet.id) or [sheet.all]]
        if sheet.fields["merges"]:
            one["merges"] = [a1.grid_range(sheet.id, Area(*merge)) for merge in sheet.fields["merges"]]
        found.append(one)
    fields = book.fields
    told: dict[str, Any] = {
        "spreadsheetId": book.id,
        "properties": {
            "title": fields["name"],
            "locale": fields.get("locale", "en_US"),
            "timeZone": fields.get("zone", "Etc/GMT"),
            "autoRecalc": "ON_CHANGE",
            "defaultFormat": {"wrapStrategy": "OVERFLOW_CELL", "verticalAlignment": "BOTTOM"},
        },
        "sheets": found,
        "spreadsheetUrl": URL.format(book.id),
    }
    names = book.names()
    if names:
        told["namedRanges"] = names
    return told


def grid_data(book: Book, sheet: Sheet, area: Area) -> dict[str, Any]:
    """The cells of a closed part of a sheet as GridData."""
    results = book.results(sheet)
    rows = dict(book.stored(sheet, area))
    places = [row for row in {*rows, *results} if area.top <= row < (area.bottom or 0)]
    table: list[dict[str, Any]] = [{} for _ in range(max(places, default=area.top - 1) - area.top + 1)]
    for row in places:
        line: list[dict[str, Any]] = []
        mine, given = rows.get(row, {}), results.get(row, {})
        columns = {a1.column_of(name) for name in mine} | given.keys()
        last = min(max(columns, default=-1) + 1, area.right or 0)
        book.draft.spend(4 * max(1, last - area.left))
        for column in range(area.left, last):
            line.append(cell_data(mine.get(a1.letters(column)), given.get(column)))
        if line:
            table[row - area.top] = {"values": line}
    told: dict[str, Any] = {"rowData": table} if table else {}
    if area.top:
        told["startRow"] = area.top
    if area.left:
        told["startColumn"] = area.left
    return told


def cell_data(stored: Any, result: Result | None) -> dict[str, Any]:
    """One cell as CellData."""
    one = cell.of(stored)
    told = one.data()
    value, form = effective(one, result), number_format(one, result)
    if value is not None:
        told["effectiveValue"] = cell.extended(value)
        told["formattedValue"] = shown(value, form)
    if one.format or form:
        told["effectiveFormat"] = {**(one.format or {}), **({"numberFormat": form} if form else {})}
    return told


def copy_sheet(source: Book, sheet: Sheet, target: Book, title: str, index: int | None, id: int | None) -> Sheet:
    """Copy a sheet with its cells into a spreadsheet, the same or another.

    Raises:
        Fault: As `add_sheet`.
    """
    told: dict[str, Any] = {**properties_of(sheet), "title": title}
    del told["sheetId"], told["index"]
    if index is not None:
        told["index"] = index
    if id is not None:
        told["sheetId"] = id
    made = add_sheet(target, told)
    made = target.change_sheet(made, merges=list(sheet.fields["merges"]))
    for row, cells in list(source.stored(sheet, Area(0, 0, 10**9, 10**9))):
        target.put_row(made, row, cells)
    return made


def copy_title(book: Book, title: str) -> str:
    """What a copy of a sheet is called."""
    wanted, number = f"Copy of {title}"[:TITLE_LIMIT], 1
    while book.titled(wanted) is not None:
        number += 1
        wanted = f"Copy of {title}"[: TITLE_LIMIT - 8] + f" {number}"
    return wanted


def copy_book(desk: Desk, id: str, name: str, parents: list[str] | None) -> str:
    """Copy a spreadsheet and give the id of the copy.

    Raises:
        Fault: It cannot be seen, or the copy cannot be.
    """
    source = Book(desk, id)
    copy = desk.add(
        name, SHEET, parents, locale=source.fields.get("locale", "en_US"), zone=source.fields.get("zone", "Etc/GMT")
    )
    for table in ("sheet", "cells", "named_range"):
        for row in list(desk.draft.table(table, f"{id}/")):
            desk.draft.put(table, f"{copy}/{row.key.partition('/')[2]}", row.fields)
    return copy
