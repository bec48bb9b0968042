"""Ready matchers: equal values spelled otherwise give the same verdict, whatever an agent wrote."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.task import matching

NFD = unicodedata.normalize("NFD", "Zoë Ängström")
NFC = unicodedata.normalize("NFC", NFD)
NOON = datetime(2030, 1, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "wanted", "holds"),
    [
        (25, 25.0, True),
        (Decimal("25.00"), 25, True),
        ("25", 25, False),
        (True, 1, False),
        (0, False, False),
        (True, True, True),
        (0.1 + 0.2, 0.3, False),
        ("a\r\nb\rc", "a\nb\nc", True),
        (NFD, NFC, True),
        ("a", "A", False),
        ("a ", "a", False),
        (None, None, True),
        (None, "", False),
        (NOON, datetime(2030, 1, 7, 14, tzinfo=timezone(timedelta(hours=2))), True),
        (NOON, datetime(2030, 1, 7, 12), True),
        ([1, (2.0, "x\r\n")], (1.0, [2, "x\n"]), True),
        ([1, 2], [2, 1], False),
        ({"b": 1, NFD: [2]}, {NFC: [2.0], "b": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        (float("nan"), 1, False),
        (float("inf"), float("inf"), True),
        (10**400, float("inf"), False),
    ],
)
def test_exact(found, wanted, holds):
    assert matching.exact(found, wanted) is holds


@pytest.mark.parametrize(
    ("found", "wanted", "holds"),
    [
        ("25.0", 25, True),
        ("25", 25.0, True),
        (" 1,234.5 ", 1234.5, True),
        ("1'234.5", 1234.5, True),
        ("1\u202f234,50 \u20ac", 1234.5, True),
        ("1.234,5", 1234.5, True),
        ("1.234.567,8", 1234567.8, True),
        ("12,50", 12.5, True),
        ("1,234", 1234, True),
        ("1.234", 1.234, True),
        ("EUR 12", 12, True),
        ("-$5.00", -5, True),
        ("\u22125", -5, True),
        ("The total is 12 euros, that is 12.00.", 12, True),
        ("between 5 and 10", 5, False),
        ("5-10", 5, False),
        ("1e6", 1_000_000, True),
        (".5", 0.5, True),
        ("12kg", 12, True),
        ("3rd", 3, True),
        ("25.", 25, True),
        ("version 1.2.3", 1.2, False),
        ("2030-01-07", 2030, False),
        ("x25", 25, False),
        ("", 0, False),
        ("none", 0, False),
        (None, 0, False),
        (True, 1, False),
        ([25], 25, False),
        (float("nan"), 0, False),
        (float("inf"), 0, False),
        (25 + 1e-9, 25, True),
        (25.1, 25, False),
        ("\u0662\u0665", 25, True),
        ("9" * 500, 9, False),
        ("1e9999", 25, False),
    ],
)
def test_number(found, wanted, holds):
    assert matching.number(found, wanted) is holds
    if wanted == 25:
        assert matching.number(found, "25,00") is holds


def test_number_tolerances():
    assert matching.number("9.99", 10, absolute=0.01)
    assert not matching.number("9.98", 10, absolute=0.01)
    assert matching.number(103, 100, relative=0.03)
    assert not matching.number(104, 100, relative=0.03)
    assert matching.number(0.3, 0.1 + 0.2)
    for wrong in ({"wanted": "much"}, {"wanted": float("nan")}, {"wanted": 1, "absolute": -1}, {"wanted": True}):
        with pytest.raises(ValueError, match="finite number"):
            matching.number("1", **wrong)


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=2))
def test_every_spelling_of_a_number_is_that_number(value):
    for spelling in (
        value,
        float(value),
        str(value),
        f"{value:,}",
        f"{value:.4f}",
        f"EUR {value:,} in all",
        f"{value:e}",
    ):
        assert matching.number(spelling, value)
        assert not matching.number(spelling, value + 1, relative=0)


@pytest.mark.parametrize(
    ("found", "wanted", "holds"),
    [
        ("See you on TUESDAY  at\r\n noon.", "tuesday at noon", True),
        (f"dear {NFD}!", NFC.upper(), True),
        ("Stra\u00dfe", "STRASSE", True),
        ("abc", "abd", False),
        ("one two three", ["three", "One"], True),
        ("one two three", ["three", "four"], False),
        (None, "x", False),
        (5, "5", False),
        (b"x", "x", False),
    ],
)
def test_contains(found, wanted, holds):
    assert matching.contains(found, wanted) is holds


def test_contains_with_case_and_with_nothing():
    assert not matching.contains("abc", "ABC", case=True)
    assert matching.contains("a\n b", "a b", case=True)
    for nothing in ("", "  ", [], ["x", ""]):
        with pytest.raises(ValueError, match="empty text"):
            matching.contains("x", nothing)


def test_regex():
    assert matching.regex("Order no. AB-123\r\nthanks", r"^order no\. [a-z]{2}-\d+$")
    assert not matching.regex("order", "ORDER", case=True)
    assert matching.regex(f" {NFD}\n", NFC, whole=True)
    assert not matching.regex("xabc", "abc", whole=True)
    assert not matching.regex(None, "abc")
    with pytest.raises(Exception, match="unterminated"):
        matching.regex("x", "[")


def test_unordered():
    assert matching.unordered(["b", "a", "a"], ["a", "b", "a"])
    assert not matching.unordered(["a", "b", "b"], ["a", "b", "a"])
    assert not matching.unordered(["a", "b"], ["a"])
    assert matching.unordered(["a", "b"], ["b"], extra=True)
    assert not matching.unordered(["a"], ["a", "a"], extra=True)
    assert not matching.unordered("ab", ["a", "b"])
    assert matching.unordered([], [])
    assert matching.unordered(["EUR 2", "1.0"], [1, 2], match=matching.number)
    assert matching.unordered([{"x": 1, "y": 0}, {"x": 2}], [{"x": 2}, {"x": 1}], match=matching.json_subset)


def test_unordered_finds_a_way_where_items_fit_several():
    assert matching.unordered(["abc", "ab", "a"], ["a", "ab", "abc"], match=matching.contains)
    assert not matching.unordered(["abc", "a", "a"], ["a", "ab", "abc"], match=matching.contains)


@given(st.lists(st.integers(0, 4), max_size=6), st.randoms(use_true_random=False))
def test_unordered_is_equality_of_bags(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    assert matching.unordered(shuffled, items)
    assert not matching.unordered([*shuffled, 9], items)


@pytest.mark.parametrize(
    "spelling",
    [
        NOON,
        datetime(2030, 1, 7, 12),
        datetime(2030, 1, 7, 7, tzinfo=timezone(timedelta(hours=-5))),
        "2030-01-07T12:00:00Z",
        "2030-01-07 12:00",
        "2030-01-07T13:00+01:00",
        "20300107T120000Z",
        " Mon, 07 Jan 2030 12:00:00 +0000\r\n",
        "Mon, 7 Jan 2030 07:00:00 -0500",
        "7 Jan 2030 12:00 GMT",
        "Mon, 7 Jan 2030 12:00:00 -0000",
    ],
)
def test_one_moment_in_many_spellings(spelling):
    assert matching.moment(spelling, NOON)
    assert matching.moment(NOON, spelling)
    assert not matching.moment(spelling, NOON + timedelta(seconds=1))
    assert matching.moment(spelling, NOON + timedelta(minutes=5), tolerance="5m")


def test_moments_that_are_none():
    for found in (None, "", "tomorrow", "12", 5, [], "2030-13-01", "x" * 10_000, "Mon, 99 Jan 2030 12:00:00 +9999"):
        assert not matching.moment(found, NOON)
    assert matching.moment("2030-01-07", date(2030, 1, 7))
    for wrong in ({"wanted": "soon"}, {"wanted": NOON, "tolerance": "soon"}, {"wanted": NOON, "tolerance": -1}):
        with pytest.raises(ValueError, match=r"not a|backwards"):
            matching.moment(NOON, **wrong)
    assert not matching.moment(datetime.max.replace(tzinfo=UTC), NOON)
    assert not matching.moment("9999-12-31T23:59:59-23:00", NOON)


@pytest.mark.parametrize(
    ("found", "wanted", "holds"),
    [
        ({"a": 1, "b": {"c": [1, 2], "d": 0}}, {"b": {"c": [1, 2.0]}}, True),
        ('{"a": 1.0, "z": null}', {"a": 1}, True),
        ('```json\n{"a": 1}\n```', {"a": 1}, True),
        (b"[1, 2]", [1, 2], True),
        ("[2, 1]", [1, 2], False),
        ("[1, 2, 3]", [1, 2], False),
        ('{"a": 1}', {"b": 1}, False),
        ("not json", {"a": 1}, False),
        ("[" * 100_000, [1], False),
        (b"\xff", {"a": 1}, False),
        (None, {"a": 1}, False),
        ({}, {}, True),
        ({"a": "x\r\n"}, {"a": "x\n"}, True),
        ("plain", "plain", True),
    ],
)
def test_json_subset(found, wanted, holds):
    assert matching.json_subset(found, wanted) is holds


def test_json_subset_with_leaves_of_another_kind():
    assert matching.json_subset({"total": "EUR 12.00", "x": 1}, {"total": 12}, match=matching.number)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(ANYTHING)
def test_whatever_is_found_no_matcher_raises(found):
    results = [
        matching.exact(found, {"a": [1, "x", NOON]}),
        matching.number(found, 1),
        matching.contains(found, "x"),
        matching.regex(found, "x"),
        matching.unordered(found, [1, "x"]),
        matching.moment(found, NOON),
        matching.json_subset(found, {"a": 1}),
    ]
    assert all(type(result) is bool for result in results)
