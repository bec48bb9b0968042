"""The log of workers: whole lines, with their trial, without secrets."""

from __future__ import annotations

import asyncio
import os

from terrarium.core.secrets import Secrets
from terrarium.run.log import TrialLines, WorkersLog, trial


def _logged(tmp_path, *chunks: bytes) -> bytes:
    async def go() -> None:
        log = WorkersLog(tmp_path / "workers.log", Secrets(["sk-123456"]))
        async with log.inlet() as inlet:
            for chunk in chunks:
                await asyncio.to_thread(os.write, inlet, chunk)
                await asyncio.sleep(0)
        await log.close()

    asyncio.run(go())
    return (tmp_path / "workers.log").read_bytes() if (tmp_path / "workers.log").exists() else b""


def test_a_secret_in_two_pieces_is_masked_and_the_last_line_needs_no_end(tmp_path):
    assert (
        _logged(tmp_path, b"one sk-12", b"3456 two\nthree \xff sk-123", b"456")
        == b"one [secret] two\nthree \xff [secret]"
    )


def test_nothing_printed_is_no_file(tmp_path):
    assert _logged(tmp_path) == b""
    assert not (tmp_path / "workers.log").exists()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "workers.log").mkdir()

    async def go() -> None:
        log = WorkersLog(tmp_path / "workers.log", Secrets())
        async with log.inlet() as inlet:
            await asyncio.to_thread(os.write, inlet, b"x\n" * 200_000)
        await log.close()

    asyncio.run(go())


def test_lines_of_two_trials_do_not_mix(tmp_path):
    with (tmp_path / "out").open("wb") as file:
        lines = TrialLines.on(file.fileno())
        trial.set("aaaaaaaaaa")
        print("begun ", end="", file=lines)
        trial.set("bbbbbbbbbb")
        print("other\nmore", file=lines)
        trial.set("aaaaaaaaaa")
        print("ended", file=lines)
        trial.set("")
        print("nobody's", end="", file=lines, flush=True)
    assert (tmp_path / "out").read_text() == ("[bbbbbbbb] other\n[bbbbbbbb] more\n[aaaaaaaa] begun ended\nnobody's\n")
