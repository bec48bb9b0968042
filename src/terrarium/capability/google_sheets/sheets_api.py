"""The paths of the Sheets API (v4), each with what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from terrarium.capability.google_sheets import batch, values
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import Book, Sheet
from terrarium.capability.google_sheets.desk import Desk
from terrarium.capability.google_sheets.fault import bad, missing
from terrarium.capability.google_sheets.mask import parse
from terrarium.capability.google_sheets.request import Request
from terrarium.capability.google_sheets.shape import (
    ANY,
    BOOK_PROPERTIES,
    BOOL,
    DATA_FILTER,
    INT,
    ROWS,
    SHEET_PROPERTIES,
    STR,
    VALUE_RANGE,
    load,
    read,
)
from terrarium.capability.google_sheets.spreadsheet import copy_sheet, copy_title, create, properties_of, resource
from terrarium.capability.google_sheets.values import Values, option

_RANGES_LIMIT = 1_000
_GRID_DATA = {"startRow": INT, "startColumn": INT, "rowData": ROWS, "rowMetadata": ANY, "columnMetadata": ANY}
_SPREADSHEET = {
    "spreadsheetId": STR,
    "spreadsheetUrl": STR,
    "properties": BOOK_PROPERTIES,
    "sheets": [{"properties": SHEET_PROPERTIES, "data": [_GRID_DATA]}],
}
_BATCH = {
    "requests": ANY,
    "includeSpreadsheetInResponse": BOOL,
    "responseRanges": [STR],
    "responseIncludeGridData": BOOL,
}
_OPTIONS = {
    "valueInputOption": STR,
    "includeValuesInResponse": BOOL,
    "responseValueRenderOption": STR,
    "responseDateTimeRenderOption": STR,
}
_LOOK = {"majorDimension": STR, "valueRenderOption": STR, "dateTimeRenderOption": STR}
_FILTERED = {"dataFilter": DATA_FILTER, "majorDimension": STR, "values": ANY}

Answer = dict[str, Any]


def answer(desk: Desk, request: Request) -> Answer:
    """What a request to `/v4/spreadsheets` gives.

    Raises:
        Fault: It cannot be done.
    """
    method, parts = request.method, request.parts[2:]
    if not parts:
        if method != "POST":
            raise missing()
        return resource(Book(desk, create(desk, read(load(request.body), _SPREADSHEET))))
    if len(parts) == 1:
        id, _, verb = parts[0].partition(":")
        do = _BOOKS.get((method, verb))
        if do is None:
            raise missing()
        return do(desk, request, id)
    id = parts[0]
    if len(parts) == 2 and parts[1].startswith("values:"):
        several = _SEVERAL.get((method, parts[1].partition(":")[2]))
        if several is None:
            raise missing()
        return several(desk, request, id)
    if len(parts) == 3 and parts[1] == "values":
        return _values(desk, request, id, parts[2])
    if len(parts) == 3 and parts[1] == "sheets" and method == "POST" and parts[2].endswith(":copyTo"):
        return _copy_to(desk, request, id, parts[2].partition(":")[0])
    raise missing()


def _get(desk: Desk, request: Request, id: str) -> Answer:
    book = Book(desk, id)
    ranges = [book.find(text) for text in request.many("ranges")[:_RANGES_LIMIT]]
    fields = request.one("fields")
    mask = parse(fields) if fields is not None else None
    return resource(book, ranges=ranges, grid=request.flag("includeGridData"), mask=mask)


def _get_filtered(desk: Desk, request: Request, id: str) -> Answer:
    book = Book(desk, id)
    told = read(load(request.body), {"dataFilters": [DATA_FILTER], "includeGridData": BOOL})
    ranges = [_filtered(book, one) for one in told.get("dataFilters", [])[:_RANGES_LIMIT]]
    fields = request.one("fields")
    mask = parse(fields) if fields is not None else None
    return resource(book, ranges=ranges, grid=told.get("includeGridData", False), mask=mask)


def _batch_update(desk: Desk, request: Request, id: str) -> Answer:
    book = Book(desk, id, "writer")
    told = read(load(request.body), _BATCH)
    answer: Answer = {"spreadsheetId": id, "replies": batch.run(book, told.get("requests"))}
    if told.get("includeSpreadsheetInResponse"):
        ranges = [book.find(text) for text in told.get("responseRanges", [])[:_RANGES_LIMIT]]
        answer["updatedSpreadsheet"] = resource(book, ranges=ranges, grid=told.get("responseIncludeGridData", False))
    return answer


def _copy_to(desk: Desk, request: Request, id: str, sheet: str) -> Answer:
    source = Book(desk, id)
    told = read(load(request.body), {"destinationSpreadsheetId": STR})
    if not sheet.isascii() or not sheet.isdigit() or len(sheet) > 10:
        raise bad("Invalid sheetId")
    one = source.sheet(int(sheet))
    target = Book(desk, told.get("destinationSpreadsheetId", ""), "writer")
    return properties_of(copy_sheet(source, one, target, copy_title(target, one.title), None, None))


# -- values -------------------------------------------------------------------------------------------------------


def _viewer(book: Book, told: Mapping[str, Any]) -> Values:
    return Values(
        book,
        option(told.get("valueRenderOption"), values.RENDER, "value_render_option"),
        option(told.get("dateTimeRenderOption"), values.MOMENTS, "date_time_render_option"),
        option(told.get("majorDimension"), values.MAJOR, "major_dimension"),
    )


def _asked(request: Request) -> dict[str, Any]:
    return {name: request.one(name) for name in _LOOK}


def _mode(word: str | None) -> str:
    if word is None or word == "INPUT_VALUE_OPTION_UNSPECIFIED":
        raise bad("'valueInputOption' is required but not specified")
    return option(word, values.INPUT, "value_input_option")


def _values(desk: Desk, request: Request, id: str, name: str) -> Answer:
    method, text = request.method, name
    if method == "GET":
        return _viewer(Book(desk, id), _asked(request)).get(text)
    book = Book(desk, id, "writer")
    if method == "POST" and name.endswith(":clear"):
        read(load(request.body), {})
        return {"spreadsheetId": id, "clearedRange": Values(book).clear(name.removesuffix(":clear"))}
    if method == "PUT":
        told = read(load(request.body), VALUE_RANGE)
        updates, sheet, area = Values(book).update(text, told, _mode(request.one("valueInputOption")))
        return _with_values(book, request, updates, updates, sheet, area)
    if method == "POST" and name.endswith(":append"):
        told = read(load(request.body), VALUE_RANGE)
        inserts = option(request.one("insertDataOption"), ("OVERWRITE", "INSERT_ROWS"), "insert_data_option")
        mode = _mode(request.one("valueInputOption"))
        done, sheet, area = Values(book).append(name.removesuffix(":append"), told, mode, inserts == "INSERT_ROWS")
        return _with_values(book, request, done, done["updates"], sheet, area)
    raise missing()


def _with_values(book: Book, request: Request, answer: Answer, updates: Answer, sheet: Sheet, area: Area) -> Answer:
    if request.flag("includeValuesInResponse"):
        told = {
            "valueRenderOption": request.one("responseValueRenderOption"),
            "dateTimeRenderOption": request.one("responseDateTimeRenderOption"),
        }
        updates["updatedData"] = _viewer(book, told).of(sheet, area)
    return answer


def _batch_get(desk: Desk, request: Request, id: str) -> Answer:
    book = Book(desk, id)
    viewer = _viewer(book, _asked(request))
    ranges = request.many("ranges")
    if len(ranges) > _RANGES_LIMIT:
        raise bad("Too many ranges.")
    return {"spreadsheetId": id, "valueRanges": [viewer.get(text) for text in ranges]}


def _batch_write(desk: Desk, request: Request, id: str) -> Answer:
    told = read(load(request.body), {**_OPTIONS, "data": [VALUE_RANGE]})
    book = Book(desk, id, "writer")
    return _written(book, told, [(one.get("range", ""), one) for one in told.get("data", [])])


def _batch_write_filtered(desk: Desk, request: Request, id: str) -> Answer:
    told = read(load(request.body), {**_OPTIONS, "data": [_FILTERED]})
    book = Book(desk, id, "writer")
    pairs = []
    for one in told.get("data", []):
        pairs.append(
            (_text(book, one.get("dataFilter", {})), {k: one[k] for k in ("majorDimension", "values") if k in one})
        )
    return _written(book, told, pairs)


def _written(book: Book, told: Answer, pairs: list[tuple[str, Answer]]) -> Answer:
    mode = _mode(told.get("valueInputOption"))
    if len(pairs) > _RANGES_LIMIT:
        raise bad("Too many ranges.")
    done, totals, touched = [], dict.fromkeys(("updatedRows", "updatedColumns", "updatedCells"), 0), set()
    places = []
    for text, one in pairs:
        updates, sheet, area = Values(book).update(text, one, mode)
        for name in totals:
            totals[name] += updates.get(name, 0)
        touched.add(sheet.id)
        done.append(updates)
        places.append((updates, sheet, area))
    if told.get("includeValuesInResponse"):
        look = {
            "valueRenderOption": told.get("responseValueRenderOption"),
            "dateTimeRenderOption": told.get("responseDateTimeRenderOption"),
        }
        for updates, sheet, area in places:
            updates["updatedData"] = _viewer(book, look).of(sheet, area)
    counts = {f"total{name[0].upper()}{name[1:]}": count for name, count in totals.items()}
    return {"spreadsheetId": book.id, **counts, "totalUpdatedSheets": len(touched), "responses": done}


def _batch_clear(desk: Desk, request: Request, id: str) -> Answer:
    told = read(load(request.body), {"ranges": [STR]})
    book = Book(desk, id, "writer")
    return {
        "spreadsheetId": id,
        "clearedRanges": [Values(book).clear(text) for text in told.get("ranges", [])[:_RANGES_LIMIT]],
    }


def _batch_clear_filtered(desk: Desk, request: Request, id: str) -> Answer:
    told = read(load(request.body), {"dataFilters": [DATA_FILTER]})
    book = Book(desk, id, "writer")
    texts = [_text(book, one) for one in told.get("dataFilters", [])[:_RANGES_LIMIT]]
    return {"spreadsheetId": id, "clearedRanges": [Values(book).clear(text) for text in texts]}


def _batch_get_filtered(desk: Desk, request: Request, id: str) -> Answer:
    told = read(load(request.body), {**_LOOK, "dataFilters": [DATA_FILTER]})
    book = Book(desk, id)
    viewer = _viewer(book, told)
    found = []
    for one in told.get("dataFilters", [])[:_RANGES_LIMIT]:
        found.append({"valueRange": viewer.of(*_filtered(book, one)), "dataFilters": [one]})
    return {"spreadsheetId": id, "valueRanges": found}


def _filtered(book: Book, one: Mapping[str, Any]) -> tuple[Sheet, Area]:
    if len(one) != 1:
        raise bad("A data filter has exactly one of 'a1Range' and 'gridRange'.")
    return book.find(one["a1Range"]) if "a1Range" in one else book.area(one["gridRange"])


def _text(book: Book, one: Mapping[str, Any]) -> str:
    from terrarium.capability.google_sheets.a1 import name_of

    sheet, area = _filtered(book, one)
    return one["a1Range"] if "a1Range" in one else name_of(sheet.title, area)


_Do = Callable[[Desk, Request, str], Answer]
_BOOKS: dict[tuple[str, str], _Do] = {
    ("GET", ""): _get,
    ("POST", "batchUpdate"): _batch_update,
    ("POST", "getByDataFilter"): _get_filtered,
}
_SEVERAL: dict[tuple[str, str], _Do] = {
    ("GET", "batchGet"): _batch_get,
    ("POST", "batchUpdate"): _batch_write,
    ("POST", "batchClear"): _batch_clear,
    ("POST", "batchGetByDataFilter"): _batch_get_filtered,
    ("POST", "batchUpdateByDataFilter"): _batch_write_filtered,
    ("POST", "batchClearByDataFilter"): _batch_clear_filtered,
}
