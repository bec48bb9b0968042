"""What a command writes, while it runs: the first of it kept to be shown, the rest left to the sandbox."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable

from terrarium.core.sandbox import SHOWN_LIMIT
from terrarium.sandbox.inside import ids
from terrarium.sandbox.local.link import Link

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes of one stream that are kept in a file inside the sandbox; what is more is counted and lost."""

FOLDER = "/tmp/.output"
_CHUNK = 256 * 1024
_NOTE = 200  # bytes for saying where the rest is


class Capture:
    """One output stream of commands: a pipe of which the engine reads at most what is shown.

    What is more, the first process of the sandbox takes over: into a file, up to a limit, then into nothing. So neither
    the engine's memory nor the disk can be filled.

    Args:
        link: To the sandbox.
        name: Gives the name of the next file.
        told: Gets all that is written, as it comes; what is more than is shown is then kept nowhere else.
    """

    def __init__(self, link: Link, name: Callable[[], str], told: Callable[[bytes], None] | None = None) -> None:
        self._told = told
        self._lost = False
        self._link = link
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._source, self.sink = pipe()
        self._loop.add_reader(self._source, self._read)
        self._shown = bytearray()
        self._spilling: asyncio.Task[int] | None = None
        self._path = ""
        self._open = True

    def give(self) -> None:
        """Close the end to write to, once the command has it."""
        if self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    async def take(self, *, last: bool) -> tuple[str, bool]:
        """(What has been written as text, whether there was more), and begin anew.

        Args:
            last: Nothing that comes later is wanted; it goes into nothing, so that whoever writes it can go on.
        """
        if self._spilling is None:
            self._read()
        data, more = bytes(self._shown), self._spilling is not None
        self._shown.clear()
        if self._spilling is None:
            if last:
                await self._let_go()
            return data.decode("utf-8", "replace"), self._lost
        total, path = 0, self._path
        try:
            number = await self._spilling
            total = (await self._link.ask("flush", pump=number)).words["bytes"]
            if not last and self._open:
                await self._link.ask("release", pump=number)
                self._loop.add_reader(self._source, self._read)
        finally:
            self._spilling = None
        if last:
            self._shut()
        return _shown(data, path, max(total, len(data))), more

    def close(self) -> None:
        """Close both ends."""
        self.give()
        self._shut()

    def _shut(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._source)
            os.close(self._source)

    async def _let_go(self) -> None:
        """Have the sandbox read what comes, where somebody can still write."""
        if not self._open:
            return
        try:
            if os.read(self._source, 1) == b"":
                self._shut()
                return
        except BlockingIOError:
            pass
        self._loop.remove_reader(self._source)
        try:
            await self._link.ask("pump", descriptors=(self._source,), path="", limit=0)
        finally:
            self._open = False
            os.close(self._source)

    def _read(self) -> None:
        while self._open and self._spilling is None:
            try:
                data = os.read(self._source, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._shut()
                return
            if self._told is not None:
                self._told(data)
                room = SHOWN_LIMIT - len(self._shown)
                self._shown += data[:room]
                self._lost = self._lost or len(data) > room
                return
            self._shown += data
            if len(self._shown) > SHOWN_LIMIT:
                self._loop.remove_reader(self._source)
                self._path = f"{FOLDER}/{self._name()}"
                self._spilling = asyncio.ensure_future(self._spill(bytes(self._shown)))
            elif len(data) < _CHUNK:
                return

    async def _spill(self, head: bytes) -> int:
        memory = os.memfd_create("output", os.MFD_CLOEXEC)
        try:
            os.pwrite(memory, head, 0)
            answer = await self._link.ask(
                "pump", descriptors=(self._source, memory), path=self._path, limit=FILE_LIMIT, head=len(head)
            )
        finally:
            os.close(memory)
        number: int = answer.words["pump"]
        return number


def pipe() -> tuple[int, int]:
    """(Where to read without waiting, where to write): a pipe that commands can open again as /dev/stdout."""
    source, sink = os.pipe2(os.O_CLOEXEC)
    if ids.real_root():
        os.fchown(sink, ids.owner(), ids.owner())
    os.set_blocking(source, False)
    return source, sink


def _shown(data: bytes, path: str, total: int) -> str:
    kept = f"in {path}" if total <= FILE_LIMIT else f"lost but for the first {FILE_LIMIT >> 20} MiB in {path}"
    note = f"\n[cut here: {total} bytes, {kept}]\n"
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data[: SHOWN_LIMIT - _NOTE], False)
    return text + note
