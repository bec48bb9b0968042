"""Filters and sorts of queries, by the examples of the documentation and at their edges."""

from __future__ import annotations

from typing import Any

import pytest
from notion_world import LiveNotion

from terrarium.core.errors import Refused

COLUMNS: dict[str, Any] = {
    "Name": {"title": {}},
    "Points": {"number": {}},
    "Due": {"date": {}},
    "Kind": {"select": {"options": [{"name": "late"}, {"name": "early"}]}},
    "Tags": {"multi_select": {}},
    "Done": {"checkbox": {}},
    "Mail": {"email": {}},
    "Stage": {"status": {}},
    "No": {"unique_id": {}},
}
ROWS: dict[str, dict[str, Any]] = {
    "Ash": {"Points": {"number": 3}, "Due": {"date": {"start": "2030-01-06"}}, "Kind": {"select": {"name": "early"}}},
    "birch": {
        "Points": {"number": 10}, "Due": {"date": {"start": "2030-01-20T10:00:00+02:00"}}, "Done": {"checkbox": True},
    },
    "Cedar": {"Tags": {"multi_select": [{"name": "x"}, {"name": "y"}]}, "Kind": {"select": {"name": "late"}}},
    "dogwood": {"Mail": {"email": "D@corp.example"}, "Stage": {"status": {"name": "Done"}}, "Points": {"number": -1.5}},
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with LiveNotion(tmp_path_factory.mktemp("filter")) as world:
        database = world.notion.create_database("Trees", COLUMNS)["id"]
        for name, values in ROWS.items():
            title = {"title": [{"text": {"content": name}}]}
            world.notion.add_database_record(database, {"Name": title, **values})
        world.known = database  # type: ignore[attr-defined]
        yield world


def names(world, filter=None, sorts=None):
    found = world.notion.query_database(world.known, filter, sorts)
    told = [row["properties"]["Name"]["title"][0]["plain_text"] for row in found]
    return told if sorts else sorted(told, key=str.casefold)


@pytest.mark.parametrize(
    ("test", "found"),
    [
        ({"property": "Name", "title": {"equals": "ash"}}, ["Ash"]),
        ({"property": "Name", "rich_text": {"contains": "D"}}, ["Cedar", "dogwood"]),
        ({"property": "Name", "title": {"does_not_contain": "d"}}, ["Ash", "birch"]),
        ({"property": "Name", "title": {"starts_with": "b"}}, ["birch"]),
        ({"property": "Name", "title": {"ends_with": "R"}}, ["Cedar"]),
        ({"property": "Points", "number": {"greater_than": 3}}, ["birch"]),
        ({"property": "Points", "number": {"greater_than_or_equal_to": 3}}, ["Ash", "birch"]),
        ({"property": "Points", "number": {"less_than": 0}}, ["dogwood"]),
        ({"property": "Points", "number": {"does_not_equal": 3}}, ["birch", "Cedar", "dogwood"]),
        ({"property": "Points", "number": {"is_empty": True}}, ["Cedar"]),
        ({"property": "No", "unique_id": {"less_than_or_equal_to": 2}}, ["Ash", "birch"]),
        ({"property": "Due", "date": {"before": "2030-01-07"}}, ["Ash"]),
        ({"property": "Due", "date": {"equals": "2030-01-20"}}, ["birch"]),
        ({"property": "Due", "date": {"on_or_after": "2030-01-20T08:00:00Z"}}, ["birch"]),
        ({"property": "Due", "date": {"after": "2030-01-20T08:00:00Z"}}, []),
        ({"property": "Due", "date": {"past_week": {}}}, ["Ash"]),
        ({"property": "Due", "date": {"next_month": {}}}, ["birch"]),
        ({"property": "Due", "date": {"this_week": {}}}, ["Ash"]),
        ({"property": "Due", "date": {"is_not_empty": True}}, ["Ash", "birch"]),
        ({"property": "Kind", "select": {"equals": "late"}}, ["Cedar"]),
        ({"property": "Kind", "select": {"does_not_equal": "late"}}, ["Ash", "birch", "dogwood"]),
        ({"property": "Tags", "multi_select": {"contains": "x"}}, ["Cedar"]),
        ({"property": "Tags", "multi_select": {"is_empty": True}}, ["Ash", "birch", "dogwood"]),
        ({"property": "Done", "checkbox": {"equals": True}}, ["birch"]),
        ({"property": "Done", "checkbox": {"does_not_equal": True}}, ["Ash", "Cedar", "dogwood"]),
        ({"property": "Mail", "email": {"equals": "d@corp.example"}}, ["dogwood"]),
        ({"property": "Stage", "status": {"equals": "Done"}}, ["dogwood"]),
        (
            {"timestamp": "created_time", "created_time": {"on_or_before": "2030-01-07"}},
            [*sorted(ROWS, key=str.casefold)],
        ),
        (
            {
                "or": [
                    {"property": "Done", "checkbox": {"equals": True}},
                    {
                        "and": [
                            {"property": "Kind", "select": {"is_not_empty": True}},
                            {"property": "Points", "number": {"is_not_empty": True}},
                        ]
                    },
                ]
            },
            ["Ash", "birch"],
        ),
        ({"and": []}, [*sorted(ROWS, key=str.casefold)]),
        ({"or": []}, []),
    ],
)
def test_what_a_filter_lets_through(world, test, found):
    assert names(world, test) == found


@pytest.mark.parametrize(
    ("sorts", "found"),
    [
        ([{"property": "Points", "direction": "ascending"}], ["dogwood", "Ash", "birch", "Cedar"]),
        ([{"property": "Points", "direction": "descending"}], ["birch", "Ash", "dogwood", "Cedar"]),
        ([{"property": "Name", "direction": "descending"}], ["dogwood", "Cedar", "birch", "Ash"]),
        ([{"property": "Kind"}, {"property": "Name"}], ["Cedar", "Ash", "birch", "dogwood"]),
        ([{"property": "Done", "direction": "descending"}, {"property": "Due"}], ["birch", "Ash", "Cedar", "dogwood"]),
        ([{"property": "No", "direction": "ascending"}], list(ROWS)),
    ],
)
def test_in_which_order(world, sorts, found):
    assert names(world, None, sorts) == found


DEEP = {"and": [{"or": [{"and": [{"property": "Done", "checkbox": {"equals": True}}]}]}]}


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (DEEP, "nest 2 deep"),
        ({"and": [{}] * 101}, "≤ `100`"),
        ({"property": "Nothing", "title": {"equals": "x"}}, "Could not find property"),
        ({"property": "Points", "title": {"equals": "x"}}, "does not match filter"),
        ({"property": "Points", "number": {"contains": 1}}, "one condition of"),
        ({"property": "Points", "number": {"equals": "1"}}, "a number"),
        ({"property": "Points", "number": {"equals": 1, "less_than": 2}}, "one condition of"),
        ({"property": "Due", "date": {"equals": "soon"}}, "ISO 8601"),
        ({"property": "Due", "date": {"past_week": True}}, "an empty object"),
        ({"timestamp": "due", "due": {}}, "created_time"),
        ({}, "a string"),
    ],
)
def test_filters_that_are_none(world, test, told):
    with pytest.raises(Refused, match=told):
        names(world, test)


def test_a_query_that_would_take_too_long_is_refused(world):
    many = {"and": [{"or": [{"property": "Name", "title": {"does_not_equal": "x"}}] * 100}] * 100}
    assert len(names(world, many)) == 4
    database = world.notion.create_database("Many", {"Name": {"title": {}}})["id"]
    for _ in range(250):
        world.notion.add_database_record(database, {})
    tests = [*[{"property": "Name", "title": {"equals": "x"}}] * 99, {"property": "Name", "title": {"is_empty": True}}]
    tests = [*[{"property": "Name", "title": {"equals": "x"}}] * 99, {"property": "Name", "title": {"is_empty": True}}]
    every = {"and": [{"or": tests}] * 100}
    with pytest.raises(Refused, match="took too long"):
        world.notion.query_database(database, every)
