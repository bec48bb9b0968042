from __future__ import annotations

import asyncio

from terrarium.model.pace import Pace


def test_no_more_than_so_many_are_under_way() -> None:
    async def run() -> int:
        pace, now, most = Pace(3), 0, 0

        async def one() -> None:
            nonlocal now, most
            async with pace.place():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    assert asyncio.run(run()) == 3


def test_too_many_requests_halve_it_and_answers_bring_it_back() -> None:
    async def run() -> list[int]:
        pace = Pace(8)
        seen = [pace.allowed]
        for _ in range(5):
            pace.failed("rate_limit", None)
        seen.append(pace.allowed)
        pace.failed("server", None)
        for _ in range(100):
            async with pace.place():
                pass
        return [*seen, pace.allowed]

    assert asyncio.run(run()) == [8, 1, 8]


def test_a_request_that_breaks_leaves_its_place() -> None:
    async def run() -> None:
        pace = Pace(1)
        for _ in range(3):
            try:
                async with pace.place():
                    raise OSError
            except OSError:
                pass
        async with asyncio.timeout(5), pace.place():
            pass

    asyncio.run(run())


def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    async def run() -> None:
        pace = Pace(1)
        async with pace.place():
            waiting = asyncio.create_task(_once(pace))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        async with asyncio.timeout(5):
            await _once(pace)

    asyncio.run(run())


def test_after_too_many_nobody_begins_before_the_provider_says_so() -> None:
    async def run() -> float:
        pace, loop = Pace(4), asyncio.get_running_loop()
        pace.failed("rate_limit", 0.05)
        began = loop.time()
        async with pace.place():
            return loop.time() - began

    assert asyncio.run(run()) >= 0.04


def test_more_than_the_rate_has_to_wait() -> None:
    async def run() -> bool:
        pace = Pace(per_minute=2)
        await _once(pace)
        await _once(pace)
        try:
            async with asyncio.timeout(0.05):
                await _once(pace)
        except TimeoutError:
            return True
        return False

    assert asyncio.run(run())


async def _once(pace: Pace) -> None:
    async with pace.place():
        pass
