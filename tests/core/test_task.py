"""`@entry`, limits, and what they refuse."""

from __future__ import annotations

import pytest

from terrarium.core.clock import START, Costs
from terrarium.core.errors import ConfigError
from terrarium.core.task import Entry, Limits, entry


def test_an_entry_is_still_the_function():
    @entry(["email"], config={"email": {"domain": "x.example"}}, clock="2031-01-01T00:00:00", limits={"steps": 3})
    def fn(env, agent, word="a"):
        """Do it."""
        return env, agent, word

    assert isinstance(fn, Entry)
    assert fn(1, 2, word="b") == (1, 2, "b")
    assert (fn.__name__, fn.__doc__) == ("fn", "Do it.")
    assert fn.capabilities == ("email",)
    assert fn.capabilities_config == {"email": {"domain": "x.example"}}
    assert fn.limits == Limits(steps=3)
    assert fn.start.isoformat() == "2031-01-01T00:00:00+00:00"
    assert entry()(lambda env, agent: None).start == START


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"capabilities": "email"}, "must be a list of names"),
        ({"capabilities": ["email"], "config": {"emial": {}}}, "did you mean 'email'"),
        ({"agents": []}, "agents must be a list of different names"),
        ({"agents": ["a", "a"]}, "agents must be a list of different names"),
        ({"agents": "ab"}, "agents must be a list of different names"),
        ({"null": "maybe"}, "null must be"),
        ({"random": "yes"}, "random must be"),
        ({"clock": "soon"}, "clock: "),
        ({"limits": {"stpes": 1}}, "did you mean 'steps'"),
        ({"limits": {"steps": 0}}, "limits.steps must be a number above zero"),
        ({"limits": {"turn_seconds": True}}, "limits.turn_seconds"),
        ({"limits": {"trial_seconds": float("nan")}}, "limits.trial_seconds"),
        ({"limits": {"turns": None}}, "limits.turns"),
        ({"limits": {"model_cost": "-1s"}}, "not a span"),
    ],
)
def test_mistakes_are_named(settings, told):
    with pytest.raises(ConfigError, match=told):
        entry(**settings)


def test_settings_are_not_shared_with_the_caller():
    settings = {"email": {"accounts": {"agent": "a@x.example"}}}

    @entry(["email"], settings)
    def fn(env, agent): ...

    settings["email"]["accounts"]["agent"] = "changed"
    assert fn.capabilities_config["email"]["accounts"]["agent"] == "a@x.example"


def test_limits_cost_and_change():
    assert Limits().costs() == Costs(2_000_000, 1_000_000, 1_000_000)
    assert Limits(model_cost="500ms", tool_cost=0).costs() == Costs(500_000, 0, 1_000_000)
    assert Limits().with_({"tokens": 5, "cost": None}).tokens == 5
    assert Limits() == Limits().with_({})


def test_solutions_belong_to_agents_that_exist():
    @entry(agents=["buyer", "seller"])
    def fn(env, agents): ...

    @fn.solution
    def first(seat): ...

    @fn.solution(agent="seller")
    def second(seat): ...

    assert fn.solutions == {"buyer": first, "seller": second}
    with pytest.raises(ConfigError, match="no agent 'broker'; it has: buyer, seller"):
        fn.solution(agent="broker")(second)
