"""The tools of `notion`: Markdown and plain values in and out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notion_world import LiveNotion

from terrarium.capability.notion.markdown import blocks_of, inline
from terrarium.core.errors import NotFound, Refused
from terrarium.core.tool import show

TEXT = """# Plan
Some **bold**, *italic*, `code`, ~~old~~ and [a link](https://x.example).
- one
    - two
        - three
1. first
2. second
- [ ] open
- [x] done
> said
```python
x = {"a": 1}
```
---
| a | b |
| --- | --- |
| 1 | **2** |
![seen](https://x.example/a.png)"""


@pytest.fixture
def world(tmp_path):
    people = {"ann": {"name": "Ann Lee", "agent": "agent"}, "bob": {"name": "Bob", "agent": "other"}}
    with LiveNotion(tmp_path, people=people) as world:
        yield world


def test_markdown_comes_back(world):
    page = world.use("create_page", title="Plan", content=TEXT)
    found = world.use("get_page", page=page["id"])
    assert found["content"] == TEXT
    assert found["title"] == "Plan"
    world.use("update_page", page=page["id"], title="New", content="only this")
    again = world.use("get_page", page=page["id"])
    assert (again["title"], again["content"]) == ("New", "only this")


def test_single_blocks(world):
    page = world.use("create_page", title="List", content="- [ ] a\n- [ ] b\n\ntext")["id"]
    lines = world.use("get_page", page=page, ids=True)["content"].split("\n")
    a, b, last = (line[1:37] for line in lines)
    world.use("update_block", block=a, checked=True)
    world.use("update_block", block=b, text="c **d**")
    world.use("append_blocks", page=page, content="\n\n".join(f"p{n}" for n in range(120)), after=b)
    world.use("update_block", block=last, delete=True)
    found = world.use("get_page", page=page)["content"].split("\n")
    assert found == ["- [x] a", "- [ ] c **d**", *(f"p{n}" for n in range(120))]
    for nonsense in ({}, {"checked": True}):
        divider = world.use("append_blocks", page=page, content="---")["ids"][0]
        with pytest.raises(Refused):
            world.use("update_block", block=divider, **nonsense)


def test_a_database_in_plain_values(world):
    columns = {
        "Status": "status",
        "Kind": ["bug", "idea"],
        "Tags": "multi_select",
        "Due": "date",
        "Owner": "people",
        "Points": "number",
        "Notes": "text",
        "Done": "checkbox",
        "Link": "url",
    }
    database = world.use("create_database", title="Tasks", columns=columns)["id"]
    told = world.use("get_page", page=database)
    assert told["columns"]["Kind"] == {"type": "select", "options": ["bug", "idea"]}
    values = {
        "Status": "In progress",
        "Kind": "bug",
        "Tags": ["x", "y"],
        "Due": "2030-01-08/2030-01-09",
        "Owner": ["Ann Lee", "bob@world.example"],
        "Points": "3",
        "Notes": "see **this**",
        "Done": True,
        "Link": "https://x.example",
    }
    one = world.use("create_page", title="One", parent=database, properties=values, content="inside")["id"]
    world.use("create_page", title="Two", parent=database, properties={"Points": 1.5})
    shown = world.use("get_page", page=one)["properties"]
    assert {**shown, "Points": "3", "Owner": values["Owner"]} == {"Name": "One", **values}
    assert (shown["Points"], shown["Owner"]) == (3, ["Ann Lee", "Bob"])
    assert world.told == [("other", "Ann Lee (integration) assigned you in 'One'")]

    def names(**asked):
        return [entry["Name"] for entry in world.use("query_database", database=database, **asked)["entries"]]

    assert names(sort="Points") == ["Two", "One"]
    assert names(sort="Points", descending=True) == ["One", "Two"]
    assert names(filter={"Status": "In progress", "Owner": "Bob", "Tags": "y", "Done": True}) == ["One"]
    assert names(filter={"Kind": None}) == ["Two"]
    assert names(filter={"property": "Points", "number": {"less_than": 2}}) == ["Two"]
    world.use("update_page", page=one, properties={"Status": "Done", "Kind": None, "Due": "", "Tags": []})
    changed = world.use("get_page", page=one)["properties"]
    assert (changed["Status"], changed["Kind"], changed["Due"], changed["Tags"]) == ("Done", None, None, [])
    for wrong, reason in (
        ({"Nothing": 1}, "no property 'Nothing'"),
        ({"Status": "Maybe"}, "Status option"),
        ({"Owner": "Carl"}, "nobody is called 'Carl'; people: Ann Lee, Bob"),
        ({"Points": "many"}, "not a number"),
        ({"Due": "tomorrow"}, "ISO 8601"),
    ):
        with pytest.raises(Refused, match=reason):
            world.use("update_page", page=one, properties=wrong)
    world.use("move_page", page=one, parent=world.use("create_page", title="Archive")["id"])
    assert names() == ["Two"]


def test_people_talk(world):
    page = world.use("create_page", title="Plan")["id"]
    first = world.use("add_comment", page=page, text="What do you think, @Bob?")
    assert world.told == [("other", "Ann Lee (integration) mentioned you in 'Plan'")]
    world.use("add_comment", "other", page=page, text="Fine.", discussion=first["discussion"])
    found = world.use("list_comments", page=page)
    assert [(comment["by"], comment["text"]) for comment in found] == [
        ("Ann Lee (integration)", "What do you think, @Bob?"),
        ("Bob (integration)", "Fine."),
    ]
    assert [user["name"] for user in world.use("list_users") if user["you"]] == ["Ann Lee (integration)"]


def test_finding(world):
    page = world.use("create_page", title="Garden plan")["id"]
    world.use("create_database", title="Garden tools", columns={}, parent=page)
    found = world.use("search", query="garden")
    assert {(item["kind"], item["title"]) for item in found["results"]} == {
        ("page", "Garden plan"),
        ("database", "Garden tools"),
    }
    assert not found["more"]
    assert world.use("search", query="garden", limit=1)["more"]
    assert [item["title"] for item in world.use("search", query="plan", kind="page")["results"]] == ["Garden plan"]
    with pytest.raises(NotFound):
        world.use("get_page", page="0" * 32)
    with pytest.raises(Refused):
        world.use("get_page", page="nonsense")


def test_limits_of_a_call(world):
    page = world.notion.connection_info["session_page_id"]
    for content in ("x" * 200_001, "\n".join("- x" for _ in range(1001)), ""):
        with pytest.raises(Refused):
            world.use("append_blocks", page=page, content=content)
    world.use("append_blocks", page=page, content="**" * 50_000 + "[" * 50_000)
    assert len(show(world.use("get_page", page=page))) > 100_000


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab *_`~[]()|-#>0123.!x\n\t"), max_size=120))
def test_any_markdown_makes_blocks(text):
    for block in blocks_of(text):
        assert block["type"] in block
    assert all(item["text"]["content"] for item in inline(text))
