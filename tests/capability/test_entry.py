"""What is typed in, and how it is shown again."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.google_sheets.cell import Cell
from terrarium.capability.google_sheets.entry import entered
from terrarium.capability.google_sheets.number_format import by_pattern, plain, shown

TODAY = date(2030, 1, 7)


@pytest.mark.parametrize(
    ("text", "value", "again"),
    [
        ("1,234.5", 1234.5, "1,234.50"),
        ("5%", 0.05, "5%"),
        ("12.5%", 0.125, "12.50%"),
        ("$1,234.50", 1234.5, "$1,234.50"),
        ("-$5", -5, "-$5"),
        ("€5", 5, "€5"),
        ("(5)", -5, "-5"),
        ("1e3", 1000, "1.00E+03"),
        ("007", 7, "7"),
        ("'007", "007", "007"),
        ("true", True, "TRUE"),
        ("1/7/2030", 47490, "1/7/2030"),
        ("2030-01-07", 47490, "2030-01-07"),
        ("Jan 7, 2030", 47490, "Jan 7, 2030"),
        ("1/7", 47490, "1/7"),
        ("2030-01-07 09:30", 47490.395833333336, "2030-01-07 9:30"),
        ("9:30 PM", 0.8958333333333334, "9:30 PM"),
        ("1.2.3", "1.2.3", "1.2.3"),
        ("2030-13-45", "2030-13-45", "2030-13-45"),
        ("1e999", "1e999", "1e999"),
        ("  x ", "  x ", "  x "),
    ],
)
def test_typed_in(text, value, again):
    cell = entered(text, Cell(), TODAY)
    assert cell.value == value
    assert type(cell.value) is type(value)
    assert shown(cell.value, (cell.format or {}).get("numberFormat")) == again


def test_what_was_set_before_stays():
    as_text = Cell(format={"numberFormat": {"type": "TEXT"}})
    assert entered("5", as_text, TODAY).value == "5"
    in_euros = Cell(1, format={"numberFormat": {"type": "CURRENCY", "pattern": "0 €"}})
    assert entered("$7", in_euros, TODAY).format == in_euros.format
    assert entered("=A1", Cell(note="n"), TODAY) == Cell(None, "=A1", note="n")
    assert entered("", in_euros, TODAY) == Cell(None, None, in_euros.format)


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (1234.567, "#,##0.00", "1,234.57"),
        (-3, "0.00;(0.00)", "(3.00)"),
        (0, "0.##", "0"),
        (0, '0;-0;"none"', "none"),
        (12, "000", "012"),
        (1234567, "#,##0,", "1,235"),
        (0.5, "#.00", ".50"),
        (-0.001, "0.00", "0.00"),
        (5, '0 "units"', "5 units"),
        (47490.5, "dddd, mmmm d yyyy h:mm:ss am/pm", "Monday, January 7 2030 12:00:00 PM"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (2.675, "0.00", "2.68"),
    ],
)
def test_patterns(value, pattern, text):
    assert by_pattern(value, pattern) == text


@given(
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53)),
    st.text('0#?.,%E+-;[]hmsyd$"\\@_* /ap', max_size=20),
)
def test_no_pattern_breaks_it(value, pattern):
    assert isinstance(by_pattern(value, pattern), str)
    assert isinstance(plain(value), str)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text):
    cell = entered(text, Cell(), TODAY)
    shown(cell.value, (cell.format or {}).get("numberFormat"))
