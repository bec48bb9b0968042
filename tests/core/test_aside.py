"""Blocking work beside the loop: the loop goes on, and nobody runs ahead of what still works."""

from __future__ import annotations

import asyncio
import threading

import pytest

from terrarium.core.aside import aside


def test_the_loop_goes_on_meanwhile():
    async def go() -> bool:
        turned = threading.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        return await aside(lambda: turned.wait(30))

    assert asyncio.run(go())


def test_what_the_work_raises_is_raised():
    def work() -> None:
        raise OSError(28, "no room")

    with pytest.raises(OSError, match="no room"):
        asyncio.run(aside(work))


def test_who_is_cancelled_goes_on_when_the_work_has_ended():
    async def go() -> None:
        begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            may_end.wait(30)
            ended.set()
            raise OSError

        waiting = asyncio.ensure_future(aside(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(2):
            waiting.cancel()
            await asyncio.sleep(0.01)
            assert not waiting.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended.is_set()

    asyncio.run(go())
