"""The API by Google's own client, its answers held against the descriptions that the client ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sheets_world import SheetsWorld

V4 = "https://sheets.googleapis.com/v4/spreadsheets"
DRIVE = "https://www.googleapis.com/drive/v3"


class Described:
    """What an API's description says of its messages."""

    def __init__(self, name: str) -> None:
        import googleapiclient

        folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
        self._schemas = json.loads((folder / f"{name}.json").read_text())["schemas"]

    def check(self, value: Any, schema: str | dict[str, Any], where: str = "") -> None:
        """Every field is known, and of its type."""
        if isinstance(schema, str):
            schema = self._schemas[schema]
        if "$ref" in schema:
            return self.check(value, schema["$ref"], where)
        kind = schema["type"]
        if kind == "object" and "properties" in schema:
            assert isinstance(value, dict), where
            for key, item in value.items():
                assert key in schema["properties"], f"{where}.{key} is unknown"
                self.check(item, schema["properties"][key], f"{where}.{key}")
        elif kind == "array":
            assert isinstance(value, list), where
            for item in value:
                self.check(item, schema["items"], f"{where}[]")
        else:
            types: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
            assert isinstance(value, types.get(kind, object)), (where, value)
            assert "enum" not in schema or value in schema["enum"], (where, value)
        return None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SheetsWorld]:
    with SheetsWorld(tmp_path) as world:
        yield world


def service(world: SheetsWorld, name: str, version: str) -> Any:
    """Google's client as the agent, over real HTTP."""
    import httplib2
    from googleapiclient.discovery import build

    session = world.authorized()
    described = Described(f"{name}.{version}")

    class Http(httplib2.Http):
        def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> Any:
            answer = session.request(method, uri, data=body, headers=headers)
            told = httplib2.Response({"status": str(answer.status_code), **answer.headers})
            if answer.ok and answer.content:
                kind = answer.headers["content-type"]
                self.answers = [*getattr(self, "answers", []), answer.json() if "json" in kind else answer.text]
            return told, answer.content

    http = Http()
    found = build(name, version, http=http, static_discovery=True)
    found.described = described
    return found


def test_every_answer_is_as_the_api_describes_it(world):
    from googleapiclient.errors import HttpError

    sheets, drive = service(world, "sheets", "v4"), service(world, "drive", "v3")
    check = sheets.described.check
    book = sheets.spreadsheets().create(
        body={"properties": {"title": "T"}, "sheets": [{"properties": {"title": "One"}}]}
    )
    book = book.execute()
    check(book, "Spreadsheet")
    id, sheet = book["spreadsheetId"], book["sheets"][0]["properties"]["sheetId"]
    values = sheets.spreadsheets().values()
    done = values.update(
        spreadsheetId=id,
        range="One!A1:B3",
        valueInputOption="USER_ENTERED",
        includeValuesInResponse=True,
        body={"values": [["x", "5%"], ["2030-01-07", "=B1*2"], ["=1/0", True]]},
    ).execute()
    check(done, "UpdateValuesResponse")
    assert done["updatedData"]["values"] == [["x", "5%"], ["2030-01-07", "0.1"], ["#DIV/0!", "TRUE"]]
    plain = values.get(spreadsheetId=id, range="One", valueRenderOption="UNFORMATTED_VALUE").execute()
    check(plain, "ValueRange")
    assert plain["values"] == [["x", 0.05], [47490, 0.1], ["#DIV/0!", True]]
    assert plain["range"] == "One!A1:Z1000"
    columns = values.get(spreadsheetId=id, range="One!A2:B", majorDimension="COLUMNS").execute()
    assert columns["values"] == [["2030-01-07", "#DIV/0!"], ["0.1", "TRUE"]]
    done = values.append(
        spreadsheetId=id,
        range="One",
        valueInputOption="RAW",
        insertDataOption="INSERT_ROWS",
        body={"values": [["=raw"]]},
    ).execute()
    check(done, "AppendValuesResponse")
    assert done["tableRange"] == "One!A1:B3"
    assert done["updates"]["updatedRange"] == "One!A4"
    check(values.batchGet(spreadsheetId=id, ranges=["One!A1", "One!2:2"]).execute(), "BatchGetValuesResponse")
    several = {
        "valueInputOption": "RAW",
        "data": [{"range": "One!D1", "values": [[1]]}, {"range": "D2", "values": [[2]]}],
    }
    check(values.batchUpdate(spreadsheetId=id, body=several).execute(), "BatchUpdateValuesResponse")
    filters = {"dataFilters": [{"gridRange": {"sheetId": sheet, "startColumnIndex": 3, "endColumnIndex": 4}}]}
    found = values.batchGetByDataFilter(spreadsheetId=id, body=filters).execute()
    check(found, "BatchGetValuesByDataFilterResponse")
    assert found["valueRanges"][0]["valueRange"]["values"] == [["1"], ["2"]]
    check(values.batchClear(spreadsheetId=id, body={"ranges": ["D1"]}).execute(), "BatchClearValuesResponse")
    check(values.clear(spreadsheetId=id, range="D2").execute(), "ClearValuesResponse")
    grid = {"sheetId": sheet, "startRowIndex": 0, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 2}
    requests = [
        {"addSheet": {"properties": {"title": "Two", "gridProperties": {"rowCount": 20, "columnCount": 5}}}},
        {"duplicateSheet": {"sourceSheetId": sheet, "newSheetName": "Three"}},
        {"addNamedRange": {"namedRange": {"name": "Rate", "range": grid}}},
        {"findReplace": {"find": "x", "replacement": "y", "allSheets": True}},
        {"repeatCell": {"range": grid, "cell": {"note": "n"}, "fields": "note"}},
        {"mergeCells": {"range": {**grid, "startRowIndex": 6, "endRowIndex": 8}, "mergeType": "MERGE_ALL"}},
        {"deleteDuplicates": {"range": grid}},
        {"trimWhitespace": {"range": grid}},
    ]
    body = {"requests": requests, "includeSpreadsheetInResponse": True, "responseIncludeGridData": True}
    done = sheets.spreadsheets().batchUpdate(spreadsheetId=id, body=body).execute()
    check(done, "BatchUpdateSpreadsheetResponse")
    assert done["replies"][3] == {
        "findReplace": {"valuesChanged": 2, "rowsChanged": 2, "sheetsChanged": 2, "occurrencesChanged": 2}
    }
    whole = sheets.spreadsheets().get(spreadsheetId=id, includeGridData=True).execute()
    check(whole, "Spreadsheet")
    cell = whole["sheets"][0]["data"][0]["rowData"][2]["values"][0]
    assert cell["effectiveValue"]["errorValue"]["type"] == "DIVIDE_BY_ZERO"
    part = sheets.spreadsheets().get(spreadsheetId=id, fields="sheets.properties(title,index)").execute()
    assert part["sheets"][1] == {"properties": {"title": "Two", "index": 1}}
    check(
        sheets.spreadsheets().getByDataFilter(spreadsheetId=id, body={**filters, "includeGridData": True}).execute(),
        "Spreadsheet",
    )
    copied = (
        sheets.spreadsheets().sheets().copyTo(spreadsheetId=id, sheetId=sheet, body={"destinationSpreadsheetId": id})
    )
    check(copied.execute(), "SheetProperties")

    check = drive.described.check
    folder = (
        drive.files().create(body={"name": "F", "mimeType": "application/vnd.google-apps.folder"}, fields="*").execute()
    )
    check(folder, "File")
    moved = (
        drive.files()
        .update(fileId=id, addParents=folder["id"], body={"name": "New"}, fields="id,name,parents")
        .execute()
    )
    assert moved == {"id": id, "name": "New", "parents": [folder["id"]]}
    listed = drive.files().list(q=f"'{folder['id']}' in parents and trashed = false", fields="*").execute()
    check(listed, "FileList")
    assert [file["name"] for file in listed["files"]] == ["New"]
    check(drive.files().copy(fileId=id, body={"name": "C"}).execute(), "File")
    permission = {"type": "user", "role": "writer", "emailAddress": "ann@corp.example"}
    made = drive.permissions().create(fileId=id, body=permission, fields="*").execute()
    check(made, "Permission")
    check(drive.permissions().list(fileId=id, fields="*").execute(), "PermissionList")
    drive.permissions().delete(fileId=id, permissionId=made["id"]).execute()
    assert drive.files().export(fileId=id, mimeType="text/csv").execute().startswith(b"y,5%\r\n")
    drive.files().update(fileId=id, body={"trashed": True}).execute()
    assert drive.files().list(q="name contains 'new' and trashed = false").execute()["files"] == []
    drive.files().delete(fileId=folder["id"]).execute()
    with pytest.raises(HttpError) as caught:
        drive.files().get(fileId=id).execute()
    assert caught.value.status_code == 404
    assert caught.value.error_details[0]["reason"] == "notFound"


def test_atomic(world):
    session = world.authorized()
    id = world.sheets.create_spreadsheet("T")["id"]
    before = list(world.sheets.rows())
    requests: list[Any] = [{"addSheet": {}}, {"deleteSheet": {"sheetId": 12345}}]
    answer = session.post(f"{V4}/{id}:batchUpdate", json={"requests": requests})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Invalid requests[1].deleteSheet: No sheet with id: 12345"
    assert list(world.sheets.rows()) == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer nonsense"}, 401), ({"authorization": "Basic eDp5"}, 401)],
)
def test_without_a_token_nothing(world, headers, status):
    for url in (f"{V4}/x", f"{DRIVE}/files"):
        answer = world.session().get(url, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == status


def test_tokens(world):
    from google.auth.exceptions import RefreshError
    from google.oauth2.credentials import Credentials

    id = world.sheets.create_spreadsheet("T")["id"]
    looking = world.authorized(scopes=("spreadsheets.readonly",))
    assert looking.get(f"{V4}/{id}").status_code == 200
    assert looking.put(f"{V4}/{id}/values/A1?valueInputOption=RAW", json={"values": [[1]]}).status_code == 403
    token = looking.credentials.token
    world.clock.move(world.clock.micros + 3_700_000_000)
    assert world.session().get(f"{V4}/{id}", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert looking.get(f"{V4}/{id}").status_code == 200  # Google's library fetches another one

    info = json.loads(world.sheets.equipment("agent").files["google_authorized_user"])
    from google.auth.transport.requests import Request

    user = Credentials.from_authorized_user_info(info)
    user.refresh(Request(session=world.session()))
    assert world.session().get(f"{V4}/{id}", headers={"authorization": f"Bearer {user.token}"}).status_code == 200

    forged = world.authorized()
    theirs = world.info("other")
    forged.credentials._service_account_email = theirs["client_email"]  # signed with one's own key
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        forged.get(f"{V4}/{id}")
    stolen = world.authorized("other")
    assert stolen.get(f"{V4}/{id}").status_code == 200
    headers = {"authorization": f"Bearer {stolen.credentials.token}"}
    assert world.session("other").get(f"{V4}/{id}", headers=headers).status_code == 200
    assert world.session("agent").get(f"{V4}/{id}", headers=headers).status_code == 401
    assert world.info("agent") == world.info("agent")
    assert b"PRIVATE" not in repr(list(world.sheets.rows())).encode()


def test_a_quota(tmp_path):
    with SheetsWorld(tmp_path, config={"requests_per_minute": 3}) as world:
        session = world.authorized()
        codes = [session.get(f"{DRIVE}/about").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        world.clock.move(world.clock.micros + 60_000_000)
        assert session.get(f"{DRIVE}/about").status_code == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Nope!A1", "Unable to parse range: Nope!A1"),
        ("Sheet1!A0", "Unable to parse range: Sheet1!A0"),
        ("Sheet1!A1001", "exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("Sheet1!AAAA1", "Unable to parse range"),
        ("'Sheet1!A1", "Unable to parse range"),
    ],
)
def test_ranges_that_are_none(world, text, told):
    from urllib.parse import quote

    id = world.sheets.create_spreadsheet("T")["id"]
    answer = world.authorized().get(f"{V4}/{id}/values/{quote(text, safe='')}")
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text", ["Sheet1", "sheet1!A1:B2", "'Sheet1'!A:B", "A1:2", "R1C1:R2C2", "1:2", "B2:A1", "$A$1:B$2"]
)
def test_ranges_in_all_forms(world, text):
    from urllib.parse import quote

    id = world.sheets.create_spreadsheet("T")["id"]
    world.sheets.write_range(id, "Sheet1!A1:B2", [[1, 2], [3, 4]])
    answer = world.authorized().get(f"{V4}/{id}/values/{quote(text, safe='')}")
    assert answer.json()["values"] == [["1", "2"], ["3", "4"]]


def test_requests_that_move_cells(world):
    session = world.authorized()
    id = world.sheets.create_spreadsheet("M")["id"]

    def area(top: int, left: int, bottom: int, right: int) -> dict[str, int]:
        rows = {"startRowIndex": top, "endRowIndex": bottom}
        return {"sheetId": 0, **rows, "startColumnIndex": left, "endColumnIndex": right}

    def after(*requests: Any) -> list[list[str]]:
        world.sheets.clear_range(id, "Sheet1")
        world.sheets.write_range(id, "A1", [["c", 1, "=B1*10"], ["a", 3, "=B2*10"], ["b", 2, "=B3*10"]])
        answer = session.post(f"{V4}/{id}:batchUpdate", json={"requests": requests})
        assert answer.status_code == 200, answer.text
        return world.sheets.read_range(id, "Sheet1")

    rows = {"sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1}
    assert after({"moveDimension": {"source": rows, "destinationIndex": 3}}) == [
        ["a", "3", "30"],
        ["b", "2", "20"],
        ["c", "1", "10"],
    ]
    spec = [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]
    assert after({"sortRange": {"range": area(0, 0, 3, 3), "sortSpecs": spec}}) == [
        ["a", "3", "30"],
        ["b", "2", "20"],
        ["c", "1", "10"],
    ]
    copy = {"source": area(0, 1, 1, 3), "destination": area(4, 1, 6, 3)}
    assert after({"copyPaste": copy})[4:] == [["", "1", "10"], ["", "1", "10"]]
    values = {**copy, "destination": area(4, 3, 5, 5), "pasteType": "PASTE_VALUES"}
    assert after({"copyPaste": values})[4:] == [["", "", "", "1", "10"]]
    cut = {"source": area(0, 1, 1, 2), "destination": {"sheetId": 0, "rowIndex": 4, "columnIndex": 0}}
    assert after({"cutPaste": cut}) == [["c", "", "10"], ["a", "3", "30"], ["b", "2", "20"], [], ["1"]]
    assert after({"insertRange": {"range": area(0, 0, 1, 1), "shiftDimension": "ROWS"}})[:2] == [
        ["", "1", "10"],
        ["c", "3", "30"],
    ]
    assert after({"deleteRange": {"range": area(0, 0, 1, 1), "shiftDimension": "COLUMNS"}})[0][0] == "1"
    cells = [{"values": [{"userEnteredValue": {"numberValue": 7}}, {}]}]
    update = {"range": area(0, 0, 1, 2), "rows": cells, "fields": "userEnteredValue"}
    assert after({"updateCells": update})[0] == ["7", "", "0"]
    formula = {"userEnteredValue": {"formulaValue": "=B1+1"}}
    repeat = {"range": area(0, 3, 3, 4), "cell": formula, "fields": "userEnteredValue"}
    assert [line[3] for line in after({"repeatCell": repeat})] == ["2", "4", "3"]
    assert after({"mergeCells": {"range": area(0, 0, 3, 1), "mergeType": "MERGE_ALL"}})[1][0] == ""
