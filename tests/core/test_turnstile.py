"""The turnstile: actions pass in order of world time, whatever the order in which they arrive."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from terrarium.core.turnstile import Turnstile


async def _act(turnstile: Turnstile, key: str, dues: list[int], delay: int, passed: list[tuple[int, str]]) -> None:
    for due in dues:
        for _ in range(delay):
            await asyncio.sleep(0)
        async with turnstile.passing(key, due, ord(key)):
            passed.append((due, key))
            await asyncio.sleep(0)
    turnstile.leave(key)


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


@pytest.mark.parametrize("delays", list(itertools.permutations([0, 1, 5])))
def test_actions_pass_in_order_of_time_then_rank(delays):
    passed: list[tuple[int, str]] = []
    plans = {"a": [2, 4, 9], "b": [2, 3, 10], "c": [1, 9, 9]}

    async def main() -> None:
        turnstile = Turnstile()
        for key in plans:
            turnstile.join(key)
        await asyncio.gather(
            *[
                _act(turnstile, key, dues, delay, passed)
                for (key, dues), delay in zip(plans.items(), delays, strict=True)
            ]
        )

    _run(main)
    assert passed == sorted((due, key) for key, dues in plans.items() for due in dues)


def test_nobody_passes_while_somebody_has_not_said_when_it_is_due():
    async def main() -> None:
        turnstile = Turnstile()
        turnstile.join("program")
        turnstile.join("a")
        passed: list[tuple[int, str]] = []
        acting = asyncio.create_task(_act(turnstile, "a", [1], 0, passed))
        for _ in range(10):
            await asyncio.sleep(0)
        assert passed == []
        turnstile.leave("program")
        await acting
        assert passed == [(1, "a")]

    _run(main)


def test_whoever_gives_up_waiting_stops_nobody():
    async def main() -> None:
        turnstile = Turnstile()
        for key in "ab":
            turnstile.join(key)
        passed: list[tuple[int, str]] = []
        first = asyncio.create_task(_act(turnstile, "a", [1], 0, passed))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        turnstile.leave("a")
        await _act(turnstile, "b", [5], 0, passed)
        assert passed == [(5, "b")]

    _run(main)
