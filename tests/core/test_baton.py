"""One baton: one holder at a time, in order of asking."""

from __future__ import annotations

import asyncio

from terrarium.core.baton import Baton


def test_one_holder_at_a_time_and_dropped_on_every_path():
    async def go() -> list[str]:
        baton, story = Baton(), []

        async def hold(name: str, fails: bool = False) -> None:
            async with baton.hold(name):
                story.append(f"{name} in")
                await asyncio.sleep(0)
                assert baton.holder == name
                story.append(f"{name} out")
                if fails:
                    raise ValueError

        await asyncio.gather(hold("a", True), hold("b"), hold("c"), return_exceptions=True)
        assert baton.holder is None
        return story

    assert asyncio.run(go()) == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_who_stops_waiting_does_not_get_it():
    async def go() -> None:
        baton = Baton()
        await baton.take("a")
        waiting = asyncio.ensure_future(baton.take("b"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        baton.drop()
        async with asyncio.timeout(5), baton.hold("c"):
            assert baton.holder == "c"

    asyncio.run(go())
