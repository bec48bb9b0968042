"""Whatever is sent to a workspace: an answer or an error of Notion's, and after an error nothing has changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import notion_node
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notion_world import LiveNotion
from test_notion_client import EVERY_COLUMN, blocks_of_every_kind, said

from effort import examples
from terrarium.capability.notion.api import ROUTES
from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.app import parsed_json
from terrarium.capability.notion.render import VERSIONS

NASTY: list[Any] = [
    None, True, 0, -1, 1e308, 10**400, 2**63, "", "x" * 2001, "\x00", "0" * 32, "title",
    "9999-12-31", "0001-01-01T00:00+14:00",
    [], {}, [[]], {"type": "text"}, {"id": "x"}, {"a": {"b": {"c": []}}}, [None], [1] * 101, "2030-01-07T25:00", "**",
]  # fmt: skip


class Ground:
    """A workspace with something of everything in it, and a valid body for each request."""

    def __init__(self, folder: Path) -> None:
        self.world = LiveNotion(folder)
        notion = self.world.notion
        self.api, self.account = notion._api, notion._accounts.by_agent["agent"]
        page = notion.create_page("Page")["id"]
        block = notion.append_blocks(page, blocks_of_every_kind(page))[9]["id"]
        database = notion.create_database("Tasks", EVERY_COLUMN, page)
        source = database["data_sources"][0]["id"]
        rollup = {"relation_property_name": "Up", "rollup_property_name": "Cost", "function": "sum"}
        columns = {"Up": {"relation": {"data_source_id": source, "single_property": {}}}}
        notion.update_database(database["id"], properties=columns)
        notion.update_database(database["id"], properties={"Roll": {"rollup": rollup}})
        person = notion.user("agent")["id"]
        values = {
            "Name": {"title": said("A")},
            "Notes": {"rich_text": [{"mention": {"user": {"id": person}}}]},
            "Cost": {"number": 1},
            "Kind": {"select": {"name": "a"}},
            "Tags": {"multi_select": [{"name": "t"}]},
            "Stage": {"status": {"name": "Done"}},
            "Due": {"date": {"start": "2030-01-08", "end": "2030-01-09"}},
            "Who": {"people": [{"id": person}]},
            "Files": {"files": [{"name": "f", "external": {"url": "https://x.example"}}]},
            "Done": {"checkbox": True},
            "Link": {"url": "https://x.example"},
            "Up": {"relation": []},
        }
        entry = notion.add_database_record(database["id"], values)["id"]
        notion.update_page(entry, {"Up": {"relation": [{"id": entry}]}})
        comment = notion.add_comment(page, "Well?")["id"]
        tests = [
            {"property": "Cost", "number": {"greater_than": 0}},
            {
                "or": [
                    {"property": "Due", "date": {"past_week": {}}},
                    {"property": "Up", "relation": {"contains": entry}},
                ]
            },
            {"property": "Name", "title": {"contains": "a"}},
            {"property": "Roll", "rollup": {"number": {"equals": 1}}},
            {"timestamp": "created_time", "created_time": {"on_or_after": "2030-01-01"}},
        ]
        sorts = [
            {"property": "Cost", "direction": "descending"},
            {"timestamp": "created_time", "direction": "ascending"},
        ]
        icon = {"icon": {"emoji": "🌍"}, "cover": {"external": {"url": "https://x.example/c.png"}}}
        query = {"filter": {"and": tests}, "sorts": sorts, "page_size": 5}
        changes = {"Kind": {"name": "Sort"}, "Cost": {"number": {"format": "euro"}}, "New": {"select": {"options": []}}}
        parent = {"type": "page_id", "page_id": page}
        replacing = {"old_str": "inner", "new_str": "x", "replace_all_matches": True}
        self.cases: dict[tuple[str, str], dict[str, Any]] = {
            ("POST", "pages"): {"parent": {"data_source_id": source}, "properties": values, "children": [], **icon},
            ("PATCH", f"pages/{entry}"): {"properties": values, "in_trash": False, **icon},
            ("POST", f"pages/{entry}/move"): {"parent": {"data_source_id": source}},
            ("PATCH", f"pages/{page}/markdown"): {
                "type": "update_content",
                "update_content": {"content_updates": [replacing]},
            },
            ("PATCH", f"blocks/{block}"): {"to_do": {"rich_text": said("x"), "checked": True}, "archived": False},
            ("PATCH", f"blocks/{page}/children"): {
                "children": blocks_of_every_kind(page),
                "position": {"type": "after_block", "after_block": {"id": block}},
            },
            ("POST", "databases"): {
                "parent": parent, "title": said("D"), "is_inline": True,
                "initial_data_source": {"properties": EVERY_COLUMN},
            },
            ("PATCH", f"databases/{database['id']}"): {"title": said("T"), "description": said("d"), **icon},
            ("POST", f"databases/{database['id']}/query"): query,
            ("POST", "data_sources"): {"parent": {"database_id": database["id"]}, "properties": {"N": {"title": {}}}},
            ("PATCH", f"data_sources/{source}"): {"properties": changes, "title": said("S")},
            ("POST", f"data_sources/{source}/query"): query,
            ("POST", "search"): {
                "query": "a", "filter": {"property": "object", "value": "page"},
                "sort": {"timestamp": "last_edited_time", "direction": "ascending"}, "page_size": 3,
            },
            ("POST", "comments"): {"parent": {"page_id": page}, "rich_text": said("x")},
            ("PATCH", f"comments/{comment}"): {"rich_text": said("y")},
            ("POST", "file_uploads"): {"mode": "multi_part", "filename": "a", "number_of_parts": 2},
        }  # fmt: skip
        self.page, self.source = page, source

    @property
    def version(self) -> int:
        """It grows with every change."""
        return self.api.store.rows.version

    def look(self) -> None:
        """All that was stored can be shown."""
        for version in VERSIONS:
            self.api.call(self.account, version, "POST", "search", body={})
        self.api.call(self.account, "2025-09-03", "POST", f"data_sources/{self.source}/query", body={})
        for path in (f"blocks/{self.page}/children", f"data_sources/{self.source}", f"comments?block_id={self.page}"):
            path, _, block = path.partition("?block_id=")
            self.api.call(self.account, "2025-09-03", "GET", path, {"block_id": [block]} if block else {})
        self.api.call(self.account, "2026-03-11", "GET", f"pages/{self.page}/markdown")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    ground = Ground(tmp_path_factory.mktemp("fuzz"))
    with ground.world:
        yield ground


def test_the_bodies_are_as_the_official_types_have_them(ground):
    kinds = {
        ("POST", "pages"): "create_page",
        ("PATCH", "pages"): "update_page",
        ("PATCH", "blocks"): "append_blocks",
        ("POST", "databases"): "create_database",
        ("POST", "search"): "search",
        ("POST", "comments"): "comment",
    }
    schema = notion_node.schema("Bodies")
    for (method, path), body in ground.cases.items():
        kind = kinds.get((method, path.partition("/")[0]))
        if (
            kind is None
            or path.endswith(("move", "markdown", "query"))
            or (kind == "append_blocks" and "children" not in body)
        ):
            continue
        part = schema["definitions"]["Bodies"]["properties"][kind]
        named = {"update_page": {"page_id": ground.page}, "append_blocks": {"block_id": ground.page}}.get(kind, {})
        validator = jsonschema.Draft7Validator({**part, "definitions": schema["definitions"]})
        error = jsonschema.exceptions.best_match(validator.iter_errors({**body, **named}))
        assert error is None, f"{kind}: {error.json_path}: {error.message[:500]}"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def changed(body: Any, place: tuple[Any, ...], new: Any, key: str | None) -> Any:
    """The body with something else at a place, or, where `key` is given, with one more there."""
    if not place:
        return new
    body = copy.deepcopy(body)
    at = body
    for step in place[:-1]:
        at = at[step]
    if key is None:
        at[place[-1]] = new
    elif isinstance(at, dict):
        at[key] = new
    else:
        del at[place[-1]]
    return body


words = st.one_of(st.sampled_from(NASTY), st.text(max_size=8), st.integers(), st.floats(allow_nan=False))


@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_changed_bodies(ground, data):
    method, path = data.draw(st.sampled_from(sorted(ground.cases)))
    body = ground.cases[method, path]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(body)))
        extra = data.draw(st.sampled_from([None, None, None, "type", "id", "children", "\ud800"]))
        body = changed(body, place, data.draw(words), extra)
    version = data.draw(st.sampled_from(VERSIONS))
    before = ground.version
    try:
        sent = parsed_json(json.dumps(body).encode())
        ground.api.call(ground.account, version, method, path, {}, sent)
    except ApiError:
        assert ground.version == before
    else:
        ground.look()


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    route=st.sampled_from(sorted(ROUTES)),
    ids=st.lists(
        st.one_of(st.sampled_from(["page", "source", "%00", "..", "a" * 40]), st.text(max_size=5)),
        min_size=2, max_size=2,
    ),
    query=st.dictionaries(
        st.sampled_from(["page_size", "start_cursor", "filter_properties", "block_id"]),
        st.lists(st.text(max_size=5), min_size=1),
    ),
    body=st.one_of(st.none(), words, st.dictionaries(st.text(max_size=5), words, max_size=3)),
)  # fmt: skip
def test_any_path(ground, route, ids, query, body):
    named = [getattr(ground, id, id) for id in ids]
    path = "/".join(named.pop(0) if part == "*" else part for part in route[1:])
    before = ground.version
    try:
        ground.api.call(ground.account, "2025-09-03", route[0], path, query, body)
    except ApiError:
        assert ground.version == before
    else:
        ground.look()


@pytest.mark.parametrize("host", ["[", "a b", "", "x" * 5000, "[::1]:99999999"])
def test_any_host_header(ground, host):
    answer = ground.world.http().get("users/me", headers={"host": host})
    assert answer.json()["type"] == "bot"
    assert ground.world.http().get("../files/nothing", headers={"host": host}).status_code == 404


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=-", b"\r\n---" * 100_000),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"'),
        ("multipart/form-data; boundary=b", b"--b\r\n\xff: \xff\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=\xff", b"--\xff"),
        ("text/plain", b"x"),
    ],
)
def test_what_is_no_form(ground, kind, body):
    http = ground.world.http()
    upload = http.post("file_uploads", json={}).json()["id"]
    headers = {"content-type": kind.encode("latin-1")}
    answer = http.post(f"file_uploads/{upload}/send", content=body, headers=headers)
    assert answer.json()["code"] in ("validation_error", "invalid_json")
    assert http.get(f"file_uploads/{upload}").json()["status"] == "pending"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": 1e400}', "invalid_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[" * 50 + b"]" * 50, "validation_error"),
        (b"[]", "validation_error"),
        (b'"text"', "validation_error"),
        (b'{"query": "\\ud800"}', "validation_error"),
        (b'{"query": "\\u0000"}', "validation_error"),
        (b'{"query": "' + b"a" * 600_000 + b'"}', "validation_error"),
    ],
)
def test_what_is_no_body(ground, body, code):
    answer = ground.world.http().post("search", content=body, headers={"content-type": "application/json"})
    told = answer.json()
    assert (answer.status_code, told["object"], told["status"], told["code"]) == (400, "error", 400, code)
    assert told["request_id"] == answer.headers["x-notion-request-id"]
