"""Cells and ranges as text, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.google_sheets.a1 import (
    COLUMNS,
    Area,
    area_of,
    column_of,
    letters,
    name_of,
    quoted,
    split_sheet,
)
from terrarium.capability.google_sheets.fault import Fault


@given(st.integers(0, COLUMNS - 1))
def test_columns_there_and_back(column):
    assert column_of(letters(column)) == column


@given(st.integers(0, 999), st.integers(0, 99), st.integers(1, 50), st.integers(1, 50), st.text(min_size=1, max_size=8))
def test_a_name_names_what_it_was_made_from(top, left, height, width, title):
    area = Area(top, left, top + height, left + width)
    found, rest = split_sheet(name_of(title, area))
    assert found == title
    assert area_of(rest) == area


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("A1", Area(0, 0, 1, 1)),
        ("b2:A1", Area(0, 0, 2, 2)),
        ("A:B", Area(0, 0, None, 2)),
        ("2:3", Area(1, 0, 3, None)),
        ("A2:B", Area(1, 0, None, 2)),
        ("A1:2", Area(0, 0, 2, None)),
        ("$A$1:B$2", Area(0, 0, 2, 2)),
        ("R1C2:R3C4", Area(0, 1, 3, 4)),
        ("A", None),
        ("A0", None),
        ("AAAA1", None),
        ("1A", None),
        ("A1:B2:C3", None),
        ("", None),
        (":", None),
    ],
)
def test_areas(text, area):
    assert area_of(text) == area


def test_titles_are_quoted_where_they_must_be():
    assert [quoted(title) for title in ("Sheet1", "A1", "Q3 plan", "It's")] == [
        "Sheet1",
        "'A1'",
        "'Q3 plan'",
        "'It''s'",
    ]
    with pytest.raises(Fault, match="Unable to parse"):
        split_sheet("'open!A1")
