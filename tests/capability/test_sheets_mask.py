"""Field masks and Drive's search language: what they mean, and what is none."""

from __future__ import annotations

import pytest

from terrarium.capability.google_sheets.fault import Fault
from terrarium.capability.google_sheets.mask import apply, parse, pick
from terrarium.capability.google_sheets.query import parse as parse_query

TREE = {"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}, {"x": 3}], "z": 0}


@pytest.mark.parametrize(
    ("mask", "picked"),
    [
        ("*", TREE),
        ("z", {"z": 0}),
        ("a.b", {"a": {"b": 1}}),
        ("a/c,z", {"a": {"c": 2}, "z": 0}),
        ("list(x)", {"list": [{"x": 1}, {"x": 3}]}),
        ("a(b,c),a", {"a": {"b": 1, "c": 2}}),
        ("nosuch", {}),
    ],
)
def test_picked(mask, picked):
    assert pick(TREE, parse(mask)) == picked


@pytest.mark.parametrize("mask", ["a(", "a)", ",", "a..b", "(a)", "a" * 5000, "a(" * 500, "é"])
def test_no_mask(mask):
    with pytest.raises(Fault, match="nvalid field"):
        parse(mask)


def test_applied():
    old = {"a": {"b": 1, "c": 2}, "z": 0}
    assert apply(old, {"a": {"b": 5}}, parse("a.b")) == {"a": {"b": 5, "c": 2}, "z": 0}
    assert apply(old, {}, parse("a.b,z")) == {"a": {"c": 2}}
    assert apply(old, {"q": 1}, parse("*")) == {"q": 1}


FILE = {
    "name": "Q3 plan's",
    "mimeType": "application/vnd.google-apps.spreadsheet",
    "parents": ["F"],
    "trashed": False,
    "modifiedTime": "2030-01-07T09:00:00.000Z",
    "permissions": [{"role": "owner", "emailAddress": "ann@corp.example"}],
}


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("", True),
        ("name = 'Q3 plan\\'s'", True),
        ('name="Q3 plan\'s" and trashed=false', True),
        ("name contains 'pla' and not mimeType contains 'folder'", True),
        ("name contains 'lan'", False),
        ("'F' in parents or trashed = true", True),
        ('parents in "F"', True),
        ("('G' in parents or 'F' in parents) and trashed = true", False),
        ("modifiedTime > '2030-01-01T00:00:00'", True),
        ("'ann@corp.example' in owners", True),
    ],
)
def test_queries(query, fits):
    assert parse_query(query)(FILE) is fits


@pytest.mark.parametrize(
    "query", ["name", "name = x", "nosuch = 'x'", "(" * 100, "name = 'x", "and", "trashed = 'x'", "'x'"]
)
def test_no_query(query):
    with pytest.raises(Fault, match="Invalid Value"):
        parse_query(query)
