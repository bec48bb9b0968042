"""Time in a local sandbox: processes see the time of the world."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import pytest
from local_box import needs_namespaces, out, use

from terrarium.core.clock import Clock
from terrarium.core.sandbox import Ground

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the wheel of libfaketime is for x86-64"),
]


def test_processes_see_the_time_of_the_world_and_it_stands(tmp_path):
    clock = Clock(datetime(2031, 5, 6, 7, 8, 9, 250_000, UTC))

    async def work(box):
        assert await out(box, "date -u +%FT%T; sleep 1.2; date -u +%FT%T") == "2031-05-06T07:08:09\n" * 2
        assert await out(box, "TZ=America/New_York date +%FT%T%z") == "2031-05-06T03:08:09-0400\n"
        clock.move(clock.micros + 3600 * 10**6)
        assert await out(box, "date -u +%T") == "08:08:09\n"
        assert (await box.shell("date -u +%T")).stdout == "08:08:09\n"
        code = "import time; t = time.monotonic(); time.sleep(0.1); "
        code += "print(int(time.time() * 1e6), time.monotonic() - t > 0.09)"
        assert (await out(box, ["python3", "-c", code])).split() == [str(clock.micros), "True"]

    use(tmp_path / "box", work, Ground(clock=clock))


def test_a_running_process_sees_the_time_move(tmp_path):
    clock = Clock()

    async def work(box):
        code = "import time, sys\nt = time.time()\nopen('/tmp/on', 'w')\nwhile time.time() < t + 60: time.sleep(0.01)"
        task = asyncio.ensure_future(box.exec(["python3", "-c", code], timeout=20))
        while "on" not in await box.list("/tmp"):
            await asyncio.sleep(0.02)
        assert not task.done()
        clock.move(clock.micros + 61 * 10**6)
        assert (await task).exit_code == 0

    use(tmp_path / "box", work, Ground(clock=clock))


def test_it_can_be_turned_off(tmp_path):
    async def work(box):
        assert await out(box, "echo [$LD_PRELOAD]") == "[]\n"
        return int(await out(box, "date +%Y"))

    assert use(tmp_path / "box", work, Ground(settings={"world_time": False})) == datetime.now(UTC).year


def test_a_closed_sandbox_is_told_no_time(tmp_path):
    clock = Clock()
    use(tmp_path / "box", lambda box: out(box, "true"), Ground(clock=clock))
    clock.move(clock.micros + 1)
