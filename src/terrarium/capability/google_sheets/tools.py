"""What one agent can do with spreadsheets: tools over its own account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from terrarium.capability.google_sheets.a1 import cell_name
from terrarium.capability.google_sheets.account import Account
from terrarium.capability.google_sheets.book import Book
from terrarium.capability.google_sheets.desk import SHEET, Desk, Office
from terrarium.capability.google_sheets.face import Face, found_in, titled
from terrarium.capability.google_sheets.fault import bad
from terrarium.capability.google_sheets.values import Values
from terrarium.core.aside import aside
from terrarium.core.capability import instance_tool
from terrarium.core.tool import Tool
from terrarium.core.values import Value

_CELLS = 50_000  # of one answer
_FOUND = 200
_SPREADSHEETS = 500

Rows = list[list[str | int | float | bool | None]]


class SheetsTools:
    """The tools of one agent.

    Args:
        office: The files.
        account: The agent's.
    """

    def __init__(self, office: Office, account: Account) -> None:
        self._face = Face(office, account)

    def tools(self, site_name: str) -> list[Tool]:
        """The tools, named after the site."""
        looking: dict[str, Callable[..., Value]] = {
            "find": self.find,
            "list": self.list,
            "read_range": self.read_range,
            "worksheets": self.worksheets,
        }
        acting: dict[str, Callable[..., Value]] = {
            "add_worksheet": self.add_worksheet,
            "append_rows": self.append_rows,
            "clear_range": self.clear_range,
            "create": self.create,
            "delete_rows": self.delete_rows,
            "share": self.share,
            "write_range": self.write_range,
        }
        made = [
            _beside(Tool.of(method, instance_tool(site_name, verb), writes=False)) for verb, method in looking.items()
        ]
        made += [Tool.of(method, instance_tool(site_name, verb)) for verb, method in acting.items()]
        return sorted(made, key=lambda tool: tool.name)

    def list(self) -> dict[str, Value]:
        """List the spreadsheets that you can open: `id`, `title`, `role` (reader, commenter, writer or owner).

        Every other tool wants the id, not the title.
        """

        def work(desk: Desk) -> dict[str, Value]:
            found = [
                {"id": id, "title": fields["name"], "role": desk.role(id)}
                for id, fields in desk.files()
                if fields["mime"] == SHEET and not fields["trashed"]
            ]
            found.sort(key=lambda one: (one["title"], one["id"]))
            return {"you": desk.me.address, "spreadsheets": found[:_SPREADSHEETS], "more": len(found) > _SPREADSHEETS}

        return self._face.look(work)

    def worksheets(self, spreadsheet: str) -> dict[str, Value]:
        """List the worksheets of a spreadsheet: `title`, size of the grid, `used` (the range that has content).

        Args:
            spreadsheet: Its id.
        """

        def work(desk: Desk) -> dict[str, Value]:
            book = Book(desk, spreadsheet)
            found = []
            for sheet in book.sheets():
                table = Values(book, "FORMULA").table(sheet, sheet.all)
                width = max(map(len, table), default=0)
                used = f"A1:{cell_name(len(table) - 1, width - 1)}" if table and width else None
                found.append({"title": sheet.title, "rows": sheet.rows, "columns": sheet.columns, "used": used})
            return {"title": book.fields["name"], "worksheets": found}

        return self._face.look(work)

    def read_range(self, spreadsheet: str, range: str, formulas: bool = False) -> dict[str, Value]:
        """Read cells: rows of what they show, without the empty ones at the ends.

        Args:
            spreadsheet: Its id.
            range: In A1 notation, such as `Sheet1!A1:C10`, `Sheet1!A:B`, `'Q3 plan'!2:5`, or `Sheet1` for all of it.
                A range without a worksheet is in the first one.
            formulas: Give the formulas instead of their results.
        """

        def work(desk: Desk) -> dict[str, Value]:
            book = Book(desk, spreadsheet)
            told = Values(book, "FORMULA" if formulas else "FORMATTED_VALUE").get(range)
            rows = told.get("values", [])
            if sum(map(len, rows)) > _CELLS:
                raise bad(f"{told['range']} has more than {_CELLS} cells; read it in parts.")
            return {"range": told["range"], "values": rows}

        return self._face.look(work)

    def write_range(self, spreadsheet: str, range: str, values: Rows) -> dict[str, Value]:
        """Write cells as if you typed them in: `=SUM(A1:A3)` is a formula, `2030-01-07` a date, `5%` a number.

        Args:
            spreadsheet: Its id.
            range: Where; the cell at the top left is enough, such as `Sheet1!B2`.
            values: Rows, each a list of cells. null leaves a cell as it is, "" empties it.
        """
        done = self._face.write_range(spreadsheet, range, values)
        return {"range": done["updatedRange"], "cells": done.get("updatedCells", 0)}

    def append_rows(self, spreadsheet: str, worksheet: str, rows: Rows) -> dict[str, Value]:
        """Add rows after the last filled row of a worksheet, as if you typed them in.

        Args:
            spreadsheet: Its id.
            worksheet: Its title.
            rows: Rows, each a list of cells, in the order of the columns.
        """
        done = self._face.append_rows(spreadsheet, worksheet, rows)
        return {"range": done["updatedRange"], "cells": done.get("updatedCells", 0)}

    def delete_rows(self, spreadsheet: str, worksheet: str, start: int, end: int) -> str:
        """Take out whole rows; those below move up, and formulas follow.

        Args:
            spreadsheet: Its id.
            worksheet: Its title.
            start: The first row, counted from 1.
            end: The last row, included.
        """
        self._face.delete_rows(spreadsheet, worksheet, start, end)
        return f"deleted {end - start + 1} rows"

    def clear_range(self, spreadsheet: str, range: str) -> str:
        """Empty cells; their formats stay, and nothing moves.

        Args:
            spreadsheet: Its id.
            range: In A1 notation.
        """
        self._face.clear_range(spreadsheet, range)
        return "cleared"

    def create(self, title: str) -> dict[str, Value]:
        """Make a spreadsheet of your own, with one worksheet `Sheet1`; gives `id`, `title`, `url`.

        Args:
            title: Its title.
        """
        return self._face.create_spreadsheet(title)

    def add_worksheet(self, spreadsheet: str, title: str, rows: int = 1000, columns: int = 26) -> dict[str, Value]:
        """Add a worksheet to a spreadsheet, after those it has.

        Args:
            spreadsheet: Its id.
            title: Its title, which no other worksheet has.
            rows: How many.
            columns: How many.
        """
        return self._face.add_worksheet(spreadsheet, title, rows, columns)

    def find(self, spreadsheet: str, query: str, worksheet: str | None = None) -> dict[str, Value]:
        """Find the cells that show exactly a text, capitals included: `worksheet`, `cell`, and its whole row.

        Args:
            spreadsheet: Its id.
            query: The whole content of a cell.
            worksheet: Look only in this one.
        """

        def work(desk: Desk) -> dict[str, Value]:
            book = Book(desk, spreadsheet)
            found: list[dict[str, Value]] = []
            for sheet in book.sheets() if worksheet is None else [titled(book, worksheet)]:
                table = Values(book).table(sheet, sheet.all)
                for one in found_in(table, query)[: _FOUND + 1 - len(found)]:
                    place = cell_name(one["row"] - 1, one["col"] - 1)
                    found.append({"worksheet": sheet.title, "cell": place, "row": table[one["row"] - 1][:100]})
            return {"found": found[:_FOUND], "more": len(found) > _FOUND}

        return self._face.look(work)

    def share(self, spreadsheet: str, person: str, role: str = "reader") -> str:
        """Let somebody use a spreadsheet of yours, or that you can write.

        Args:
            spreadsheet: Its id.
            person: A mail address, or the name of an agent or a person.
            role: `reader`, `commenter`, `writer`, or `none` to take it away.
        """
        self._face.share(spreadsheet, person, role)
        return f"{person} now has the role {role}"


def _beside(tool: Tool) -> Tool:
    """A tool that looks, and may have formulas calculated: the engine's loop goes on meanwhile."""
    look = tool.function

    async def beside(**arguments: Value) -> Value:
        return await aside(partial(look, **arguments))

    return replace(tool, function=beside, signature=look)
