"""Takes over the output of a command that is more than is shown: into a file, up to a limit, and then into nothing."""

from __future__ import annotations

import os

from terrarium.sandbox.inside import files

_TURN = 1024 * 1024
_CHUNK = 256 * 1024


class Pump:
    """One stream of one command.

    Args:
        source: The end of its pipe to read from.
        root: The root of the sandbox.
        path: The file; empty: none, everything goes into nothing.
        head: What came before.
        limit: Bytes of the file.
    """

    def __init__(self, source: int, root: int, path: bytes, head: bytes, limit: int) -> None:
        os.set_blocking(source, False)
        self.total = len(head)
        self._source = source
        self._left = limit
        self._nothing = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        self._file: int | None = None
        if path:
            try:
                self._file = files.create(root, path)
                self._put(head)
            except OSError:
                self._let_go()  # no room: it is still read, so that the command can go on

    def turn(self) -> bool:
        """Move what is there, a bounded amount; False where the stream has ended."""
        moved = 0
        while moved < _TURN:
            try:
                count = self._move()
            except BlockingIOError:
                return True
            if count == 0:
                return False
            moved += count
            self.total += count
        return True

    def flush(self) -> int:
        """Move what is in the pipe; what comes later goes into nothing. Return how much has come in all."""
        self.turn()
        self._let_go()
        return self.total

    def close(self) -> None:
        """Let go of everything."""
        self._let_go()
        os.close(self._source)
        os.close(self._nothing)

    def _move(self) -> int:
        if self._file is not None and self._left > 0:
            try:
                count = os.splice(self._source, self._file, min(_CHUNK, self._left))
                self._left -= count
                return count
            except BlockingIOError:
                raise
            except OSError:
                self._let_go()
        return os.splice(self._source, self._nothing, _CHUNK)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)[: self._left]
        while view:
            written = os.write(self._file, view)
            view = view[written:]
            self._left -= written

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
