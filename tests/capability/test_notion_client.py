"""The official Python client, unmodified; every answer is held against the types of the official JavaScript client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import notion_client
import notion_node
import pytest
from notion_world import LiveNotion

EVERY_COLUMN: dict[str, Any] = {
    "Name": {"title": {}},
    "Notes": {"rich_text": {}},
    "Cost": {"number": {"format": "euro"}},
    "Kind": {"select": {"options": [{"name": "a", "color": "red"}, {"name": "b"}]}},
    "Tags": {"multi_select": {}},
    "Stage": {"status": {}},
    "Due": {"date": {}},
    "Who": {"people": {}},
    "Files": {"files": {}},
    "Done": {"checkbox": {}},
    "Link": {"url": {}},
    "Mail": {"email": {}},
    "Phone": {"phone_number": {}},
    "Sum": {"formula": {"expression": "1 + 1"}},
    "Made": {"created_time": {}},
    "Maker": {"created_by": {}},
    "Edited": {"last_edited_time": {}},
    "Editor": {"last_edited_by": {}},
    "No": {"unique_id": {"prefix": "T"}},
}


def said(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": {"content": text}, **more}]


@pytest.fixture
def world(tmp_path) -> Iterator[LiveNotion]:
    with LiveNotion(tmp_path, people={"ann": {"name": "Ann Lee", "agent": "agent"}}) as world:
        yield world


class Checked:
    """Holds answers against the types."""

    def __init__(self) -> None:
        self._schema = notion_node.schema("Answers")

    def __call__(self, kind: str, answer: Any) -> Any:
        plain = _told_by_types({key: value for key, value in answer.items() if key != "request_id"})
        part = self._schema["definitions"]["Answers"]["properties"][kind]
        validator = jsonschema.Draft7Validator({**part, "definitions": self._schema["definitions"]})
        error = jsonschema.exceptions.best_match(validator.iter_errors(plain))
        assert error is None, f"{kind}: {error.json_path}: {error.message[:2000]}"
        return answer


def _told_by_types(value: Any) -> Any:
    """Without `has_more` of relations, which the documentation has and the types have not."""
    if isinstance(value, list):
        return [_told_by_types(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = "has_more" if value.get("type") == "relation" and "object" not in value else ""
    return {key: _told_by_types(item) for key, item in value.items() if key != left_out}


def blocks_of_every_kind(page: str) -> list[dict[str, Any]]:
    texts = [
        *said("bold", annotations={"bold": True, "color": "red"}),
        {"text": {"content": "a link", "link": {"url": "https://x.example"}}},
        {"equation": {"expression": "e=mc^2"}},
        {"mention": {"page": {"id": page}}},
        {"mention": {"date": {"start": "2030-01-08"}}},
    ]
    inner = {"paragraph": {"rich_text": said("inner")}}
    texty = ["paragraph", "heading_1", "heading_2", "heading_3", "heading_4", "bulleted_list_item", "quote", "toggle"]
    url = {"url": "https://x.example/a.png"}
    row = {"table_row": {"cells": [said("1"), said("2")]}}
    return [
        *({kind: {"rich_text": texts}} for kind in texty),
        {"numbered_list_item": {"rich_text": texts, "color": "blue_background", "children": [inner]}},
        {"to_do": {"rich_text": texts, "checked": True, "children": [inner, {"toggle": {"rich_text": []}}]}},
        {"callout": {"rich_text": texts, "icon": {"emoji": "🌍"}}},
        {"code": {"rich_text": said("x = 1"), "language": "python", "caption": said("c")}},
        {"equation": {"expression": "1"}},
        *({kind: {}} for kind in ("divider", "breadcrumb", "table_of_contents")),
        *({kind: {**url, "caption": texts}} for kind in ("bookmark", "embed")),
        *({kind: {"external": url}} for kind in ("image", "video", "pdf", "file", "audio")),
        {"table": {"table_width": 2, "has_column_header": True, "children": [row, row]}},
        {"column_list": {"children": [{"column": {"children": [inner]}}, {"column": {"children": [inner]}}]}},
        {"synced_block": {"synced_from": None, "children": [inner]}},
        {"link_to_page": {"page_id": page}},
    ]


def test_blocks_of_every_kind(world):
    checked = Checked()
    notion = world.client()
    made = checked("page", notion.pages.create(parent={"workspace": True}, properties={"title": said("Page")}))
    page = made["id"]
    sent = blocks_of_every_kind(page)
    new = checked("append", notion.blocks.children.append(page, children=sent))["results"]
    assert [block["type"] for block in new] == [next(iter(block)) for block in sent]
    listed = checked("blocks", notion.blocks.children.list(page))
    assert listed["results"] == new
    by_kind = {block["type"]: block for block in new}
    for block in new:
        checked("block", notion.blocks.retrieve(block["id"]))
        for child in notion.blocks.children.list(block["id"])["results"] if block["has_children"] else ():
            assert checked("block", child)["parent"] == {"type": "block_id", "block_id": block["id"]}
    todo = notion.blocks.update(by_kind["to_do"]["id"], to_do={"rich_text": said("changed"), "checked": False})
    assert checked("block", todo)["to_do"]["rich_text"][0]["plain_text"] == "changed"
    assert todo["has_children"]
    rows = notion.blocks.children.append(by_kind["table"]["id"], children=[{"table_row": {"cells": [[], []]}}])
    assert len(notion.blocks.children.list(by_kind["table"]["id"])["results"]) == 3
    with pytest.raises(notion_client.APIResponseError, match="table width"):
        notion.blocks.children.append(by_kind["table"]["id"], children=[{"table_row": {"cells": [[]]}}])
    checked("block", notion.blocks.delete(rows["results"][0]["id"]))
    assert len(notion.blocks.children.list(by_kind["table"]["id"])["results"]) == 2
    back = notion.blocks.update(rows["results"][0]["id"], in_trash=False)
    assert back["in_trash"] is False
    first, last = new[0]["id"], said("x")
    where: list[dict[str, Any]] = [
        {"position": {"type": "start"}},
        {"position": {"type": "after_block", "after_block": {"id": first}}},
        {"after": first},
        {},
    ]
    for place in where:
        notion.blocks.children.append(page, children=[{"quote": {"rich_text": last}}], **place)
    found = [block["type"] for block in notion.blocks.children.list(page)["results"]]
    assert found[:4] == ["quote", "paragraph", "quote", "quote"]
    assert found[-1] == "quote"


def test_columns_and_values_of_every_kind(world):
    checked = Checked()
    notion = world.client()
    root = world.notion.connection_info["session_page_id"]
    database = notion.databases.create(
        parent={"page_id": root}, title=said("Tasks"), initial_data_source={"properties": EVERY_COLUMN}
    )
    source = checked("database", database)["data_sources"][0]["id"]
    other = notion.databases.create(
        parent={"page_id": root},
        title=said("Projects"),
        initial_data_source={
            "properties": {
                "Name": {"title": {}},
                "Tasks": {"relation": {"data_source_id": source, "dual_property": {"synced_property_name": "Project"}}},
                "Total": {
                    "rollup": {
                        "relation_property_name": "Tasks",
                        "rollup_property_name": "Cost",
                        "function": "sum",
                    }
                },
                "Names": {
                    "rollup": {
                        "relation_property_name": "Tasks",
                        "rollup_property_name": "Name",
                        "function": "show_original",
                    }
                },
            }
        },
    )
    projects = other["data_sources"][0]["id"]
    shown = checked("data_source", notion.data_sources.retrieve(source))
    assert set(shown["properties"]) == {*EVERY_COLUMN, "Project"}
    assert shown["properties"]["Project"]["relation"]["dual_property"]["synced_property_name"] == "Tasks"
    checked("data_source", notion.data_sources.retrieve(projects))
    ann = world.notion.user("agent")["id"]
    task = notion.pages.create(
        parent={"type": "data_source_id", "data_source_id": source},
        properties={
            "Name": {"title": said("First")},
            "Notes": {"rich_text": said("n" * 2000)},
            "Cost": {"number": 12.5},
            "Kind": {"select": {"name": "b"}},
            "Tags": {"multi_select": [{"name": "new"}, {"name": "newer"}]},
            "Stage": {"status": {"name": "In progress"}},
            "Due": {"date": {"start": "2030-01-08T09:00:00+01:00", "end": "2030-01-09T09:00:00+01:00"}},
            "Who": {"people": [{"object": "user", "id": ann}]},
            "Files": {"files": [{"name": "a", "external": {"url": "https://x.example/a"}}]},
            "Done": {"checkbox": True},
            "Link": {"url": "https://x.example"},
            "Mail": {"email": "ann@corp.example"},
            "Phone": {"phone_number": "+49 1"},
        },
    )
    held = checked("page", task)["properties"]
    assert held["Due"]["date"]["start"] == "2030-01-08T09:00:00.000+01:00"
    assert held["No"]["unique_id"] == {"prefix": "T", "number": 1}
    assert [tag["name"] for tag in held["Tags"]["multi_select"]] == ["new", "newer"]
    assert held["Maker"]["created_by"]["id"] == notion.users.me()["id"] == task["created_by"]["id"]
    for name, value in held.items():
        item = checked("property", notion.pages.properties.retrieve(task["id"], value["id"]))
        assert item["object"] in ("property_item", "list"), name
    project = notion.pages.create(
        parent={"data_source_id": projects},
        properties={"Name": {"title": said("P")}, "Tasks": {"relation": [{"id": task["id"]}]}},
    )
    rolled = checked("page", notion.pages.retrieve(project["id"]))["properties"]
    assert rolled["Total"]["rollup"]["number"] == 12.5
    assert rolled["Names"]["rollup"]["array"][0]["title"][0]["plain_text"] == "First"
    tied = notion.pages.retrieve(task["id"])["properties"]["Project"]["relation"]
    assert tied == [{"id": project["id"]}]
    notion.pages.update(task["id"], properties={"Project": {"relation": []}, "Cost": {"number": None}})
    assert notion.pages.retrieve(project["id"])["properties"]["Tasks"]["relation"] == []
    changed = notion.data_sources.update(
        source, properties={"Notes": {"name": "Text"}, "Phone": None, "Cost": {"select": {}}}, title=said("Chores")
    )
    assert {"Text", "Cost"} <= set(checked("data_source", changed)["properties"])
    assert "Phone" not in changed["properties"]
    again = checked("page", notion.pages.retrieve(task["id"]))["properties"]
    assert (again["Text"]["rich_text"][0]["plain_text"], again["Cost"]["select"]) == ("n" * 2000, None)
    only = notion.pages.retrieve(task["id"], filter_properties=["title"])
    assert list(only["properties"]) == ["Name"]
    checked("query", notion.data_sources.query(source))
    checked("search", notion.search())


def test_comments_users_uploads_and_markdown(world):
    checked = Checked()
    notion = world.client()
    root = world.notion.connection_info["session_page_id"]
    other = world.notion.user("other")["id"]
    comment = notion.comments.create(
        parent={"page_id": root}, rich_text=[*said("Well, "), {"mention": {"user": {"id": other}}}]
    )
    checked("comment", comment)
    answer = world.client("other").comments.create(discussion_id=comment["discussion_id"], rich_text=said("Yes."))
    assert answer["discussion_id"] == comment["discussion_id"]
    assert [c["id"] for c in checked("comments", notion.comments.list(block_id=root))["results"]] == [
        comment["id"],
        answer["id"],
    ]
    assert [agent for agent, _ in world.told] == ["other"]
    assert "Ann Lee" in world.told[0][1]
    notion.comments.update(comment["id"], rich_text=said("Never mind."))
    with pytest.raises(notion_client.APIResponseError, match="Only who wrote"):
        notion.comments.delete(answer["id"])
    users = checked("users", notion.users.list(page_size=2))
    assert users["has_more"]
    people = [user["name"] for user in notion.users.list()["results"] if user["type"] == "person"]
    assert people == ["Ann Lee", "other"]
    checked("user", notion.users.me())
    upload = notion.file_uploads.create(mode="multi_part", number_of_parts=2, filename="b.bin", content_type="a/b")
    checked("upload", upload)
    for number, part in ((2, b"\r\n--two"), (1, b"one\x00")):
        sent = notion.file_uploads.send(upload["id"], file=("b.bin", part), part_number=str(number))
        assert checked("upload", sent)["status"] == "pending"
    assert notion.file_uploads.complete(upload["id"])["status"] == "uploaded"
    checked("uploads", notion.file_uploads.list())
    icon = {"type": "file_upload", "file_upload": {"id": upload["id"]}}
    page = checked("page", notion.pages.create(parent={"page_id": root}, properties={}, icon=icon))
    url = page["icon"]["file"]["url"].replace("https://api.notion.com", world.url())
    assert httpx.get(url).content == b"one\x00\r\n--two"
    with pytest.raises(notion_client.APIResponseError, match="no file upload"):
        world.client("other").pages.update(page["id"], icon=icon)
    markdown = world.client(version="2026-03-11").pages
    text = "# Plan\n\n- [ ] one\n    - two\n- [x] three"
    told = markdown.update_markdown(page["id"], type="replace_content", replace_content={"new_str": text})
    assert told["markdown"] == "# Plan\n- [ ] one\n    - two\n- [x] three"
    markdown.update_markdown(
        page["id"], type="update_content", update_content={"content_updates": [{"old_str": "two", "new_str": "2"}]}
    )
    checked("markdown", told)
    assert markdown.retrieve_markdown(page["id"])["markdown"] == "# Plan\n- [ ] one\n    - 2\n- [x] three"


def test_the_version_of_2022(world):
    old, new = world.client(version="2022-06-28"), world.client()
    root = world.notion.connection_info["session_page_id"]
    made = old.request(
        "databases",
        "POST",
        body={
            "parent": {"page_id": root},
            "title": said("Tasks"),
            "properties": {"Name": {"title": {}}, "N": {"number": {}}},
        },
    )
    assert set(made["properties"]) == {"Name", "N"}
    for number in range(3):
        old.pages.create(parent={"database_id": made["id"]}, properties={"N": {"number": number}})
    found = old.request(f"databases/{made['id']}/query", "POST", body={"page_size": 2})
    assert [page["properties"]["N"]["number"] for page in found["results"]] == [2, 1]
    assert found["results"][0]["parent"] == {"type": "database_id", "database_id": made["id"]}
    rest = old.request(f"databases/{made['id']}/query", "POST", body={"start_cursor": found["next_cursor"]})
    assert [page["properties"]["N"]["number"] for page in rest["results"]] == [0]
    old.request(f"databases/{made['id']}", "PATCH", body={"properties": {"N": {"name": "Count"}}})
    source = new.databases.retrieve(made["id"])["data_sources"][0]["id"]
    assert "Count" in new.data_sources.retrieve(source)["properties"]
    assert new.pages.retrieve(found["results"][0]["id"])["parent"] == {
        "type": "data_source_id",
        "data_source_id": source,
        "database_id": made["id"],
    }
    kinds = (
        {thing["object"] for thing in old.search()["results"]},
        {thing["object"] for thing in new.search()["results"]},
    )
    assert kinds == ({"page", "database"}, {"page", "data_source"})
    for client, path in ((old, f"data_sources/{source}"), (new, f"databases/{made['id']}/query")):
        with pytest.raises(notion_client.APIResponseError) as refused:
            client.request(path, "GET" if client is old else "POST", body=None)
        assert refused.value.code == "invalid_request_url"


def test_moving_and_the_trash(world):
    notion = world.client()
    root = world.notion.connection_info["session_page_id"]
    a, b = (notion.pages.create(parent={"page_id": root}, properties={"title": said(name)})["id"] for name in "ab")
    inner = notion.pages.create(parent={"page_id": a}, properties={"title": said("inner")})["id"]
    notion.blocks.children.append(inner, children=[{"paragraph": {"rich_text": said("kept")}}])
    moved = notion.pages.move(inner, parent={"type": "page_id", "page_id": b})
    assert moved["parent"]["page_id"] == b
    assert not notion.blocks.retrieve(a)["has_children"]
    assert notion.blocks.children.list(b)["results"][0]["child_page"] == {"title": "inner"}
    for page, into in ((b, inner), (b, b)):
        with pytest.raises(notion_client.APIResponseError, match="into itself"):
            notion.pages.move(page, parent={"page_id": into})
    notion.pages.update(b, in_trash=True)
    assert notion.pages.retrieve(inner)["in_trash"]
    assert [block["id"] for block in notion.blocks.children.list(root)["results"]] == [a]
    with pytest.raises(notion_client.APIResponseError, match="archived"):
        notion.blocks.children.append(inner, children=[{"divider": {}}])
    assert [page["id"] for page in notion.search(query="INN")["results"]] == []
    notion.pages.update(b, archived=False)
    assert [page["id"] for page in notion.search(query="INN")["results"]] == [inner]
    assert notion.blocks.children.list(inner)["results"][0]["paragraph"]["rich_text"][0]["plain_text"] == "kept"
