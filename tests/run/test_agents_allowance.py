"""What an agent may use, and how much of it is left."""

from __future__ import annotations

import time

from terrarium.core.agent import Budget
from terrarium.core.clock import Clock
from terrarium.core.message import Message, Usage
from terrarium.core.model import Completion
from terrarium.core.task import Limits
from terrarium.run.allowance import Allowance
from terrarium.run.totals import Totals


def test_what_is_used_of_every_kind_that_has_a_limit():
    clock, totals = Clock(), Totals()
    limits = Limits(steps=10, tool_calls=20, turns=5, tokens=1000, cost=2.0, world_days=1, turn_seconds=60)
    allowance = Allowance(limits, totals, clock)
    totals.turns = 1
    budget = allowance.begin()
    assert budget.used() == {
        "steps": (0, 10),
        "tool_calls": (0, 20),
        "tokens": (0, 1000),
        "cost": (0.0, 2.0),
        "turns": (1, 5),
        "seconds": (0.0, 60.0),
        "world_seconds": (0.0, 86400.0),
    }
    budget.steps -= 4
    clock.move(clock.micros + 3600 * 1_000_000)
    allowance.spend(Completion(Message("assistant", ""), usage=Usage(300, 100), cost=0.5))
    allowance.look()
    used = budget.used()
    assert (used["steps"], used["tokens"], used["cost"]) == ((4, 10), (400, 1000), (0.5, 2.0))
    assert used["world_seconds"] == (3600.0, 86400.0)
    assert totals.over is None
    allowance.spend(Completion(Message("assistant", ""), usage=Usage(600, 0)))
    assert totals.over == "token_limit"
    allowance.spend(Completion(Message("assistant", ""), cost=1.5))
    assert totals.over == "cost_limit"


def test_what_others_use_counts_too_and_wall_time_passes():
    totals = Totals()
    allowance = Allowance(Limits(tokens=100), totals, Clock())
    budget = allowance.begin()
    allowance.time(50.0)
    totals.tokens = 70
    began = time.monotonic()
    while time.monotonic() == began:
        pass
    allowance.look()
    assert budget.tokens == 30
    assert budget.seconds is not None
    assert 0 < budget.seconds < 50
    assert budget.used()["seconds"][1] == 50.0
    assert budget.used()["seconds"][0] > 0


def test_a_turn_that_goes_on_has_what_it_had():
    allowance = Allowance(Limits(steps=10, tool_calls=20), Totals(), Clock())
    budget = allowance.again([3, 4, None, None])
    assert (budget.steps, budget.tool_calls) == (3, 4)
    assert budget.used()["steps"] == (7, 10)


def test_a_budget_of_which_nothing_is_known_tells_nothing():
    assert Budget(3, 4).used() == {}
