"""While a command runs, services may act; the clock stands, and then follows the wall."""

from __future__ import annotations

import asyncio

import pytest

from terrarium.core import patience
from terrarium.core.baton import Baton
from terrarium.core.callbacks import Callbacks
from terrarium.core.clock import Clock
from terrarium.core.errors import BudgetSpent
from terrarium.core.journal import Journal
from terrarium.core.patience import Patience


class Hall:
    def __init__(self, folder, seconds: float = 3600.0) -> None:
        self.clock = Clock()
        self.start = self.clock.micros
        journal = Journal(folder / "journal.jsonl", lambda: self.clock.micros)
        self.callbacks = Callbacks(self.clock, journal, lambda: 0, self.start + round(seconds * 1e6))
        self.baton = Baton()
        self.patience = Patience(self.baton, self.callbacks)

    @property
    def passed(self) -> float:
        return (self.clock.micros - self.start) / 1e6


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(patience, "SECONDS", 0.05)
    monkeypatch.setattr(patience, "TICK", 0.02)


def test_a_service_can_act_while_somebody_waits_for_a_command(tmp_path):
    hall = Hall(tmp_path)

    async def command() -> str:
        async with asyncio.timeout(5), hall.baton.hold("mail"):
            return f"served by {hall.baton.holder}"

    async def go() -> str:
        async with hall.baton.hold("agent"):
            said = await hall.patience.running(command())
            assert hall.baton.holder == "agent"
        assert hall.baton.holder is None
        return said

    assert asyncio.run(go()) == "served by mail"
    assert (hall.passed, hall.patience.measured) == (0, False)


def test_a_short_command_costs_no_world_time_and_a_long_one_follows_the_wall(tmp_path, impatient):
    hall = Hall(tmp_path)
    asyncio.run(hall.patience.follow(asyncio.sleep(0)))
    assert (hall.passed, hall.patience.measured) == (0, False)
    asyncio.run(hall.patience.follow(asyncio.sleep(0.3)))
    assert hall.patience.measured
    assert 0 < hall.passed < 0.3


def test_what_is_due_happens_while_a_long_command_runs(tmp_path, impatient):
    hall = Hall(tmp_path)
    seen: list[float] = []
    hall.callbacks.register(1, {"callback": lambda: seen.append(hall.passed)}, tools=False)
    hall.callbacks.after(1, "40ms")
    asyncio.run(hall.patience.follow(asyncio.sleep(0.3)))
    assert seen == [0.04]


def test_a_command_ends_where_world_time_does(tmp_path, impatient):
    hall = Hall(tmp_path, seconds=0.05)

    async def go() -> None:
        async with hall.baton.hold("agent"):
            await hall.patience.running(asyncio.sleep(60))

    with pytest.raises(BudgetSpent):
        asyncio.run(go())


def test_what_fails_is_raised_and_the_baton_is_back(tmp_path):
    hall = Hall(tmp_path)

    async def broken() -> None:
        raise ValueError("no")

    async def go() -> None:
        async with hall.baton.hold("agent"):
            with pytest.raises(ValueError, match="no"):
                await hall.patience.running(broken())
            assert hall.baton.holder == "agent"

    asyncio.run(go())


def test_two_who_wait_at_once_do_not_make_time_go_twice_as_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "SECONDS", 0.01)
    monkeypatch.setattr(patience, "TICK", 0.1)
    hall = Hall(tmp_path)

    async def go() -> float:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(hall.patience.follow(asyncio.sleep(1.0)) for _ in range(5)))
        return asyncio.get_running_loop().time() - began

    assert hall.passed <= asyncio.run(go()) + 0.1
    assert hall.passed > 0
