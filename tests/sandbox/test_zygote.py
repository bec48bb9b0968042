"""The zygote: children in sessions of their own, which never outlive it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from terrarium.core.errors import EngineFault
from terrarium.sandbox.zygote import Zygote

PATH = {"PATH": "/usr/bin:/bin"}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _gone(pid: int) -> bool:
    for _ in range(100):
        if not _alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_child_gets_its_streams_environment_and_folder(tmp_path):
    async def go() -> tuple[bytes, int]:
        zygote, (reader, writer) = Zygote(), os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        child = await zygote.spawn(
            ["sh", "-c", "echo $WORD; pwd; exit 7"],
            streams=(null, writer, writer),
            env={**PATH, "WORD": "grüß"},
            cwd=str(tmp_path),
        )
        os.close(writer)
        code = await child.ended
        data = os.read(reader, 1000)
        os.close(reader)
        os.close(null)
        zygote.close()
        return data, code

    data, code = asyncio.run(go())
    assert data.decode().split() == ["grüß", str(tmp_path)]
    assert code == 7


def test_killing_a_child_kills_what_it_started():
    async def go() -> list[int]:
        zygote, (reader, writer) = Zygote(), os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        child = await zygote.spawn(
            ["sh", "-c", "sleep 100 & echo $!; sleep 100"], streams=(null, writer, null), env=PATH
        )
        os.close(writer)
        grandchild = int(os.read(reader, 100))
        zygote.kill(child)
        assert await child.ended == -signal.SIGKILL
        os.close(reader)
        os.close(null)
        zygote.close()
        return [child.pid, grandchild]

    for pid in asyncio.run(go()):
        assert _gone(pid)


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_nothing_outlives_the_zygote(how):
    async def go() -> int:
        zygote = Zygote()
        null = os.open(os.devnull, os.O_RDWR)
        child = await zygote.spawn(["sleep", "100"], streams=(null, null, null), env=PATH)
        os.close(null)
        if how == "killed":
            assert zygote._process is not None
            zygote._process.kill()
            with pytest.raises(EngineFault, match="gone"):
                await child.ended
        zygote.close()
        return child.pid

    assert _gone(asyncio.run(go()))


def test_a_program_that_is_not_there_is_exit_127_with_a_message():
    async def go() -> tuple[int, bytes]:
        zygote, (reader, writer) = Zygote(), os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        child = await zygote.spawn(["no-such-program"], streams=(null, writer, writer), env=PATH)
        os.close(writer)
        code = await child.ended
        data = os.read(reader, 1000)
        os.close(reader)
        os.close(null)
        zygote.close()
        return code, data

    code, data = asyncio.run(go())
    assert code == 127
    assert b"no-such-program" in data


def test_an_engine_with_thousands_of_open_files_has_children(tmp_path):
    """The number of its descriptor is over 1023 then, which `select` does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine does not let a process open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]

    async def go() -> int:
        zygote = Zygote()
        child = await zygote.spawn(["sh", "-c", "exit 3"], streams=(files[0], files[0], files[0]), env=PATH)
        code = await child.ended
        zygote.close()
        return code

    try:
        assert asyncio.run(go()) == 3
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
