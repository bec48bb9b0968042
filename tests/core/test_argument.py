"""Arguments of admin methods and the types that the methods declare."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest

from terrarium.core.argument import check_arguments
from terrarium.core.errors import Refused


class Desk:
    def put(
        self,
        name: str,
        count: int = 1,
        weight: float | None = None,
        words: list[str] | None = None,
        rows: list[list[Any]] = (),  # type: ignore[assignment]
        marks: dict[str, bytes] | None = None,
        side: Literal["left", "right"] = "left",
        day: date | str = "",
        what: Any = None,
        untyped=None,
        **rest: int,
    ) -> None: ...

    def strange(self, thing: NotAnywhere) -> None: ...  # noqa: F821


@pytest.mark.parametrize(
    "good",
    [
        {"name": "", "count": True},
        {"weight": 1, "words": ("a", "b"), "rows": [(1, None)], "marks": {"a": b""}},
        {"weight": None, "words": None, "marks": None, "rows": ()},
        {"side": "right", "day": date(2030, 1, 1), "what": object(), "untyped": {1}, "more": "said elsewhere"},
    ],
)
def test_what_fits_passes(good: dict[str, Any]):
    check_arguments("env.desk.put", Desk().put, good)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"name": None}, "env.desk.put: name must be str, and is None"),
        ({"name": b"x"}, "name must be str, and is bytes: b'x'"),
        ({"count": 1.5}, "count must be int, and is float: 1.5"),
        ({"weight": "1"}, "weight must be float | None, and is str: '1'"),
        ({"words": "ab"}, "words must be list[str] | None, and is str: 'ab'"),
        ({"words": ["a", 1]}, "words must be list[str] | None"),
        ({"rows": [{}]}, "rows must be list[list[Any]], and is list: [{}]"),
        ({"marks": {"a": "b"}}, "marks must be dict[str, bytes] | None"),
        ({"side": "up"}, "side must be Literal['left', 'right'], and is str: 'up'"),
        ({"day": 7}, "day must be datetime.date | str, and is int: 7"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(bad: dict[str, Any], told: str):
    with pytest.raises(Refused) as refused:
        check_arguments("env.desk.put", Desk().put, bad)
    assert told in str(refused.value)


def test_long_values_are_cut_and_types_that_cannot_be_read_let_everything_pass():
    with pytest.raises(Refused) as refused:
        check_arguments("p", Desk().put, {"name": ["x" * 10_000]})
    assert len(str(refused.value)) < 200
    check_arguments("p", Desk().strange, {"thing": 1})
