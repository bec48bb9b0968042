"""Agreement: published values of kappa and alpha, and what cannot be known."""

from __future__ import annotations

import pytest

from terrarium.result.agreement import cohen_kappa, confusion, krippendorff_alpha

SKIN = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]
"""Two dermatologists: SAS/STAT user's guide, the FREQ procedure, getting started, "Agreement study"."""

COHEN = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
"""Cohen (1968), table 1: 200 diagnoses by two psychiatrists."""

UNITS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Krippendorff (2011), section C: four observers, twelve units, data missing."""


def test_kappa_and_its_interval_as_published():
    found = cohen_kappa(SKIN)
    assert (round(found.kappa, 4), round(found.stderr, 4)) == (0.3449, 0.0724)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2030, 0.4868)
    assert (found.n, found.agreed) == (88, 45 / 88)


def test_weighted_kappa_as_published():
    assert round(cohen_kappa(COHEN).kappa, 3) == 0.492
    assert round(cohen_kappa(COHEN, [[0, 1, 3], [1, 0, 6], [3, 6, 0]]).kappa, 3) == 0.348


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_the_standard_error_is_that_of_a_jackknife(weights):
    table = [[10 * count for count in row] for row in SKIN]
    n = sum(map(sum, table))
    left_out = []
    for i in range(4):
        for j in range(4):
            if table[i][j]:
                less = [[count - (a == i and b == j) for b, count in enumerate(row)] for a, row in enumerate(table)]
                left_out += [cohen_kappa(less, weights).kappa] * table[i][j]
    mean = sum(left_out) / n
    jackknife = ((n - 1) / n * sum((kappa - mean) ** 2 for kappa in left_out)) ** 0.5
    assert cohen_kappa(table, weights).stderr == pytest.approx(jackknife, rel=0.02)


def test_weights_by_hand():
    assert cohen_kappa([[20, 5], [10, 15]]).kappa == pytest.approx(0.4)
    for weights in ("linear", "quadratic"):  # of two categories all weights are the same
        assert cohen_kappa([[20, 5], [10, 15]], weights) == cohen_kappa([[20, 5], [10, 15]])
    near, far = [[5, 5, 0], [0, 5, 5], [0, 0, 5]], [[5, 0, 5], [5, 5, 0], [0, 0, 5]]
    assert cohen_kappa(near, "quadratic").kappa > cohen_kappa(far, "quadratic").kappa


def test_what_kappa_cannot_know():
    alone = cohen_kappa([[7, 0], [0, 0]])
    assert (alone.kappa, alone.low, alone.agreed, alone.n) == (None, None, 1.0, 7)
    perfect = cohen_kappa([[7, 0], [0, 7]])
    assert (perfect.kappa, perfect.stderr, perfect.high) == (1.0, 0.0, 1.0)
    for bad in ([], [[0, 0], [0, 0]], [[1, 2]]):
        with pytest.raises(ValueError, match="square"):
            cohen_kappa(bad)
    with pytest.raises(ValueError, match="weights are"):
        cohen_kappa([[1, 2], [3, 4]], [[0]])


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_as_published(level, alpha):
    rows = [line.split() for line in UNITS.strip().splitlines()]
    items = {
        unit: [float(label) for label in labels if label != "."] for unit, labels in enumerate(zip(*rows, strict=True))
    }
    assert round(krippendorff_alpha(items, level), 3) == alpha


def test_what_alpha_cannot_know():
    assert krippendorff_alpha({}) is None
    assert krippendorff_alpha({"a": ["yes"], "b": ["no"]}) is None
    assert krippendorff_alpha({"a": ["yes", "yes"]}) is None
    assert krippendorff_alpha({"a": ["yes", "yes"], "b": ["no", "no"]}) == 1.0


def test_a_confusion_table_counts_the_first_in_rows():
    assert confusion([("a", "b"), ("a", "b"), ("b", "b")], ["a", "b"]) == [[0, 2], [0, 1]]
    with pytest.raises(ValueError, match="'c' is none of"):
        confusion([("a", "c")], ["a", "b"])
