"""Letters between capabilities."""

from __future__ import annotations

from typing import ClassVar

import pytest

from terrarium.core.errors import Refused
from terrarium.core.post import hand_over


class Box:
    letters: ClassVar[dict[str, str]] = {"mail": "send"}

    def __init__(self) -> None:
        self.got: list[str] = []

    def send(self, to: str) -> None:
        if not to:
            raise Refused("to nobody")
        self.got.append(to)


class Deaf:
    """Takes no letters."""


def test_the_first_by_name_that_takes_the_kind_gets_it_alone() -> None:
    late, early = Box(), Box()
    there = {"mail:late": late, "mail": early, "deaf": Deaf()}
    assert hand_over(there, "mail", {"to": "ann"})
    assert (early.got, late.got) == (["ann"], [])


def test_nobody_takes_it() -> None:
    assert not hand_over({"deaf": Deaf(), "mail": Box()}, "fax", {"to": "ann"})
    assert not hand_over({}, "mail", {"to": "ann"})


def test_the_one_that_takes_it_may_refuse() -> None:
    with pytest.raises(Refused):
        hand_over({"mail": Box()}, "mail", {"to": ""})
