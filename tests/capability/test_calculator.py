"""Formulas: what they give, what becomes of them, and that hostile ones harm nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sheets_world import SheetsWorld

from terrarium.capability.google_sheets.calculator import calculator


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SheetsWorld]:
    with SheetsWorld(tmp_path_factory.mktemp("formulas")) as world:
        yield world


def value(world: SheetsWorld, formula: str, **more: Any) -> Any:
    """What a formula in D1 shows, beside A1:B3 = 1..6 and C1 = a date."""
    id = world.sheets.create_spreadsheet("F")["id"]
    world.sheets.write_range(id, "A1", [[1, 2, "2030-01-07"], [3, 4], [5, 6]])
    world.sheets.add_worksheet(id, "It's two")
    world.sheets.write_range(id, "'It''s two'!A1", [[41]])
    world.sheets.write_range(id, "Sheet1!D1", [[formula]])
    found = world.sheets.read_range(id, "Sheet1!D1:F4")
    world.sheets.delete_spreadsheet(id)
    return found[0][0] if len(found) == 1 and len(found[0]) == 1 else found


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("=SUM(A1:B3)", "21"),
        ("=sum(a:a)+SUM(B2:B)", "19"),
        ("='It''s two'!A1+1", "42"),
        ('=IF(A1>0,"yes","no")', "yes"),
        ("=VLOOKUP(3,A1:B3,2,FALSE)", "4"),
        ("=C1+1", "1/8/2030"),
        ('=TEXT(C1,"yyyy-mm-dd")', "2030-01-07"),
        ("=1/0", "#DIV/0!"),
        ("=NOPE(1)", "#NAME?"),
        ("=Nowhere!A1", "#REF!"),
        ("=NA()", "#N/A"),
        ('="a"*1', "#VALUE!"),
        ("=D1", "#REF!"),
        ("=SUM(", "#ERROR!"),
        ("=50%", "0.5"),
        ('=JOIN("-",A1:A3)', "1-3-5"),
        ('=REGEXMATCH("abc","b.")', "TRUE"),
        ("=COUNTUNIQUE(A1:A3,1)", "3"),
        ("=ARRAYFORMULA(A1:A3*2)", [["2"], ["6"], ["10"]]),
        ('=SPLIT("a,b,3",",")', [["a", "b", "3"]]),
        ("=TRANSPOSE(A1:A3)", [["1", "3", "5"]]),
        ('=SUMIF(A1:A3,">1",B1:B3)', "10"),
    ],
)
def test_what_it_gives(world, formula, shown):
    assert value(world, formula) == shown


HOSTILE = {
    "text that doubles": [['=REPT("x",20000)'], *[[f"=A{n}&A{n}"] for n in range(1, 26)]],
    "text in text": [['=LEN(SUBSTITUTE(REPT("a",32767),"a",REPT("b",32767)))']],
    "a product of columns": [["=SUMPRODUCT(A2:A1000*TRANSPOSE(A2:A1000))*SUM(B:B*TRANSPOSE(B:B))"]],
    "a sequence": [["=SUM(SEQUENCE(100000,100000))"]],
    "deep": [["=" + "(" * 20_000 + "1" + ")" * 20_000]],
    "signs": [["=" + "-" * 40_000 + "1"]],
    "long years": [["=CUMIPMT(0.1,1000000000,1,1,1000000000,0)"]],
    "a pattern": [['=REGEXMATCH(REPT("a",40),"(a+)+$b")']],
    "a circle": [["=A2"], ["=A3"], ["=A1"]],
    "a panic": [['=REPT("€",9000)&CHAR(0)&REGEXMATCH("x","(")']],
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_hostile_formula_harms_nobody(world, kind):
    id, good = (world.sheets.create_spreadsheet(title)["id"] for title in ("Bad", "Good"))
    world.sheets.write_range(id, "A1", HOSTILE[kind])
    world.sheets.write_range(good, "A1", [["=1+1"]])
    assert world.sheets.read_range(id, "A1")[0][0] is not None
    assert world.sheets.read_range(good, "A1") == [["2"]]
    world.sheets.clear_range(id, "Sheet1")
    world.sheets.write_range(id, "A1", [["=2+2"]])
    assert world.sheets.read_range(id, "A1") == [["4"]]


def test_the_process_ends_with_its_last_user(tmp_path):
    with SheetsWorld(tmp_path) as world:
        assert value(world, "=1+1") == "2"
        users = len(calculator()._users)
    assert len(calculator()._users) == users - 1


def test_names_and_other_sheets_follow(world):
    session = world.authorized()
    id = world.sheets.create_spreadsheet("N")["id"]
    world.sheets.add_worksheet(id, "Data", rows=10, cols=3)
    two = world.sheets.list_worksheets(id)[1]["id"]
    world.sheets.write_range(id, "Data!A1", [[1], [2], [3]])
    area = {"sheetId": two, "startRowIndex": 0, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 1}
    columns = {"sheetId": two, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1}
    rows = {"sheetId": two, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}

    def batch(*requests: Any) -> None:
        url = f"https://sheets.googleapis.com/v4/spreadsheets/{id}:batchUpdate"
        answer = session.post(url, json={"requests": requests})
        assert answer.status_code == 200, answer.text

    batch({"addNamedRange": {"namedRange": {"name": "Total", "range": area}}})
    world.sheets.write_range(id, "Sheet1!A1", [["=SUM(Total)", "=SUM(Data!A1:A3)", "=Data!$A$3", "=SUM(Data!A:A)"]])
    assert world.sheets.read_range(id, "Sheet1!A1:D1") == [["6", "6", "3", "6"]]
    batch({"insertDimension": {"range": columns}}, {"deleteDimension": {"range": rows}})
    shown = session.get(f"https://sheets.googleapis.com/v4/spreadsheets/{id}/values/Sheet1?valueRenderOption=FORMULA")
    assert shown.json()["values"] == [["=SUM(Total)", "=SUM(Data!B1:B2)", "=Data!$B$2", "=SUM(Data!B:B)"]]
    assert world.sheets.read_range(id, "Sheet1!A1:D1") == [["4", "4", "3", "4"]]
    world.sheets.update_worksheet(id, "Data", new_title="My data")
    assert world.sheets.read_range(id, "Sheet1!A1:D1") == [["4", "4", "3", "4"]]
    world.sheets.delete_worksheet(id, "My data")
    assert set(world.sheets.read_range(id, "Sheet1!A1:D1")[0]) == {"#REF!", "#NAME?"}
