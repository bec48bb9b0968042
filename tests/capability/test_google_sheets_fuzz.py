"""Whatever is sent: an answer that clients understand, and after an error the state is what it was."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sheets_world import SheetsWorld

from effort import examples
from terrarium.capability.google_sheets.batch import KINDS
from terrarium.capability.google_sheets.key import Keys
from terrarium.core.network import Caller

# Things that each go wrong somewhere: types, sizes, depth, text of all kinds.
ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1,
        2,
        5,
        10**9,
        2**31,
        10**30,
        1.5,
        1e308,
        "",
        "x",
        "A1",
        "Sheet1!A1:B2",
        "Sheet1",
        "'",
        "=1+",
        "*",
        "ROWS",
        "COLUMNS",
        "USER_ENTERED",
        "\x00",
        "\ufffe",
        "ü" * 50,
        [],
        {},
        [[]],
        [[{}]],
        {"sheetId": 0},
        [None],
    ]
)


def filled(shape: Any, key: str = "") -> st.SearchStrategy[Any]:
    """Bodies that are mostly as they should be."""
    if isinstance(shape, dict):
        parts = {name: filled(inner, name) for name, inner in list(shape.items())[:12]}
        some = st.fixed_dictionaries({}, optional=parts)
        right = st.one_of(st.fixed_dictionaries(parts), some) if len(parts) <= 5 else some
    elif isinstance(shape, list):
        right = st.lists(filled(shape[0]), max_size=2)
    elif isinstance(shape, (set, frozenset)):
        right = st.sampled_from(sorted(shape))
    elif key.endswith("heetId"):
        right = st.sampled_from([0, 0, 0, 0, 0, 1])
    elif key == "fields":
        right = st.sampled_from(
            ["*", "*", "userEnteredValue", "note", "title,index", "gridProperties.rowCount", "name"]
        )
    elif key.startswith(("end", "length")):
        right = st.integers(3, 6)
    else:
        small = {"TYPE_INT32": st.integers(0, 3), "TYPE_BOOL": st.booleans(), "TYPE_DOUBLE": st.floats(-9, 9)}
        right = small.get(shape, st.sampled_from(["Sheet1", "a", "=A1+1", "b2", "Name"]))
    return st.sampled_from([right] * 30 + [ODD]).flatmap(lambda strategy: strategy)


REQUEST = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.fixed_dictionaries({kind: filled(KINDS[kind][0])}))
TEXT = st.one_of(
    st.sampled_from(
        ["Sheet1", "A1", "A:A", "1:2", "Sheet1!A1:ZZZ", "'Sheet1'!B2:A1", "R1C1", "Z1000", "A0", "!", "''!A1"]
    ),
    st.text(max_size=12),
)
VALUES = st.fixed_dictionaries({"values": st.one_of(ODD, st.lists(st.lists(ODD, max_size=3), max_size=3))})
PATHS = ["values:batchGet", "values:batchUpdate", "values:batchClear", "values:batchGetByDataFilter", "sheets/0:copyTo"]


class Asking:
    """Requests straight to the application, as the agent."""

    def __init__(self, world: SheetsWorld) -> None:
        self._world = world
        account = world.sheets._accounts.agents["agent"]
        scopes = [f"https://www.googleapis.com/auth/{name}" for name in ("spreadsheets", "drive")]
        self._token = Keys(world.sheets._accounts).access(account, scopes, int(world.clock.micros // 1_000_000))
        self.id = world.sheets.create_spreadsheet("Fuzz")["id"]
        world.sheets.write_range(self.id, "A1", [["a", 1, "=B1*2"], ["b", "5%", "2030-01-07"]])

    def ask(self, method: str, path: str, body: bytes = b"", query: str = "") -> None:
        """One request; its answer is JSON, no 500, and an error leaves no trace."""
        before = list(self._world.sheets.rows())
        told: list[Any] = []
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [(b"authorization", f"Bearer {self._token}".encode())],
            "extensions": {"terrarium": {"caller": Caller("agent", "agent")}},
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        asyncio.run(self._world.sheets._serve(scope, receive, send))
        status, content = told[0]["status"], told[1]["body"]
        assert status < 500
        if status >= 400:
            error = json.loads(content)["error"]
            assert error["code"] == status
            assert error["message"]
            assert list(self._world.sheets.rows()) == before


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory):
    with SheetsWorld(tmp_path_factory.mktemp("fuzz")) as world:
        yield Asking(world)


FEW = settings(max_examples=examples(120), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FEW
@given(requests=st.lists(REQUEST, min_size=1, max_size=3))
def test_batch_update(asking, requests):
    body = json.dumps({"requests": requests}).encode()
    asking.ask("POST", f"/v4/spreadsheets/{asking.id}:batchUpdate", body)
    asking.ask("GET", f"/v4/spreadsheets/{asking.id}", query="includeGridData=true&fields=sheets(properties,merges)")


@FEW
@given(
    text=TEXT,
    body=VALUES,
    verb=st.sampled_from(["", ":append", ":clear"]),
    mode=st.sampled_from(["RAW", "USER_ENTERED", "x"]),
)
def test_values(asking, text, body, verb, mode):
    path = f"/v4/spreadsheets/{asking.id}/values/{quote(text, safe='', errors='replace')}"
    asking.ask("GET", path, query="valueRenderOption=FORMULA")
    asking.ask("POST" if verb else "PUT", path + verb, json.dumps(body).encode(), f"valueInputOption={mode}")


@FEW
@given(
    path=st.sampled_from(PATHS),
    body=st.one_of(ODD, st.dictionaries(st.sampled_from(["data", "ranges", "dataFilters"]), ODD)),
)
def test_other_bodies(asking, path, body):
    asking.ask("POST", f"/v4/spreadsheets/{asking.id}/{path}", json.dumps(body).encode())
    asking.ask("POST", "/v4/spreadsheets", json.dumps({"properties": body, "sheets": body}).encode())
    asking.ask("POST", "/drive/v3/files", json.dumps(body).encode())
    asking.ask("POST", f"/drive/v3/files/{asking.id}/permissions", json.dumps(body).encode())


@FEW
@given(
    q=st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from(["name", "=", "'x'", "and", "not", "(", ")", "in", "parents", "trashed", "true"]),
            max_size=8,
        ).map(" ".join),
    )
)
def test_queries(asking, q):
    asking.ask("GET", "/drive/v3/files", query=f"q={quote(q, errors='replace')}&fields={quote(q, errors='replace')}")
    asking.ask("GET", "/drive/v3/files", query=f"q={quote(q, errors='replace')}")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b'{"requests":' * 5000,
        b'{"values":[[1e400]]}',
        b'{"values":[[NaN]]}',
        b'{"values":[["\\ud800"]]}',
        b'{"values":[[' + b"9" * 5000 + b"]]}",
        b'{"values":[["' + b"x" * 50_001 + b'"]]}',
        b"\xff\xfe",
        b'{"values":[[{"a":1}]]}',
        b'{"values":{"a":1}}',
        b'{"values":[1]}',
        b'{"nosuch":1}',
        b"null",
    ],
)
def test_malformed_bodies(asking, body):
    asking.ask("PUT", f"/v4/spreadsheets/{asking.id}/values/A1", body, "valueInputOption=RAW")
    asking.ask("POST", f"/v4/spreadsheets/{asking.id}:batchUpdate", body)
    asking.ask("POST", "/drive/v3/files", body)


def test_limits(asking):
    path = f"/v4/spreadsheets/{asking.id}:batchUpdate"
    for request in (
        {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 2**30}},
        {"repeatCell": {"range": {"sheetId": 0}, "cell": {"note": "n"}, "fields": "note"}},
        {"addSheet": {"properties": {"gridProperties": {"rowCount": 10**6, "columnCount": 10**3}}}},
        {"repeatCell": {"range": {"sheetId": 0}, "cell": {"note": "n" * 60_000}, "fields": "note"}},
    ):
        asking.ask("POST", path, json.dumps({"requests": [request]}).encode())
    many = [{"insertDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1}}}] * 6000
    asking.ask("POST", path, json.dumps({"requests": many}).encode())
    asking.ask("GET", f"/v4/spreadsheets/{asking.id}/values:batchGet", query="&".join(["ranges=A1"] * 3000))
