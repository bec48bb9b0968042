"""Requests of `batchUpdate` about whole sheets, their rows and columns, and the spreadsheet."""

from __future__ import annotations

import re
from typing import Any

from terrarium.capability.google_sheets import a1, grid
from terrarium.capability.google_sheets.book import Book, Sheet
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.mask import apply, parse
from terrarium.capability.google_sheets.reference import rewritten, same
from terrarium.capability.google_sheets.shape import (
    ANY,
    BOOK_PROPERTIES,
    BOOL,
    DIMENSION,
    DIMENSION_RANGE,
    INT,
    NAMED_RANGE,
    SHEET_PROPERTIES,
    STR,
)
from terrarium.capability.google_sheets.spreadsheet import (
    add_sheet,
    check_title,
    copy_sheet,
    copy_title,
    properties_of,
)

NAMES_LIMIT = 1_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,249}")


def _add(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    return {"properties": properties_of(add_sheet(book, told.get("properties", {})))}


def delete_sheet(book: Book, told: dict[str, Any]) -> None:
    """Remove a sheet.

    Raises:
        Fault: There is none, or no other is left.
    """
    sheet = book.sheet(told.get("sheetId", 0))
    others = [one for one in book.sheets() if one.id != sheet.id]
    if not others:
        raise bad("You can't remove all the sheets in a document.")
    book.drop_sheet(sheet)
    for index, one in enumerate(others):
        if one.fields["index"] != index:
            book.change_sheet(one, index=index)
    if book.draft.formulas(book.id):
        title = sheet.title.casefold()
        grid.change_formulas(
            book,
            lambda text, here: rewritten(
                text, lambda named, start, end: None if named and named.casefold() == title else (start, end)
            ),
        )


def _duplicate(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    sheet = book.sheet(told.get("sourceSheetId", 0))
    title = told.get("newSheetName") or copy_title(book, sheet.title)
    made = copy_sheet(book, sheet, book, title, told.get("insertSheetIndex"), told.get("newSheetId"))
    return {"properties": properties_of(made)}


def _update_sheet(book: Book, told: dict[str, Any]) -> None:
    properties = told.get("properties", {})
    if not told.get("fields"):
        raise bad("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    sheet = book.sheet(properties.get("sheetId", 0))
    before = properties_of(sheet)
    mask = parse(told["fields"])
    mask.pop("sheetId", None)
    after = apply(before, properties, mask)
    after.setdefault("index", before["index"])
    after.setdefault("gridProperties", {})
    change_properties(book, sheet, before, after)


def change_properties(book: Book, sheet: Sheet, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Give a sheet other properties.

    Raises:
        Fault: It cannot have them.
    """
    title = after.get("title", "")
    check_title(book, title, sheet.id)
    rows = after["gridProperties"].get("rowCount", sheet.rows)
    columns = after["gridProperties"].get("columnCount", sheet.columns)
    book.check_grid(sheet, rows, columns)
    if rows < sheet.rows:
        sheet = grid.delete(book, sheet, rows=True, at=rows, count=sheet.rows - rows)
    if columns < sheet.columns:
        sheet = grid.delete(book, sheet, rows=False, at=columns, count=sheet.columns - columns)
    kept = {name: after[name] for name in ("hidden", "tabColor", "tabColorStyle", "rightToLeft") if after.get(name)}
    more = {k: v for k, v in after["gridProperties"].items() if k not in ("rowCount", "columnCount") and v}
    frozen = (more.get("frozenRowCount", 0), more.get("frozenColumnCount", 0))
    if min(frozen) < 0 or frozen[0] >= rows + 1 or frozen[1] >= columns + 1:
        raise bad("You can't freeze all rows or columns, or fewer than none.")
    if kept.get("hidden") and not any(
        not one.fields["properties"].get("hidden") for one in book.sheets() if one.id != sheet.id
    ):
        raise bad("You can't hide all the sheets in a document.")
    old = sheet.title
    sheet = book.change_sheet(
        sheet,
        title=title,
        rows=rows,
        columns=columns,
        properties={**kept, **({"gridProperties": more} if more else {})},
    )
    if after["index"] != before["index"]:
        order = [one for one in book.sheets() if one.id != sheet.id]
        # As Google counts: the place before the sheet itself was taken out.
        place = after["index"] - (1 if after["index"] > before["index"] else 0)
        order.insert(min(max(0, place), len(order)), sheet)
        for index, one in enumerate(order):
            if one.fields["index"] != index:
                book.change_sheet(one, index=index)
    if old != title and book.draft.formulas(book.id):
        renamed = old.casefold()
        grid.change_formulas(
            book,
            lambda text, here: rewritten(text, same, sheet=lambda name: title if name.casefold() == renamed else name),
        )


def _update_book(book: Book, told: dict[str, Any]) -> None:
    properties = told.get("properties", {})
    mask = parse(told.get("fields") or "")
    fields = dict(book.fields)
    for name, kept in (("title", "name"), ("locale", "locale"), ("timeZone", "zone")):
        if (not mask or name in mask) and properties.get(name):
            if len(properties[name]) > (1000 if kept == "name" else 100):
                raise bad(f"Invalid {name}: it is too long")
            fields[kept] = properties[name]
    if fields != book.fields:
        book.draft.put("file", book.id, fields)
        book.fields = fields


def span_of(book: Book, told: dict[str, Any]) -> tuple[Sheet, bool, int, int]:
    """The sheet, whether it is rows, and from where to where a DimensionRange reaches.

    Raises:
        Fault: It names none.
    """
    sheet = book.sheet(told.get("sheetId", 0))
    if "dimension" not in told:
        raise bad("No dimension was given.")
    rows = told["dimension"] == "ROWS"
    start = told.get("startIndex", 0)
    end = told.get("endIndex", sheet.rows if rows else sheet.columns)
    if start < 0 or end <= start:
        raise bad(f"Invalid range: it begins at {start} and ends at {end}")
    return sheet, rows, start, end


def _insert(book: Book, told: dict[str, Any]) -> None:
    sheet, rows, start, end = span_of(book, told.get("range", {}))
    grid.insert(book, sheet, rows=rows, at=start, count=end - start)


def _delete(book: Book, told: dict[str, Any]) -> None:
    sheet, rows, start, end = span_of(book, told.get("range", {}))
    grid.delete(book, sheet, rows=rows, at=start, count=end - start)


def _append(book: Book, told: dict[str, Any]) -> None:
    sheet = book.sheet(told.get("sheetId", 0))
    rows = told.get("dimension", "ROWS") == "ROWS"
    size = sheet.rows if rows else sheet.columns
    grid.insert(book, sheet, rows=rows, at=size, count=told.get("length", 0))


def _move(book: Book, told: dict[str, Any]) -> None:
    sheet, rows, start, end = span_of(book, told.get("source", {}))
    grid.move(book, sheet, rows=rows, at=start, count=end - start, to=told.get("destinationIndex", 0))


def _looks(book: Book, told: dict[str, Any]) -> None:
    """What only changes how a sheet looks is accepted, and not kept."""
    span_of(book, told.get("range") or told.get("dimensions") or {})


def _named(book: Book, told: dict[str, Any], own: str | None) -> dict[str, Any]:
    name = told.get("name", "")
    if not _NAME.fullmatch(name) or a1.area_of(name) is not None or name.upper() in ("TRUE", "FALSE"):
        raise bad(f"Invalid name: {name[:100]!r} cannot name a range")
    there = book.names()
    if any(one["name"].casefold() == name.casefold() and one["namedRangeId"] != own for one in there):
        raise bad(f'A named range with the name "{name}" already exists.')
    if own is None and len(there) >= NAMES_LIMIT:
        raise bad(f"A spreadsheet has at most {NAMES_LIMIT} named ranges.")
    book.area(told.get("range", {}))
    return {"name": name, "range": {"sheetId": 0, **told.get("range", {})}}


def _add_name(book: Book, told: dict[str, Any]) -> dict[str, Any]:
    told = told.get("namedRange", {})
    made = _named(book, told, None)
    site = book.desk.office.site
    id = told.get("namedRangeId") or str(site.rng.stream(site.name).getrandbits(31))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", id) or book.draft.get("named_range", f"{book.id}/{id}") is not None:
        raise bad("Invalid namedRangeId: it is taken, or no id")
    book.draft.put("named_range", f"{book.id}/{id}", {"namedRangeId": id, **made})
    return {"namedRange": {"namedRangeId": id, **made}}


def _update_name(book: Book, told: dict[str, Any]) -> None:
    given = told.get("namedRange", {})
    key = f"{book.id}/{given.get('namedRangeId', '')}"
    before = book.draft.get("named_range", key)
    if before is None:
        raise bad("No named range with that id.")
    after = apply(dict(before), given, parse(told.get("fields") or "*"))
    book.draft.put(
        "named_range", key, {"namedRangeId": given["namedRangeId"], **_named(book, after, given["namedRangeId"])}
    )


def _delete_name(book: Book, told: dict[str, Any]) -> None:
    key = f"{book.id}/{told.get('namedRangeId', '')}"
    if book.draft.get("named_range", key) is None:
        raise bad("No named range with that id.")
    book.draft.put("named_range", key, None)


KINDS: dict[str, tuple[Any, Any]] = {
    "addSheet": ({"properties": SHEET_PROPERTIES}, _add),
    "deleteSheet": ({"sheetId": INT}, delete_sheet),
    "duplicateSheet": (
        {"sourceSheetId": INT, "insertSheetIndex": INT, "newSheetId": INT, "newSheetName": STR},
        _duplicate,
    ),
    "updateSheetProperties": ({"properties": SHEET_PROPERTIES, "fields": STR}, _update_sheet),
    "updateSpreadsheetProperties": ({"properties": BOOK_PROPERTIES, "fields": STR}, _update_book),
    "insertDimension": ({"range": DIMENSION_RANGE, "inheritFromBefore": BOOL}, _insert),
    "deleteDimension": ({"range": DIMENSION_RANGE}, _delete),
    "appendDimension": ({"sheetId": INT, "dimension": DIMENSION, "length": INT}, _append),
    "moveDimension": ({"source": DIMENSION_RANGE, "destinationIndex": INT}, _move),
    "updateDimensionProperties": ({"range": DIMENSION_RANGE, "properties": ANY, "fields": STR}, _looks),
    "autoResizeDimensions": ({"dimensions": DIMENSION_RANGE}, _looks),
    "addNamedRange": ({"namedRange": NAMED_RANGE}, _add_name),
    "updateNamedRange": ({"namedRange": NAMED_RANGE, "fields": STR}, _update_name),
    "deleteNamedRange": ({"namedRangeId": STR}, _delete_name),
}
