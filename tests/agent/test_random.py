"""The random agent: valid calls, decided by its seed."""

from __future__ import annotations

from datetime import date
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrarium.agent.random import RandomAgent
from terrarium.core.errors import Refused
from terrarium.core.tool import Tool

TASK = """
@entry()
def fn(env, agent):
    for round in range(4):
        agent.act("do what you like")
    return run_checkers({"so": lambda: True})
"""


def test_the_seed_decides_everything(play):
    one, two, other = play(TASK, "random"), play(TASK, "random"), play(TASK, "random", seed=1)
    assert one.reward == two.reward == other.reward == 1.0

    def story(played):
        return [event.equal_part() for event in played.events("tool_call", "turn", "model")]

    assert story(one) == story(two) != story(other)
    assert one.events("tool_call")


def demand(
    a: int, b: float, c: bool, d: Literal["x", "y"], e: list[int], f: str | None, g: dict[str, int], h: None = None
) -> None:
    """Many types."""


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_arguments_fit_their_schema(seed):
    tool = Tool.of(demand)
    tool.bind(RandomAgent(seed)._arguments(tool))


def strict(day: date) -> None:
    """A format that chance seldom hits."""


def test_a_format_it_cannot_guess_is_refused_not_a_crash():
    tool = Tool.of(strict)
    with pytest.raises(Refused, match="day"):
        tool.bind(RandomAgent(1)._arguments(tool))
