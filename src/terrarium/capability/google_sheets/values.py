"""Values of ranges: read, written, appended and cleared, as the API's `spreadsheets.values` does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.capability.google_sheets import a1, cell
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.book import Book, Sheet, effective, number_format
from terrarium.capability.google_sheets.calculator import Result
from terrarium.capability.google_sheets.cell import Cell, Problem
from terrarium.capability.google_sheets.entry import entered
from terrarium.capability.google_sheets.fault import Fault, bad
from terrarium.capability.google_sheets.grid import add_rows, insert
from terrarium.capability.google_sheets.number_format import is_moment, plain, shown
from terrarium.capability.google_sheets.shape import number

RENDER = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
MOMENTS = ("SERIAL_NUMBER", "FORMATTED_STRING")
INPUT = ("RAW", "USER_ENTERED")
MAJOR = ("ROWS", "COLUMNS")

_NUMBERS = (int, float)


def option(given: str | None, known: Sequence[str], name: str) -> str:
    """An option by its word; the first one where none was given.

    Raises:
        Fault: There is no such word.
    """
    if given is None or given.endswith("_UNSPECIFIED"):
        return known[0]
    if given not in known:
        raise bad(f"Invalid value at '{name}' (TYPE_ENUM), \"{given[:60]}\"")
    return given


class Values:
    """The values of one spreadsheet.

    Args:
        book: It.
        render: `FORMATTED_VALUE`, `UNFORMATTED_VALUE` or `FORMULA`.
        moments: What `UNFORMATTED_VALUE` gives for dates: `SERIAL_NUMBER` or `FORMATTED_STRING`.
        major: `ROWS` or `COLUMNS`.
    """

    def __init__(self, book: Book, render: str = RENDER[0], moments: str = MOMENTS[0], major: str = MAJOR[0]) -> None:
        self.book = book
        self.render = render
        self.moments = moments
        self.major = major

    def get(self, text: str) -> dict[str, Any]:
        """The ValueRange of a range by its text.

        Raises:
            Fault: It names none.
        """
        sheet, area = self.book.find(text)
        return self.of(sheet, area)

    def of(self, sheet: Sheet, area: Area) -> dict[str, Any]:
        """The ValueRange of a part of a sheet."""
        area = area.within(sheet.rows, sheet.columns)
        table = self.table(sheet, area)
        if self.major == "COLUMNS":
            table = _trimmed(_turned(table))
        told: dict[str, Any] = {"range": a1.name_of(sheet.title, area), "majorDimension": self.major}
        if table:
            told["values"] = table
        return told

    def table(self, sheet: Sheet, area: Area) -> list[list[Any]]:
        """Rows of rendered values, without the empty ones at the ends."""
        results = self.book.results(sheet)
        table: list[list[Any]] = []
        rows: dict[int, Mapping[str, Any]] = dict(self.book.stored(sheet, area))
        extra = [row for row in results if row not in rows and area.top <= row < (area.bottom or 0)]
        for row in sorted([*rows, *extra]) if extra else rows:
            line = self._line(rows.get(row, {}), results.get(row, {}), area)
            if line:
                table.extend([] for _ in range(row - area.top - len(table)))
                table.append(line)
        return table

    def _line(self, cells: Mapping[str, Any], results: Mapping[int, Result], area: Area) -> list[Any]:
        left, right = area.left, area.right or 0
        if len(cells) + len(results) < right - left:
            places = {a1.column_of(name) for name in cells} | results.keys()
            right = min(right, max(places, default=-1) + 1)
        self.book.draft.spend(max(1, right - left))
        line = [
            self._rendered(cells.get(a1.letters(column)), results.get(column) if results else None)
            for column in range(left, right)
        ]
        while line and line[-1] == "":
            line.pop()
        return line

    def _rendered(self, stored: Any, result: Result | None) -> Any:
        if stored is None and result is None:
            return ""
        if not isinstance(stored, dict) and result is None:
            if isinstance(stored, str) or self.render != "FORMATTED_VALUE":
                return stored
            return ("TRUE" if stored else "FALSE") if isinstance(stored, bool) else plain(stored)
        return render(cell.of(stored), result, self.render, self.moments)

    # -- writing --------------------------------------------------------------------------------------------------

    def update(self, text: str, told: Mapping[str, Any], mode: str) -> tuple[dict[str, Any], Sheet, Area]:
        """Write a ValueRange into a range.

        Returns:
            The UpdateValuesResponse without its data, and what was written.

        Raises:
            Fault: The range names none, or the values are not within it.
        """
        sheet, area = self.book.find(text)
        given = told.get("range")
        if given and given != text and self.book.find(given) != (sheet, area):
            raise bad(f"Requested writing within range [{text[:200]}], but the body names another range: {given[:200]}")
        table = values_of(told)
        single = area.bottom == area.top + 1 and area.right == area.left + 1
        height, width = len(table), max(map(len, table), default=0)
        for asked, most, what in ((height, area.bottom, "row"), (width, area.right, "column")):
            start = area.top if what == "row" else area.left
            if most is not None and not single and start + asked > most:
                place = str(most + 1) if what == "row" else a1.letters(most)
                asked_for = a1.name_of(sheet.title, area.within(sheet.rows, sheet.columns))
                raise bad(f"Requested writing within range [{asked_for}], but tried writing to {what} [{place}]")
        return self.write(sheet, area.top, area.left, table, mode)

    def write(
        self, sheet: Sheet, top: int, left: int, table: list[list[Any]], mode: str
    ) -> tuple[dict[str, Any], Sheet, Area]:
        """Write rows of values from a place on; None leaves a cell as it is.

        Raises:
            Fault: They reach beyond the grid.
        """
        width = max(map(len, table), default=0)
        written = Area(top, left, top + len(table), left + width)
        if (written.bottom or 0) > sheet.rows or (written.right or 0) > sheet.columns:
            raise bad(
                f"Range ({a1.name_of(sheet.title, written)}) exceeds grid limits. "
                f"Max rows: {sheet.rows}, max columns: {sheet.columns}"
            )
        count, today = 0, self.book.today
        columns: set[int] = set()
        lines = 0
        for place, line in enumerate(table):
            if not line:
                continue
            old = self.book.draft.get("cells", self.book._row_key(sheet.id, top + place)) or {}
            made = {}
            for column, value in enumerate(line, left):
                if value is None:
                    continue
                before = cell.of(old.get(a1.letters(column)))
                made[column] = raw(value, before) if mode == "RAW" else typed(value, before, today)
            self.book.put_cells(sheet, top + place, made)
            count += len(made)
            columns.update(made)
            lines += bool(made)
        self.book.desk.touch(self.book.id)
        told = {
            "spreadsheetId": self.book.id,
            "updatedRange": a1.name_of(sheet.title, written),
            "updatedRows": lines,
            "updatedColumns": len(columns),
            "updatedCells": count,
        }
        return {key: value for key, value in told.items() if value != 0}, sheet, written

    def append(
        self, text: str, told: Mapping[str, Any], mode: str, inserts: bool
    ) -> tuple[dict[str, Any], Sheet, Area]:
        """Write a ValueRange after the table that a range touches.

        Raises:
            Fault: The range names none.
        """
        sheet, area = self.book.find(text)
        table = values_of(told)
        found = self.table_at(sheet, area.within(sheet.rows, sheet.columns))
        top, left = (area.top, area.left) if found is None else (found.bottom or 0, found.left)
        width = max(map(len, table), default=0)
        if left + width > sheet.columns:
            self.book.check_grid(sheet, sheet.rows, left + width)
            sheet = self.book.change_sheet(sheet, columns=left + width)
        if inserts and found is not None and table and top < sheet.rows:
            sheet = insert(self.book, sheet, rows=True, at=top, count=len(table))
        elif top + len(table) > sheet.rows:
            sheet = add_rows(self.book, sheet, top + len(table) - sheet.rows)
        updates, sheet, written = self.write(sheet, top, left, table, mode)
        answer: dict[str, Any] = {"spreadsheetId": self.book.id}
        if found is not None:
            answer["tableRange"] = a1.name_of(sheet.title, found)
        answer["updates"] = updates
        return answer, sheet, written

    def table_at(self, sheet: Sheet, area: Area) -> Area | None:
        """The block of filled cells that holds the last filled row of an area; None where the area is empty."""
        filled: dict[int, list[int]] = {}
        for row, cells in self.book.stored(sheet, Area(0, 0, sheet.rows, sheet.columns)):
            places = sorted(a1.column_of(name) for name in cells if not cell.of(cells[name]).blank)
            self.book.draft.spend(len(cells))
            if places:
                filled[row] = places
        inside = [row for row in filled if area.top <= row < (area.bottom or 0) and _within(filled[row], area)]
        if not inside:
            return None
        bottom = top = max(inside)
        left = right = next(place for place in filled[bottom] if area.left <= place < (area.right or 0))
        grown = True
        while grown:
            grown = False
            for row in range(top, bottom + 1):
                for place in filled.get(row, ()):
                    if left - 1 <= place <= right + 1 and not left <= place <= right:
                        left, right, grown = min(left, place), max(right, place), True
            self.book.draft.spend(bottom - top + 1)
            span = Area(0, max(0, left - 1), None, right + 2)
            while _within(filled.get(top - 1, []), span):
                top, grown = top - 1, True
            while _within(filled.get(bottom + 1, []), span):
                bottom, grown = bottom + 1, True
        return Area(top, left, bottom + 1, right + 1)

    def clear(self, text: str) -> str:
        """Empty a range, its formats apart, and give its name.

        Raises:
            Fault: It names none.
        """
        sheet, area = self.book.find(text)
        area = area.within(sheet.rows, sheet.columns)
        for row, cells in list(self.book.stored(sheet, area)):
            self.book.draft.spend(len(cells))
            made = {}
            for name in cells:
                column = a1.column_of(name)
                if area.left <= column < (area.right or 0):
                    made[column] = cell.of(cells[name]).with_value(None)
            self.book.put_cells(sheet, row, made)
        self.book.desk.touch(self.book.id)
        return a1.name_of(sheet.title, area)


def render(one: Cell, result: Result | None, how: str, moments: str) -> Any:
    """The value of a cell as a ValueRange has it."""
    if how == "FORMULA" and one.formula is not None:
        return one.formula
    value, form = effective(one, result), number_format(one, result)
    if how == "FORMATTED_VALUE":
        return shown(value, form)
    if value is None:
        return ""
    if isinstance(value, Problem):
        return value.text
    if moments == "FORMATTED_STRING" and is_moment(form) and isinstance(value, _NUMBERS):
        return shown(value, form)
    return value


def raw(value: Any, before: Cell) -> Cell:
    """The cell that a value of JSON gives as it is.

    Raises:
        Fault: It is a list or an object.
    """
    if isinstance(value, (bool, str)):
        return before.with_value(value)
    if isinstance(value, _NUMBERS):
        return before.with_value(number(value))
    kind = "list_value" if isinstance(value, list) else "struct_value"
    raise Fault(400, f"Invalid value at 'data.values': a cell holds text, a number or a boolean, not a {kind}")


def typed(value: Any, before: Cell, today: Any) -> Cell:
    """The cell that a value of JSON gives when it is typed in.

    Raises:
        Fault: It is a list or an object.
    """
    return entered(value, before, today) if isinstance(value, str) else raw(value, before)


def values_of(told: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of a ValueRange.

    Raises:
        Fault: They are no list of lists.
    """
    values = told.get("values", [])
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(line, list) for line in values):
        raise bad("Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue): not a list of lists")
    if told.get("majorDimension") == "COLUMNS":
        return [[None if item is _MISSING else item for item in line] for line in _turned(values, _MISSING)]
    return values


_MISSING: Any = object()


def _turned(table: list[list[Any]], fill: Any = "") -> list[list[Any]]:
    width = max(map(len, table), default=0)
    if width * len(table) > 2_000_000:
        raise bad("The request is too large.")
    return [[line[place] if place < len(line) else fill for line in table] for place in range(width)]


def _trimmed(table: list[list[Any]]) -> list[list[Any]]:
    for line in table:
        while line and line[-1] == "":
            line.pop()
    while table and not table[-1]:
        table.pop()
    return table


def _within(places: Sequence[int], area: Area) -> bool:
    return any(area.left <= place < (area.right or 0) for place in places)
