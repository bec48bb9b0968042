"""Files of a local sandbox: in its layers while no process has lived there, through its first process afterwards."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Awaitable, Callable, Iterator

from terrarium.core.aside import aside
from terrarium.core.clock import Clock
from terrarium.core.errors import EngineFault, NotFound, Refused
from terrarium.core.sandbox import FILE_LIMIT
from terrarium.sandbox.inside.init import INLINE
from terrarium.sandbox.local.asked import checked_path
from terrarium.sandbox.local.layers import Layers, NeedsProcess
from terrarium.sandbox.local.link import Link


class Files:
    """The files of one sandbox.

    Args:
        layers: Gives its layers; raises where it is not open.
        started: Starts it where it has not been, and gives the way to its first process.
        clock: Files that are written get its time.
    """

    def __init__(self, layers: Callable[[], Layers], started: Callable[[], Awaitable[Link]], clock: Clock) -> None:
        self._opened = layers
        self._started = started
        self._clock = clock

    async def read(self, path: str) -> bytes:
        """The content of a file, at most 100 MiB.

        Raises:
            NotFound: No such file.
            Refused: It is a folder, or larger.
        """
        at = checked_path(path)
        with _told(at):
            layers = await self._layers()
            if layers.ours:
                with contextlib.suppress(NeedsProcess):
                    return layers.read(at, FILE_LIMIT)
            answer = await (await self._started()).ask("read", path=at, limit=FILE_LIMIT)
            try:
                if not answer.descriptors or answer.words.get("memory"):
                    return answer.all_content()
                return _whole(answer.descriptors[0])
            finally:
                answer.close()

    async def write(self, path: str, content: bytes, mode: int | None) -> None:
        """Write a file, or make the folder of a path that ends with a slash; missing parents are made.

        Raises:
            Refused: The path is a folder, the content is over 100 MiB or the disk cap is reached.
        """
        at = checked_path(path)
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise Refused(f"the content of a file is bytes, not {type(content).__name__}")
        if len(content) > FILE_LIMIT:
            raise Refused(f"{at}: {len(content)} bytes are over 100 MiB", code="EFBIG")
        if at.endswith("/"):
            await self._make_folder(at, bool(content))
            return
        with _told(at, absent=()):
            layers, micros = await self._layers(), self._clock.micros
            if layers.ours:
                with contextlib.suppress(NeedsProcess):
                    layers.write(at, bytes(content), micros, mode)
                    return
            link = await self._started()
            if len(content) <= INLINE:
                await link.ask("write", bytes(content), path=at, time=micros, mode=mode)
                return
            memory = os.memfd_create("content", os.MFD_CLOEXEC)
            try:
                _fill(memory, content)
                await link.ask("write", descriptors=(memory,), path=at, time=micros, size=len(content), mode=mode)
            finally:
                os.close(memory)

    def write_now(self, path: str, content: bytes, mode: int | None) -> bool:
        """Write a file without waiting, where that can be done; it is then nothing that `write` would refuse."""
        if path.endswith("/") or len(content) > FILE_LIMIT:
            return False
        return self._opened().write_now(checked_path(path), content, self._clock.micros, mode)

    async def names(self, path: str) -> list[str]:
        """The names in a folder, sorted, folders with a trailing slash.

        Raises:
            NotFound: No such folder.
        """
        at = checked_path(path)
        with _told(at):
            layers = await self._layers()
            if layers.ours:
                with contextlib.suppress(NeedsProcess):
                    return layers.names_in(at)
            found = (await (await self._started()).ask("list", path=at)).all_content()
            return sorted(name.decode("utf-8", "replace") for name in found.split(b"\0") if name)

    async def remove(self, path: str) -> None:
        """Remove a file or a whole folder.

        Raises:
            NotFound: No such path.
            Refused: The sandbox cannot do without it.
        """
        at = checked_path(path)
        with _told(at):
            layers = await self._layers()
            if layers.ours:
                with contextlib.suppress(NeedsProcess):
                    layers.remove(at, self._clock.micros)
                    return
            await (await self._started()).ask("remove", path=at, time=self._clock.micros)

    async def _layers(self) -> Layers:
        layers = self._opened()
        if layers.ours and layers.packed:
            await aside(layers.unpack)
        return layers

    async def _make_folder(self, at: str, filled: bool) -> None:
        if filled:
            raise Refused(f"{at}: is a folder", code="EISDIR")
        with _told(at, absent=()):
            layers = await self._layers()
            if layers.ours:
                with contextlib.suppress(NeedsProcess):
                    layers.make_folder(at, self._clock.micros)
                    return
            await (await self._started()).ask("folder", path=at, time=self._clock.micros)


@contextlib.contextmanager
def _told(path: str, absent: tuple[int, ...] = (errno.ENOENT, errno.ENOTDIR)) -> Iterator[None]:
    """Errors of files as the contract has them."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        said = f"{path[:200]}: {os.strerror(number)}"
        if number in absent:
            raise NotFound(said, code="ENOENT") from None
        if number == errno.ENOSPC and path:
            raise EngineFault(f"the disk of this machine is full: {said}") from error
        raise Refused(said, code=errno.errorcode.get(number)) from None


def _whole(file: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while total <= FILE_LIMIT:
        part = os.read(file, min(1 << 24, FILE_LIMIT + 1 - total))
        if not part:
            return b"".join(parts)
        parts.append(part)
        total += len(part)
    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _fill(file: int, content: bytes | bytearray | memoryview) -> None:
    view, written = memoryview(content), 0
    while written < len(view):
        written += os.pwrite(file, view[written : written + (1 << 26)], written)
