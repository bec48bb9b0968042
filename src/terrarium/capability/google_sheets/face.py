"""What the task program and the tools do with spreadsheets, over the same code as the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from terrarium.capability.google_sheets import a1, drive, grid, permission, sheet_request
from terrarium.capability.google_sheets.account import Account
from terrarium.capability.google_sheets.book import Book, Sheet
from terrarium.capability.google_sheets.calculator import calculates
from terrarium.capability.google_sheets.desk import SHEET, Desk, Office
from terrarium.capability.google_sheets.fault import Fault, bad
from terrarium.capability.google_sheets.shape import load
from terrarium.capability.google_sheets.spreadsheet import URL, add_sheet, create, properties_of
from terrarium.capability.google_sheets.values import Values
from terrarium.core.errors import ConfigError
from terrarium.core.values import Value

T = TypeVar("T")


class Face:
    """Spreadsheets for one account.

    Args:
        office: Where they are.
        account: Who acts; None: the task program.
    """

    def __init__(self, office: Office, account: Account | None) -> None:
        self._office = office
        self._account = account

    def look(self, work: Callable[[Desk], T]) -> T:
        """Do something that changes nothing.

        Raises:
            Refused, NotFound: It cannot be done.
        """
        try:
            return work(self._office.desk(self._account))
        except Fault as fault:
            raise fault.for_program() from None

    def do(self, work: Callable[[Desk], T]) -> T:
        """Do something, all of it or nothing.

        Raises:
            Refused, NotFound: It cannot be done.
        """
        desk = self._office.desk(self._account)
        try:
            result = work(desk)
        except Fault as fault:
            raise fault.for_program() from None
        desk.commit(self._office.site.actor())
        return result

    def create_spreadsheet(self, title: str) -> dict[str, Value]:
        """Make one."""
        id = self.do(lambda desk: create(desk, {"properties": {"title": _line(title)}}))
        return {"id": id, "title": title, "url": URL.format(id)}

    def update_spreadsheet(self, id: str, title: str) -> None:
        """Rename one."""

        def work(desk: Desk) -> None:
            Book(desk, id, "writer")
            drive.update(desk, id, {"name": _line(title)}, "", "")

        self.do(work)

    def delete_spreadsheet(self, id: str) -> None:
        """Remove one for good."""

        def work(desk: Desk) -> None:
            Book(desk, id, "owner")
            drive.delete(desk, id)

        self.do(work)

    def list_spreadsheets(self) -> list[dict[str, Value]]:
        """All that are not in the bin, by title."""

        def work(desk: Desk) -> list[dict[str, Value]]:
            found = [
                {"id": id, "title": fields["name"], "url": URL.format(id)}
                for id, fields in desk.files()
                if fields["mime"] == SHEET and not fields["trashed"]
            ]
            return sorted(found, key=lambda one: (one["title"], one["id"]))

        return self.look(work)

    def add_worksheet(self, id: str, title: str, rows: int, cols: int) -> dict[str, Value]:
        """Add a sheet."""

        def work(desk: Desk) -> dict[str, Value]:
            told = {"title": _line(title), "gridProperties": {"rowCount": _whole(rows), "columnCount": _whole(cols)}}
            return _described(add_sheet(Book(desk, id, "writer"), told))

        return self.do(work)

    def list_worksheets(self, id: str) -> list[dict[str, Value]]:
        """Its sheets, in order."""
        return self.look(lambda desk: [_described(sheet) for sheet in Book(desk, id).sheets()])

    def update_worksheet(
        self, id: str, worksheet_title: str, new_title: str | None, rows: int | None, cols: int | None
    ) -> None:
        """Rename or resize a sheet."""

        def work(desk: Desk) -> None:
            book = Book(desk, id, "writer")
            sheet = titled(book, worksheet_title)
            before = properties_of(sheet)
            after = {**before, "gridProperties": dict(before["gridProperties"])}
            if new_title is not None:
                after["title"] = _line(new_title)
            for name, count in (("rowCount", rows), ("columnCount", cols)):
                if count is not None:
                    after["gridProperties"][name] = _whole(count)
            sheet_request.change_properties(book, sheet, before, after)
            desk.touch(id)

        self.do(work)

    def delete_worksheet(self, id: str, worksheet_title: str) -> None:
        """Remove a sheet."""

        def work(desk: Desk) -> None:
            book = Book(desk, id, "writer")
            sheet_request.delete_sheet(book, {"sheetId": titled(book, worksheet_title).id})
            desk.touch(id)

        self.do(work)

    def read_range(self, id: str, range: str, render: str = "FORMATTED_VALUE") -> list[list[Value]]:
        """The values of a range."""

        def work(desk: Desk) -> list[list[Value]]:
            book = Book(desk, id)
            sheet, area = book.find(_text(range))
            return Values(book, render).table(sheet, area.within(sheet.rows, sheet.columns))

        return self.look(work)

    def write_range(self, id: str, range: str, values: list[list[Value]]) -> dict[str, Any]:
        """Write values as if typed in."""

        def work(desk: Desk) -> dict[str, Any]:
            told = {"values": _typed(values)}
            return Values(Book(desk, id, "writer")).update(_text(range), told, "USER_ENTERED")[0]

        return self.do(work)

    def append_rows(self, id: str, worksheet_title: str, rows: list[list[Value]]) -> dict[str, Any]:
        """Write rows after the table of a sheet."""

        def work(desk: Desk) -> dict[str, Any]:
            book = Book(desk, id, "writer")
            title = a1.quoted(titled(book, worksheet_title).title)
            told = {"values": _typed(rows)}
            done: dict[str, Any] = Values(book).append(f"{title}!A1:ZZZ", told, "USER_ENTERED", False)[0]["updates"]
            return done

        return self.do(work)

    def insert_rows(self, id: str, worksheet_title: str, rows: list[list[Value]], index: int) -> None:
        """Put rows before row `index`, counted from 1."""

        def work(desk: Desk) -> None:
            book = Book(desk, id, "writer")
            table = _typed(rows)
            if not table:
                return
            sheet = titled(book, worksheet_title)
            if _whole(index) < 1:
                raise bad("Rows are counted from 1.")
            sheet = grid.insert(book, sheet, rows=True, at=index - 1, count=len(table))
            Values(book).write(sheet, index - 1, 0, table, "USER_ENTERED")

        self.do(work)

    def delete_rows(self, id: str, worksheet_title: str, start: int, end: int) -> None:
        """Take out rows, counted from 1, both included."""

        def work(desk: Desk) -> None:
            book = Book(desk, id, "writer")
            if _whole(start) < 1 or _whole(end) < start:
                raise bad(f"There are no rows {start} to {end}: rows are counted from 1, and the end is included.")
            sheet = titled(book, worksheet_title)
            grid.delete(book, sheet, rows=True, at=start - 1, count=end - start + 1)

        self.do(work)

    def clear_range(self, id: str, range: str) -> None:
        """Empty a range."""
        self.do(lambda desk: Values(Book(desk, id, "writer")).clear(_text(range)))

    def get_all_records(self, id: str, worksheet_title: str) -> list[dict[str, Value]]:
        """The rows below the first as dicts by its words."""

        def work(desk: Desk) -> list[dict[str, Value]]:
            book = Book(desk, id)
            sheet = titled(book, worksheet_title)
            return records(Values(book, "UNFORMATTED_VALUE", "FORMATTED_STRING").table(sheet, sheet.all))

        return self.look(work)

    def find(self, id: str, worksheet_title: str, query: str) -> list[dict[str, Value]]:
        """Cells that show exactly a text."""

        def work(desk: Desk) -> list[dict[str, Value]]:
            book = Book(desk, id)
            sheet = titled(book, worksheet_title)
            table = Values(book).table(sheet, sheet.all)
            return found_in(table, query)

        return self.look(work)

    def share(self, id: str, who: str, role: str) -> None:
        """Give somebody a role on a file, another one, or none."""

        def work(desk: Desk) -> None:
            account = self._office.accounts.named(_text(who))
            if account is None:
                raise Fault(404, f"There is nobody called {who[:100]!r}: give an agent, a person or an address.")
            if role == "none":
                permission.file_of(desk, id, "writer")
                if account.permission in desk.permissions(id):
                    permission.revoke(desk, id, account.permission)
            elif role in ("reader", "commenter", "writer", "owner"):
                permission.set_role(desk, id, account.address, role, transfer=True)
            else:
                raise bad("A role is 'reader', 'commenter', 'writer', 'owner' or 'none'.")

        self.do(work)

    def shares(self, id: str) -> dict[str, str]:
        """Who may do what with a file, by address."""

        def work(desk: Desk) -> dict[str, str]:
            desk.file(_text(id))
            told = desk.permissions(id).values()
            return {one.get("address", "anyone"): one["role"] for one in sorted(told, key=lambda one: str(one))}

        return self.look(work)


def titled(book: Book, title: str) -> Sheet:
    """The sheet of a title.

    Raises:
        Fault: There is none.
    """
    sheet = book.titled(_text(title))
    if sheet is None:
        known = ", ".join(repr(one.title) for one in book.sheets()[:20])
        raise Fault(404, f"There is no worksheet {title[:100]!r}; there are: {known}")
    return sheet


def _described(sheet: Sheet) -> dict[str, Value]:
    return {"title": sheet.title, "id": sheet.id, "rows": sheet.rows, "cols": sheet.columns}


def records(table: list[list[Value]]) -> list[dict[str, Value]]:
    """Rows as dicts by the words of the first; a dict has every word.

    Raises:
        Fault: A word comes twice.
    """
    if not table:
        return []
    words = [str(word) for word in table[0]]
    if len(set(words)) < len(words):
        raise bad("The first row must name every column once: two have the same name, or none.")
    return [{word: line[n] if n < len(line) else "" for n, word in enumerate(words)} for line in table[1:]]


def found_in(table: list[list[Value]], query: str) -> list[dict[str, Value]]:
    """Where a table shows a text, counted from 1."""
    return [
        {"row": row, "col": column, "value": value}
        for row, line in enumerate(table, 1)
        for column, value in enumerate(line, 1)
        if value == query
    ]


def _typed(values: Any) -> list[list[Any]]:
    """Rows as `plain` has them, which may hold formulas where these can be calculated.

    Raises:
        ConfigError: They cannot: the world would not be what its task says, and nobody's fault.
        Fault: As `plain`.
    """
    rows = plain(values)
    if any(isinstance(value, str) and value.startswith("=") for line in rows for value in line) and not calculates():
        raise ConfigError("formulas need a library: pip install 'terrarium[google-sheets]'")
    return rows


def plain(values: Any) -> list[list[Any]]:
    """Rows as JSON has them: dates and times become the text one would type.

    Raises:
        Fault: They are no rows of plain values.
    """
    from datetime import date, datetime, time
    from decimal import Decimal

    if not isinstance(values, (list, tuple)) or not all(isinstance(line, (list, tuple)) for line in values):
        raise bad("Values are a list of rows, each a list of cells.")

    def one(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%d %H:%M:%S")
        if isinstance(value, (date, time)):
            return value.isoformat()
        return float(value) if isinstance(value, Decimal) else value

    import json

    try:
        made: list[list[Any]] = load(json.dumps([[one(value) for value in line] for line in values]).encode())
    except (TypeError, ValueError, RecursionError):
        raise bad("A cell holds text, a number, a boolean, a date or None.") from None
    return made


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise bad(f"Text is needed here, not {type(value).__name__}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise bad("The text holds half a character (a lone surrogate).") from None
    return value


def _line(value: Any) -> str:
    text = _text(value)
    if not text.strip():
        raise bad("A title cannot be empty.")
    return text


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 10**9:
        raise bad(f"A whole number is needed here, not {value!r:.60}.")
    return value
