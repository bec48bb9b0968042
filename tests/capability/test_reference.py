"""Formulas follow when they are copied and when rows and columns come, go and move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.google_sheets.reference import Shift, copied, rewritten, same, shifted

INSERT, GONE, MOVED = Shift(True, 1, 2), Shift(True, 0, -1), Shift(True, 0, 2, 5)


@pytest.mark.parametrize(
    ("formula", "down_right"),
    [
        ("=SUM(A1:B2)+\"A1\"&'My Sheet'!$A$1", "=SUM(B2:C3)+\"A1\"&'My Sheet'!$A$1"),
        ("=A:A+1:1+B2:B", "=B:B+2:2+C3:C"),
        ("=LOG10(5)+A$1+$A1+Total_A1", "=LOG10(5)+B$1+$A2+Total_A1"),
        ("=1e5+A1.5", "=1e5+A1.5"),
    ],
)
def test_copied(formula, down_right):
    assert copied(formula, 1, 1) == down_right
    assert copied(formula, 0, 0) == formula


def test_copied_off_the_sheet():
    assert copied("=A1+B2", -1, 0) == "=#REF!+B1"


@pytest.mark.parametrize(
    ("formula", "shift", "after"),
    [
        ("=SUM(A1:A3)+A2", INSERT, "=SUM(A1:A5)+A4"),
        ("=SUM(A1:A3)+A1", GONE, "=SUM(A1:A2)+#REF!"),
        ("=sheet1!A5+Other!A5", INSERT, "=sheet1!A7+Other!A5"),
        ("=SUM(A:A)+SUM(2:3)+B2:B", INSERT, "=SUM(A:A)+SUM(4:5)+B4:B"),
        ("=A1+A3+A6", MOVED, "=A4+A1+A6"),
        ("=SUM(A$1:$B3)", Shift(False, 0, -1), "=SUM(A$1:$A3)"),
        ("=SUM(A1:B3)", Shift(False, 0, -2), "=SUM(#REF!)"),
    ],
)
def test_shifted(formula, shift, after):
    assert shifted(formula, shift, "Sheet1", "Sheet1") == after


@given(st.text(max_size=60))
def test_any_text_comes_through_unchanged(text):
    formula = "=" + text.replace("!", "")
    assert rewritten(formula, same).upper() == formula.upper()
