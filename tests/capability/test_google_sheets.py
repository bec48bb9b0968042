"""Google Sheets as the task program, agents and gspread see it: one world, three doors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sheets_world import SheetsWorld

from terrarium.capability.google_sheets.external import ApiFace
from terrarium.core.errors import NotFound, Refused

TABLE = [["item", "cost", "due"], ["rent", 1200.5, date(2030, 1, 7)], ["food", "$300", "=TODAY()"]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SheetsWorld]:
    with SheetsWorld(tmp_path) as world:
        yield world


def use(world: SheetsWorld, verb: str, *, agent: str = "agent", **arguments: Any) -> Any:
    """A tool of an agent."""
    [tool] = [tool for tool in world.sheets.tools(agent) if tool.name == f"google_sheets_{verb}"]
    world.holder = agent
    try:
        made = tool.function(**tool.bind(arguments))
        return world.run(made) if inspect.iscoroutine(made) else made
    finally:
        world.holder = "task"


@pytest.fixture(params=["embedded", "api"])
def face(request: pytest.FixtureRequest, world: SheetsWorld) -> Iterator[Any]:
    """The admin face, and the same over gspread and real HTTP."""
    if request.param == "embedded":
        yield world.sheets
        return
    api = ApiFace(world.gspread(), "Terrarium", "_session_1")
    sheets = type(world.sheets)()
    sheets._api = api
    yield sheets
    api.close()
    assert [row for row in world.sheets.rows() if row.table == "file"] == []


def test_the_admin_face(face):
    id = face.create_spreadsheet("Budget")["id"]
    assert [(one["id"], one["title"]) for one in face.list_spreadsheets()] == [(id, "Budget")]
    face.write_range(id, "Sheet1!A1", TABLE)
    face.append_rows(id, "Sheet1", [["sum", "=SUM(B2:B3)"], ["done", True]])
    assert face.read_range(id, "Sheet1!A1:C5") == [
        ["item", "cost", "due"],
        ["rent", "1200.5", "2030-01-07"],
        ["food", "$300", "1/7/2030"],
        ["sum", "1500.5"],
        ["done", "TRUE"],
    ]
    face.insert_rows(id, "Sheet1", [["new", 1], ["newer", 2]], index=3)
    assert face.read_range(id, "Sheet1!A6:B6") == [["sum", "1503.5"]]
    face.delete_rows(id, "Sheet1", 3, 3)
    assert face.find(id, "Sheet1", "sum") == [{"row": 5, "col": 1, "value": "sum"}]
    assert face.get_all_records(id, "Sheet1")[:2] == [
        {"item": "rent", "cost": 1200.5, "due": "2030-01-07"},
        {"item": "newer", "cost": 2, "due": ""},
    ]
    face.clear_range(id, "Sheet1!A2:B2")
    assert face.read_range(id, "Sheet1!A1:B3") == [["item", "cost"], [], ["newer", "2"]]
    made = face.add_worksheet(id, "More", rows=5, cols=3)
    assert {**made, "id": 0} == {"title": "More", "id": 0, "rows": 5, "cols": 3}
    face.update_worksheet(id, "More", new_title="Less", rows=2)
    assert [(one["title"], one["rows"], one["cols"]) for one in face.list_worksheets(id)] == [
        ("Sheet1", 1001, 26),
        ("Less", 2, 3),
    ]
    face.delete_worksheet(id, "Less")
    face.update_spreadsheet(id, "Plan")
    face.share(id, "ann@corp.example", "reader")
    assert face.shares(id)["ann@corp.example"] == "reader"
    face.share(id, "ann@corp.example", "none")
    assert "ann@corp.example" not in face.shares(id)
    assert face.list_spreadsheets()[0]["title"] == "Plan"
    with pytest.raises(NotFound):
        face.read_range("nosuch", "A1")
    with pytest.raises(NotFound):
        face.append_rows(id, "Nosuch", [[1]])
    with pytest.raises(Refused):
        face.read_range(id, "Nosuch!A1")
    with pytest.raises(Refused):
        face.write_range(id, "Sheet1!A1", [[object()]])
    with pytest.raises(Refused):
        face.delete_worksheet(id, "Sheet1")
    face.delete_spreadsheet(id)
    assert face.list_spreadsheets() == []


def test_gspread_works_on_what_the_program_made(world):
    import gspread

    id = world.sheets.create_spreadsheet("Budget")["id"]
    world.sheets.write_range(id, "Sheet1!A1", TABLE)
    book = world.gspread().open("Budget")
    sheet = book.sheet1
    assert sheet.get_all_records()[0] == {"item": "rent", "cost": 1200.5, "due": "2030-01-07"}
    sheet.append_row(["travel", 99])
    assert sheet.row_values(4) == ["travel", "99"]
    sheet.format("A1:C1", {"textFormat": {"bold": True}})
    sheet.sort((2, "des"), range="A2:C4")
    assert sheet.col_values(1) == ["item", "rent", "food", "travel"]
    other = book.add_worksheet("Two", 10, 5)
    other.update([["=Sheet1!B2*2", "=SEQUENCE(2,2)"]], "A1", raw=False)
    assert other.get_all_values() == [["2401", "1", "2"], ["", "3", "4"]]
    assert other.acell("A1", value_render_option="FORMULA").value == "=Sheet1!B2*2"
    sheet.delete_rows(2)
    assert other.acell("A1").value == "#REF!"
    assert b"travel,99" in book.export(gspread.utils.ExportFormat.CSV)
    book.del_worksheet(other)
    assert [change.actor for change in world.changes][-1] == "agent"
    copy = world.gspread().copy(id, "Copy")
    assert copy.sheet1.get_all_values()[0] == ["item", "cost", "due"]


def test_who_may_do_what(world):
    import gspread

    mine, theirs = world.gspread("agent"), world.gspread("other")
    book = mine.create("Mine")
    id = book.id
    with pytest.raises(gspread.SpreadsheetNotFound):
        theirs.open_by_key(id)
    assert use(world, "list", agent="other")["spreadsheets"] == []
    address = world.sheets.account("other")["address"]
    book.share(address, perm_type="user", role="reader", notify=False)
    assert [agent for agent, _ in world.told] == ["other"]
    before = list(world.sheets.rows())
    with pytest.raises(gspread.exceptions.APIError, match="permission"):
        theirs.open_by_key(id).sheet1.update([[1]], "A1")
    with pytest.raises(Refused, match="permission"):
        use(world, "write_range", agent="other", spreadsheet=id, range="A1", values=[[1]])
    assert list(world.sheets.rows()) == before
    world.sheets.share(id, "other", "writer")
    theirs.open_by_key(id).sheet1.update([["hello"]], "A1")
    assert use(world, "find", spreadsheet=id, query="hello")["found"] == [
        {"worksheet": "Sheet1", "cell": "A1", "row": ["hello"]}
    ]
    with pytest.raises(gspread.exceptions.APIError):
        theirs.del_spreadsheet(id)
    book.remove_permissions(address)
    with pytest.raises(gspread.SpreadsheetNotFound):
        theirs.open_by_key(id)
    mine.del_spreadsheet(id)
    assert list(world.sheets.rows()) == []


def test_without_a_role_agents_see_nothing_of_the_programs_files(tmp_path):
    with SheetsWorld(tmp_path, config={"agents_role": "none"}) as world:
        id = world.sheets.create_spreadsheet("Secret")["id"]
        assert use(world, "list")["spreadsheets"] == []
        with pytest.raises(NotFound):
            use(world, "read_range", spreadsheet=id, range="A1")
        world.sheets.share(id, "agent", "reader")
        assert use(world, "list")["spreadsheets"] == [{"id": id, "title": "Secret", "role": "reader"}]


def test_an_agent_that_is_a_person_has_the_files_of_that_person(tmp_path):
    people = {"ann": {"address": "ann@corp.example", "agent": "agent"}, "bob": "bob@corp.example"}
    with SheetsWorld(tmp_path, config={"agents_role": "none"}, people=people) as world:
        id = world.sheets.create_spreadsheet("Plan")["id"]
        world.sheets.share(id, "ann", "writer")
        assert world.sheets.shares(id) == {"admin@world.example": "owner", "ann@corp.example": "writer"}
        assert [file["id"] for file in world.gspread().list_spreadsheet_files()] == [id]
        world.sheets.share(id, "bob", "reader")
        with pytest.raises(NotFound, match="nobody called 'carl'"):
            world.sheets.share(id, "carl", "reader")


def test_tools(world):
    id = use(world, "create", title="Log")["id"]
    assert use(world, "append_rows", spreadsheet=id, worksheet="Sheet1", rows=[["a", "1,5"], ["b", "5%"]]) == {
        "range": "Sheet1!A1:B2",
        "cells": 4,
    }
    use(world, "write_range", spreadsheet=id, range="B3", values=[["=B2*2"]])
    assert use(world, "read_range", spreadsheet=id, range="Sheet1")["values"][2] == ["", "0.1"]
    assert use(world, "read_range", spreadsheet=id, range="B3", formulas=True)["values"] == [["=B2*2"]]
    use(world, "add_worksheet", spreadsheet=id, title="Two", rows=3, columns=2)
    assert use(world, "worksheets", spreadsheet=id)["worksheets"] == [
        {"title": "Sheet1", "rows": 1000, "columns": 26, "used": "A1:B3"},
        {"title": "Two", "rows": 3, "columns": 2, "used": None},
    ]
    use(world, "delete_rows", spreadsheet=id, worksheet="Sheet1", start=1, end=1)
    assert use(world, "read_range", spreadsheet=id, range="B:B", formulas=True)["values"] == [[0.05], ["=B1*2"]]
    use(world, "clear_range", spreadsheet=id, range="Sheet1")
    assert use(world, "read_range", spreadsheet=id, range="Sheet1")["values"] == []
    use(world, "share", spreadsheet=id, person="other")
    assert use(world, "list", agent="other")["spreadsheets"][0]["role"] == "reader"


def test_a_write_changes_only_its_own_rows(world):
    id = world.sheets.create_spreadsheet("Big")["id"]
    world.sheets.write_range(id, "Sheet1!A1", [[n, n * 2] for n in range(500)])
    world.changes.clear()
    world.sheets.write_range(id, "Sheet1!B7", [["x"]])
    [change] = [change for change in world.changes if change.table == "cells"]
    assert change.after == {"A": 6, "B": "x"}
    assert len(world.changes) == 1  # the file was changed at this very moment already


def test_looking_changes_nothing_and_time_shows(world):
    id = world.sheets.create_spreadsheet("Clock")["id"]
    world.sheets.write_range(id, "Sheet1!A1", [["=NOW()", "=TODAY()+1", "=RAND()"]])
    before, count = list(world.sheets.rows()), len(world.changes)
    first = world.sheets.read_range(id, "A1:C1")
    assert first == world.sheets.read_range(id, "A1:C1")
    assert first[0][:2] == ["1/7/2030 9:00:00", "1/8/2030"]
    world.clock.move(world.clock.micros + 86_400_000_000)
    assert world.sheets.read_range(id, "A1:B1") == [["1/8/2030 9:00:00", "1/9/2030"]]
    assert (list(world.sheets.rows()), len(world.changes)) == (before, count)
