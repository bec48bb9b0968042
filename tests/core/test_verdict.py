"""Scores: weights, gates, and nothing checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.core.verdict import Check, score


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([], 0.0),
        ([Check("a", True)], 1.0),
        ([Check("a", True), Check("b", False)], 0.5),
        ([Check("a", True, weight=3), Check("b", False, weight=1)], 0.75),
        ([Check("a", True), Check("gate", False, required=True)], 0.0),
        ([Check("a", True), Check("b", False), Check("gate", True, weight=0, required=True)], 0.5),
        ([Check("a", True), Check("bad", False, forbidden=True, weight=0)], 0.0),
        ([Check("a", False), Check("b", True), Check("bad", True, forbidden=True, weight=0)], 0.5),
        ([Check("bad", True, forbidden=True, weight=0)], 1.0),
        ([Check("a", False, weight=0)], 1.0),
    ],
)
def test_score(checks, expected):
    assert score(checks) == expected


CHECKS = st.builds(Check, st.just("c"), st.booleans(), st.sampled_from([0.0, 1.0, 2.5]), st.booleans(), st.booleans())


@given(st.lists(CHECKS, max_size=6))
def test_score_is_a_fraction_and_order_does_not_matter(checks):
    assert 0.0 <= score(checks) <= 1.0
    assert score(checks) == pytest.approx(score(checks[::-1]))
