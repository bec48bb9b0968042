"""What may change, and what is said of the rest."""

from __future__ import annotations

import pytest

from terrarium.core.allowed import allowed, check_capabilities, complaint
from terrarium.core.diff import Diff, RowChange
from terrarium.core.errors import ConfigError

CELL = RowChange("sheets", "cell", "Budget!B2", {"value": 1, "by": "ann"}, {"value": 2, "by": "ann"}, ["buyer"])
NEW = RowChange("sheets", "cell", "Budget!C9", None, {"value": "x"}, ["seller"])
GONE = RowChange("postgres:main", "public.orders", "7", {"total": 5}, None)
DIFF = Diff([GONE, CELL, NEW])


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("sheets", [CELL, NEW]),
        ("sheets:cell", [CELL, NEW]),
        ("sheets:*", [CELL, NEW]),
        ("sheets:cell:Budget!B*", [CELL]),
        ("sheets:cell:Budget!?[29]", [CELL, NEW]),
        ("sheets:cell:budget!B2", []),
        ("sheets:row", []),
        ("sheet", []),
        ("postgres", []),
        ("postgres:main", [GONE]),
        ("postgres:main:public.orders:7", [GONE]),
        ("postgres:main:public.orders:8", []),
    ],
)
def test_a_pattern_names_capability_table_and_key(pattern, covered):
    assert [change for change in (CELL, NEW, GONE) if allowed(pattern).covers(change)] == covered


@pytest.mark.parametrize(
    ("more", "covered"),
    [
        ({"kind": "added"}, [NEW]),
        ({"kind": "changed"}, [CELL]),
        ({"fields": ["value"]}, [CELL, NEW]),
        ({"fields": ["by"]}, [NEW]),
        ({"by": "buyer"}, [CELL]),
        ({"where": {"value": 2}}, [CELL]),
        ({"where": {"value": 2.0}}, []),
        ({"where": {"value": lambda value: isinstance(value, str)}}, [NEW]),
        ({"where": {"nothing": None}}, []),
    ],
)
def test_and_more_about_the_row(more, covered):
    assert [change for change in (CELL, NEW) if allowed("sheets", **more).covers(change)] == covered


def test_of_what_is_removed_the_row_before_counts():
    assert allowed("postgres:main", kind="removed", where={"total": 5}).covers(GONE)
    assert not allowed("postgres:main", where={"total": 6}).covers(GONE)


def test_a_complaint_says_what_else_changed_and_what_is_missing():
    assert complaint(DIFF, [allowed("sheets"), allowed("postgres:main")]) is None
    assert complaint(Diff(), []) is None
    told = complaint(DIFF, [allowed("sheets:cell:Budget!B*"), allowed("postgres:main", kind="added", at_least=1)])
    assert told == (
        "changed, too:\n"
        "postgres:main: 1 removed\n"
        "  - public.orders 7: total 5\n"
        "sheets: 1 added\n"
        '  + cell Budget!C9 (by seller): value "x"\n'
        "missing: 1 × postgres:main (added), there is none"
    )


def test_counts():
    two = [allowed("sheets", times=2), allowed("postgres:main")]
    assert complaint(DIFF, two) is None
    assert "Budget!C9" in complaint(DIFF, [allowed("sheets", at_most=1), allowed("postgres:main")])
    assert "there is 2" in complaint(DIFF, [allowed("sheets", at_least=3), allowed("postgres:main")])
    # a change counts for the first that covers it and has room
    assert (
        complaint(DIFF, [allowed("sheets", times=1), allowed("sheets:cell", times=1), allowed("postgres:main")]) is None
    )


def test_what_cannot_be_known_is_not_taken_as_unchanged():
    assert "7 changes could not" in complaint(Diff([], left_out=7), [allowed("sheets")])
    assert "workspace" in complaint(Diff([], 0, ["workspace"]), [])


@pytest.mark.parametrize("bad", [("",), (None,), (3,)])
def test_what_is_no_pattern(bad):
    with pytest.raises(ConfigError, match="a pattern is text"):
        allowed(*bad)


def test_other_mistakes_are_told():
    with pytest.raises(ConfigError, match="kind is one of"):
        allowed("sheets", kind="edited")
    with pytest.raises(ConfigError, match="list of names"):
        allowed("sheets", fields="value")
    with pytest.raises(ConfigError, match=r"no 'sheet' \(did you mean 'sheets'\?\)"):
        check_capabilities([allowed("sheet:cell")], ["sheets", "email"])
    check_capabilities([allowed("sheets:cell"), allowed("postgres:main:t:k")], ["sheets", "postgres:main"])
