"""The streams of one command, seen from the engine: what is shown is kept, the rest is let go."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os

from terrarium.core.errors import CommandTimeout
from terrarium.core.sandbox import SHOWN_LIMIT

_PART = 256 * 1024
_LAST = 4000  # characters that the error of a command over its time shows of each stream

Shown = tuple[tuple[str, bool], tuple[str, bool]]
"""What a command had written: text, and whether there was more, of its output and its errors."""


class Output:
    """One output of a command. `end` is given to the command, and closed by `handed`."""

    def __init__(self) -> None:
        self._read, self.end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read, False)
        self._kept = bytearray()
        self._more = False
        asyncio.get_running_loop().add_reader(self._read, self._take)

    def handed(self) -> None:
        """The command has its end."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def finish(self) -> tuple[str, bool]:
        """(What was written so far, as text; whether there was more than is shown.) Others may still hold its end."""
        self.handed()
        if self._read >= 0:
            for _ in range(64):  # what is in the pipe, and no more of a flood
                if not self._take():
                    break
            self.close()
        shown = bytes(self._kept[:SHOWN_LIMIT])
        return codecs.getincrementaldecoder("utf-8")("replace").decode(shown, not self._more), self._more

    def close(self) -> None:
        """Let go of it; idempotent."""
        self.handed()
        if self._read >= 0:
            asyncio.get_running_loop().remove_reader(self._read)
            os.close(self._read)
            self._read = -1

    def _take(self) -> bool:
        try:
            data = os.read(self._read, _PART)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._read)
            return False
        room = SHOWN_LIMIT - len(self._kept)
        self._kept += data[:room]
        self._more = self._more or len(data) > room
        return True


class Input:
    """What a command reads: `content`, then the end; nothing at all where it is None."""

    def __init__(self, content: bytes | None) -> None:
        self._task: asyncio.Task[None] | None = None
        if not content:
            self.end = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            return
        self.end, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(write, False)
        self._task = asyncio.ensure_future(_feed(write, content))

    def handed(self) -> None:
        """The command has its end."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def close(self) -> None:
        """Let go of it; idempotent."""
        self.handed()
        if self._task is not None:
            self._task.cancel()


def _wake(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)


async def _feed(write: int, content: bytes) -> None:
    loop = asyncio.get_running_loop()
    rest = memoryview(content)
    try:
        while rest:
            room: asyncio.Future[None] = loop.create_future()
            loop.add_writer(write, _wake, room)
            try:
                await room
            finally:
                loop.remove_writer(write)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(write, rest[:_PART]) :]
    except BrokenPipeError:
        pass  # the command has read enough
    finally:
        os.close(write)


def too_late(timeout: float, shown: Shown) -> CommandTimeout:
    """The error for a command that was killed at its time limit, with the end of what it had written."""
    (out, _), (err, _) = shown
    said = f"the command ran longer than {timeout:g} s and was killed, with everything it had started"
    for name, text in (("output", out), ("errors", err)):
        if text:
            cut = f" (the last {_LAST} characters)" if len(text) > _LAST else ""
            said += f"\nits {name} until then{cut}:\n{text[-_LAST:]}"
    return CommandTimeout(said)
