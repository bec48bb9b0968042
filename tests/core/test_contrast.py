"""Where two values differ, and how that is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terrarium.core.contrast import WIDTH, Contrast, contrasts, cut

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def test_each_place_is_named_with_both_sides():
    one = {"args": {"to": ["ann", "bob"], "cc": []}, "same": [1, {"x": 2}], "gone": 1}
    other = {"args": {"to": ["ann", "eve"], "cc": ["kim"]}, "same": [1, {"x": 2}], "new": True}
    assert contrasts(one, other) == [
        Contrast("args.to[1]", '"bob"', '"eve"'),
        Contrast("args.cc[0]", "nothing", '"kim"'),
        Contrast("gone", "1", "nothing"),
        Contrast("new", "nothing", "true"),
    ]
    assert len(contrasts(list(range(10)), list(range(10, 20)))) == 5


def test_a_number_is_not_a_truth_value():
    assert contrasts({"x": 1}, {"x": True}) == [Contrast("x", "1", "true")]


def test_records_are_looked_into():
    one, other = ({"$record": "Row", "fields": {"a": 1, "b": number}} for number in (2, 3))
    assert contrasts(one, other) == [Contrast("b", "2", "3")]


def test_long_texts_are_cut_around_the_differing_place():
    one, other = "x" * 100_000 + "left" + "y" * 500, "x" * 100_000 + "right" + "y" * 500
    short = cut(one, other)
    assert "xleft" in short[0]
    assert "xright" in short[1]
    assert all(text[0] == text[-1] == "…" and len(text) == WIDTH + 2 for text in short)


@given(TREES, TREES)
def test_equal_trees_and_only_they_have_none(one, other):
    def typed(tree):
        if isinstance(tree, dict):
            return {key: typed(value) for key, value in tree.items()}
        return [typed(value) for value in tree] if isinstance(tree, list) else (type(tree), tree)

    assert (contrasts(one, other) == []) == (typed(one) == typed(other))
    assert contrasts(one, one) == []


@given(st.text(max_size=300), st.text(max_size=300))
def test_what_is_cut_still_differs(one, other):
    short = cut(one, other, 40)
    assert (short[0] == short[1]) == (one == other) or one == other
