"""One spreadsheet in a change: its sheets, its cells, and what its formulas give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from terrarium.capability.google_sheets import a1, cell
from terrarium.capability.google_sheets.a1 import Area
from terrarium.capability.google_sheets.calculator import Content, Result, calculator, volatile
from terrarium.capability.google_sheets.cell import Cell, Effective
from terrarium.capability.google_sheets.desk import SHEET, Desk
from terrarium.capability.google_sheets.fault import bad
from terrarium.core.rows import Fields

GRID_LIMIT = 10_000_000  # cells of a spreadsheet, filled or not
SHEETS_LIMIT = 200

Results = Mapping[int, Mapping[int, Result]]


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Attributes:
        id: Unique in its spreadsheet.
        fields: `title`, `index`, `rows`, `columns`, `merges` and `properties`, which are as the API has them.
    """

    id: int
    fields: Fields

    @property
    def title(self) -> str:
        """What people call it."""
        title: str = self.fields["title"]
        return title

    @property
    def rows(self) -> int:
        """How many its grid has."""
        count: int = self.fields["rows"]
        return count

    @property
    def columns(self) -> int:
        """How many its grid has."""
        count: int = self.fields["columns"]
        return count

    @property
    def all(self) -> Area:
        """All of its grid."""
        return Area(0, 0, self.rows, self.columns)


class Book:
    """A spreadsheet.

    Args:
        desk: The change it is seen in.
        id: Its id.
        need: What the account must be allowed.

    Raises:
        Fault: It is not there, or not for this.
    """

    def __init__(self, desk: Desk, id: str, need: str = "reader") -> None:
        self.desk = desk
        self.draft = desk.draft
        self.id = id
        self.fields = desk.file(id, need, SHEET)

    # -- sheets ---------------------------------------------------------------------------------------------------

    def sheets(self) -> list[Sheet]:
        """Its sheets, in order."""
        rows = self.draft.table("sheet", f"{self.id}/")
        found = [Sheet(int(row.key.rpartition("/")[2]), row.fields) for row in rows]
        return sorted(found, key=lambda sheet: sheet.fields["index"])

    def sheet(self, id: int) -> Sheet:
        """The sheet of an id.

        Raises:
            Fault: There is none.
        """
        fields = self.draft.get("sheet", self._sheet_key(id))
        if fields is None:
            raise bad(f"No sheet with id: {id}")
        return Sheet(id, fields)

    def titled(self, title: str) -> Sheet | None:
        """The sheet of a title, however it is capitalised."""
        wanted = title.casefold()
        return next((sheet for sheet in self.sheets() if sheet.title.casefold() == wanted), None)

    def put_sheet(self, sheet: Sheet) -> None:
        """Write a sheet's own fields."""
        self.draft.put("sheet", self._sheet_key(sheet.id), sheet.fields)

    def change_sheet(self, sheet: Sheet, **fields: Any) -> Sheet:
        """Set some fields of a sheet."""
        made = replace(sheet, fields={**sheet.fields, **fields})
        self.put_sheet(made)
        return made

    def drop_sheet(self, sheet: Sheet) -> None:
        """Remove a sheet with its cells and names."""
        for row in list(self.draft.table("cells", self._prefix(sheet.id))):
            self.draft.put("cells", row.key, None)
        for name in self.names():
            if name["range"]["sheetId"] == sheet.id:
                self.draft.put("named_range", f"{self.id}/{name['namedRangeId']}", None)
        self.draft.put("sheet", self._sheet_key(sheet.id), None)

    def check_grid(self, sheet: Sheet | None, rows: int, columns: int) -> None:
        """Refuse a grid that cannot be.

        Args:
            sheet: Whose grid it becomes; None: a further sheet's.
            rows: How many it would have.
            columns: The same.

        Raises:
            Fault: It is empty, too wide, or the spreadsheet would have too many cells.
        """
        if rows < 1 or columns < 1:
            raise bad("Invalid gridProperties: a sheet has at least one row and one column")
        others = sum(one.rows * one.columns for one in self.sheets() if sheet is None or one.id != sheet.id)
        if columns > a1.COLUMNS or others + rows * columns > GRID_LIMIT:
            raise bad(
                f"This action would increase the number of cells in the workbook above the limit of {GRID_LIMIT} cells."
            )

    def names(self) -> list[dict[str, Any]]:
        """Its named ranges, as the API has them."""
        return [dict(row.fields) for row in self.draft.table("named_range", f"{self.id}/")]

    # -- ranges ---------------------------------------------------------------------------------------------------

    def find(self, text: str) -> tuple[Sheet, Area]:
        """The sheet and the part of it that a text names; its ends may be open.

        Raises:
            Fault: It names none, or one beyond the grid.
        """
        if len(text) > 2000:
            raise a1.unparsable(text)
        title, rest = a1.split_sheet(text)
        area = a1.area_of(rest) if rest else None
        if title is None:
            named = next((one for one in self.names() if one["name"].casefold() == text.casefold()), None)
            if named is not None and area is None:
                return self.sheet(named["range"]["sheetId"]), a1.area_from(named["range"])
            sheet = self.titled(text) if area is None else self.sheets()[0]
        else:
            sheet = self.titled(title)
        if sheet is None or (area is None and title is not None and rest):
            raise a1.unparsable(text)
        area = area or Area()
        self.inside(sheet, area)
        return sheet, area

    def inside(self, sheet: Sheet, area: Area) -> None:
        """Refuse what begins or ends beyond a grid.

        Raises:
            Fault: It does.
        """
        beyond = area.top >= sheet.rows or area.left >= sheet.columns
        if beyond:
            name = a1.name_of(sheet.title, Area(area.top, area.left, area.bottom, area.right).within(10**9, 10**9))
            raise bad(
                f"Range ({name if area.bottom else a1.quoted(sheet.title)}) exceeds grid limits. "
                f"Max rows: {sheet.rows}, max columns: {sheet.columns}"
            )

    def area(self, told: Mapping[str, int]) -> tuple[Sheet, Area]:
        """The sheet and the closed part of it that a GridRange names.

        Raises:
            Fault: There is no such sheet or part.
        """
        sheet = self.sheet(told.get("sheetId", 0))
        area = a1.area_from(dict(told))
        if (area.bottom or 0) > sheet.rows or (area.right or 0) > sheet.columns or area.top > sheet.rows:
            raise bad(f"Invalid range: it exceeds the grid of {sheet.rows} rows and {sheet.columns} columns")
        return sheet, area.within(sheet.rows, sheet.columns)

    # -- cells ----------------------------------------------------------------------------------------------------

    def stored(self, sheet: Sheet, area: Area) -> Iterator[tuple[int, Fields]]:
        """The rows of a closed area in which anything is stored, with all their cells by column name."""
        prefix = self._prefix(sheet.id)
        if area.height <= 64:
            for row in range(area.top, area.top + area.height):
                fields = self.draft.get("cells", f"{prefix}{row + 1:08d}")
                if fields:
                    yield row, fields
            return
        for found in self.draft.table("cells", prefix):
            row = int(found.key[-8:]) - 1
            if area.top <= row < (area.bottom or 0):
                yield row, found.fields

    def cell(self, sheet: Sheet, row: int, column: int) -> Cell:
        """One cell."""
        fields = self.draft.get("cells", self._row_key(sheet.id, row)) or {}
        return cell.of(fields.get(a1.letters(column)))

    def put_cells(self, sheet: Sheet, row: int, cells: Mapping[int, Cell]) -> None:
        """Write cells of one row, by column."""
        key = self._row_key(sheet.id, row)
        before = self.draft.get("cells", key) or {}
        after = dict(before)
        for column, one in cells.items():
            kept = one.stored()
            if kept is None:
                after.pop(a1.letters(column), None)
            else:
                after[a1.letters(column)] = kept
        self.put_row(sheet, row, after)

    def put_row(self, sheet: Sheet, row: int, cells: Mapping[str, Any]) -> None:
        """Write all cells of one row, as stored."""
        key = self._row_key(sheet.id, row)
        names = sorted(cells, key=lambda name: (len(name), name))
        after = {name: cells[name] for name in names} or None
        if after != self.draft.get("cells", key):
            self.draft.put("cells", key, after)

    def _prefix(self, sheet: int) -> str:
        return f"{self.id}/{sheet:010d}/"

    def _sheet_key(self, sheet: int) -> str:
        return f"{self.id}/{sheet:010d}"

    def _row_key(self, sheet: int, row: int) -> str:
        return f"{self.id}/{sheet:010d}/{row + 1:08d}"

    # -- values ---------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        """The day on the spreadsheet's own calendar."""
        return self.clock.date()

    @property
    def clock(self) -> datetime:
        """World time on its own wall clock."""
        return self.desk.now.astimezone(_zone(self.fields.get("zone", "Etc/UTC"))).replace(tzinfo=None, microsecond=0)

    def results(self, sheet: Sheet) -> Results:
        """What the formulas of a sheet give, by row and column; cells that they fill besides their own included."""
        if not self.draft.formulas(self.id):
            return {}
        mine = next((place for place, one in enumerate(self.sheets()) if one.id == sheet.id), 0)
        return self._all_results().get(mine, {})

    def warm(self) -> bool:
        """Whether its values are known without calculating."""
        known = self.desk.office.values.get(self.id)
        return not self.draft.formulas(self.id) or (known is not None and known[0] == self._mark(known[0][1]))

    def _mark(self, volatile: bool) -> tuple[Any, ...]:
        """What the values depend on: where this is as it was, they are too."""
        return (self.desk.office.usage.version(self.id), volatile, self.clock if volatile else None)

    def _all_results(self) -> dict[int, dict[int, dict[int, Result]]]:
        dirty = self.draft.touched(self.id)
        known = self.desk.office.values.get(self.id)
        if known is not None and not dirty and known[0] == self._mark(known[0][1]):
            return known[1]
        content = self._content()
        found: dict[int, dict[int, dict[int, Result]]] = {}
        for (place, row, column), result in calculator().values(content).items():
            found.setdefault(place, {}).setdefault(row, {})[column] = result
        if not dirty:
            self.desk.office.values[self.id] = (self._mark(volatile(content)), found)
        return found

    def _content(self) -> Content:
        sheets = self.sheets()
        rows = [dict(self.stored(sheet, sheet.all)) for sheet in sheets]
        titles = {sheet.id: sheet.title for sheet in sheets}
        names = {}
        for name in self.names():
            area, one = a1.area_from(name["range"]), self.sheet(name["range"]["sheetId"])
            area = area.within(one.rows, one.columns)
            names[name["name"].upper()] = a1.name_of(titles[one.id], area)
        office = self.desk.office
        key = f"{id(office)}/{self.id}"
        return Content(key, [sheet.title for sheet in sheets], rows, names, self.clock)


def effective(one: Cell, result: Result | None) -> Effective:
    """The value of a cell: what its formula gives, or what was entered."""
    if result is not None and (one.formula is not None or one.value is None):
        return result.value
    return one.value if one.formula is None else None


def number_format(one: Cell, result: Result | None) -> dict[str, Any] | None:
    """How a cell's number is shown: as its format says, or as its formula suggests."""
    told = (one.format or {}).get("numberFormat")
    if told is None and result is not None and result.shown is not None:
        return {"type": result.shown}
    return told


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC
