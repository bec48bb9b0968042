"""Simulated people in the words of the core: who is declared, who is told, and when they come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terrarium.core.callbacks import Callbacks
from terrarium.core.clock import Clock
from terrarium.core.diff import counting
from terrarium.core.errors import RETRIED, ConfigError, UserBroken, UserFault, boundary_of, revive
from terrarium.core.journal import Journal
from terrarium.core.notice import Notices
from terrarium.core.person import can_be_user, declared
from terrarium.core.task import entry


def test_a_simulated_person_is_an_agent_of_their_own():
    people = declared({"ben": {"simulated": True}, "cleo": {}}, ["agent"])
    assert (people["ben"].agent, people["ben"].simulated) == ("ben", True)
    assert (people["cleo"].agent, people["cleo"].simulated) == (None, False)


@pytest.mark.parametrize(
    "people",
    [
        {"ben": {"simulated": "yes"}},
        {"agent": {"simulated": True}},
        {"ben": {"simulated": True, "agent": "agent"}},
        {"task": {"simulated": True}},
        {"world": {"simulated": True}},
    ],
)
def test_who_cannot_be_simulated_is_refused(people):
    with pytest.raises(ConfigError):
        declared(people, ["agent"])


def test_a_task_knows_who_lives_in_it_and_keeps_checkpoints_from_them():
    made = entry(people={"ben": {"simulated": True}, "ann": {}})(lambda env, agent: None)
    assert [id for id, person in made.people.items() if person.simulated] == ["ben"]
    with pytest.raises(ConfigError, match="checkpoints"):
        entry(people={"ben": {"simulated": True}}, checkpoints=1)


def test_names_that_nobody_can_have():
    assert can_be_user("customer", ["agent"])
    assert not any(
        can_be_user(name, ["agent"]) for name in ("agent", "task", "world", "operator", "root", "", "a b", 7)
    )


def test_they_are_told_of_everything_and_agents_of_what_the_task_says():
    notices = Notices(["email"], ["ben"])
    for who in ("agent", "ben"):
        notices.put(who, "slack", "hello")
    assert not notices.waiting("agent")
    assert [notice.text for notice in notices.waiting("ben")] == ["hello"]


def test_they_are_no_agents_to_a_diff():
    counts = counting("agents", {"ben"})
    assert [counts(actor, False) for actor in ("agent", "ben", "task", "world")] == [True, False, False, False]
    assert counting("ben", {"ben"})("ben", False)


def test_their_failures_have_a_boundary_and_come_back_from_a_journal():
    assert boundary_of(UserFault("x")) == boundary_of(UserBroken("x")) == "user"
    assert "user" in RETRIED
    assert type(revive("UserBroken", "x")) is UserBroken


class Neighbour:
    """Acts at given moments, and writes down when."""

    def __init__(self, clock: Clock, *moments: int) -> None:
        self.clock, self.moments = clock, list(moments)
        self.acted: list[int] = []

    def due(self) -> int | None:
        return self.moments[0] if self.moments else None

    async def act(self) -> None:
        self.acted.append(self.clock.micros - self.clock.start)
        self.moments.pop(0)


def test_they_act_at_their_moments_after_what_was_scheduled_for_the_same(tmp_path: Path):
    clock = Clock()
    callbacks = Callbacks(clock, Journal(tmp_path / "journal.jsonl", lambda: clock.micros), lambda: 0)
    start, told = clock.micros, []
    neighbour = Neighbour(clock, start + 5, start + 10, start + 30)
    callbacks.neighbours = neighbour
    for number, moment in ((1, 10), (2, 20)):
        callbacks.register(number, {"callback": lambda n=number: told.append((n, list(neighbour.acted)))}, tools=False)
        callbacks.schedule.add(number, start + moment)
    assert (callbacks.due(), callbacks.last()) == (start + 5, start + 20)
    asyncio.run(callbacks.pass_time(25))
    assert neighbour.acted == [5, 10]
    assert told == [(1, [5]), (2, [5, 10])]
    assert clock.micros == start + 25
    assert (callbacks.due(), callbacks.last()) == (start + 30, start + 30)
