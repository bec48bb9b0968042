"""A terminal at which a person reads and types."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from pathlib import Path
from typing import IO

VARIABLE = "TERRARIUM_TTY"
"""The environment variable that names the terminal; the command line sets it."""

LONGEST = 1 << 20  # bytes of one line

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Terminal:
    """One terminal, opened by its path.

    Args:
        path: Such as `/dev/pts/3`.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        place = Path(path)
        self._input: IO[bytes] = place.open("rb", buffering=0)  # what follows a line is left for who asks next
        self._output: IO[str] = place.open("w")

    @staticmethod
    def named() -> str | None:
        """The path of the terminal that the command was started from; None where there is none."""
        return os.environ.get(VARIABLE)

    def write(self, text: str) -> None:
        """Show text; control characters in it cannot steer the terminal."""
        self._output.write(_UNSAFE.sub("�", text))
        self._output.flush()

    async def line(self, prompt: str = "> ") -> str | None:
        """The next line that is typed, without blanks around it; None at the end.

        A thread waits for it, so that the wait can be given up.
        """
        self.write(prompt)
        loop, source = asyncio.get_running_loop(), self._input
        typed: asyncio.Future[str] = loop.create_future()

        def settle(line: str) -> None:
            if not typed.done():
                typed.set_result(line)

        def read() -> None:
            try:
                line = source.readline(LONGEST)
            except (OSError, ValueError):  # closed meanwhile
                line = b""
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(settle, line.decode("utf-8", "replace"))

        threading.Thread(target=read, name="terrarium human", daemon=True).start()
        line = await typed
        return line.strip() if line else None

    async def alone(self) -> None:
        """Wait until no other process asks at this terminal; until `close`, none will."""
        import fcntl

        while True:
            try:
                fcntl.flock(self._output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(0.05)
            except OSError:  # it cannot be locked, and whoever asks there asks at the same time
                return
            else:
                return

    def close(self) -> None:
        """Leave it; idempotent."""
        for side in (self._input, self._output):
            side.close()
