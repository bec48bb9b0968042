"""What workers and tasks print: each line with its trial, without secrets, in `workers.log`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

from terrarium.core.secrets import Secrets

trial: ContextVar[str] = ContextVar("terrarium_trial", default="")
"""The id of the trial that runs in this context; empty where there is none."""

SHOWN = 8  # characters of an id that stand before a line
_LONGEST = 1 << 20  # of a line that is held back until it ends
_HELD = 4096  # bytes held back of a line that is longer: a secret may go on


class TrialLines(io.TextIOWrapper):
    """A text stream that writes whole lines, each behind the id of the trial that printed it."""

    _pending: dict[str, str]

    @classmethod
    def on(cls, descriptor: int) -> TrialLines:
        """One that writes to a descriptor, which stays open."""
        file = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - it lasts as long as the process
        made = cls(io.BufferedWriter(file), "utf-8", "backslashreplace", write_through=True)
        made._pending = {}
        return made

    def write(self, text: str) -> int:
        """Take text; lines that are whole are written."""
        name = trial.get()
        whole, end, rest = (self._pending.pop(name, "") + text).rpartition("\n")
        if rest:
            self._pending[name] = rest
        if end:
            self._put(name, whole)
        return len(text)

    def flush(self) -> None:
        """Write also the line that has begun in this context."""
        rest = self._pending.pop(trial.get(), "")
        if rest:
            self._put(trial.get(), rest)
        super().flush()

    def _put(self, name: str, lines: str) -> None:
        tag = f"[{name[:SHOWN]}] " if name else ""
        super().write("".join(f"{tag}{line}\n" for line in lines.split("\n")))
        super().flush()


def tag_output() -> None:
    """Have what this process prints say which trial it is from."""
    sys.stdout = sys.stderr = TrialLines.on(2)


class WorkersLog:
    """The file that takes what workers print; it is made by the first line.

    Args:
        path: The file.
        secrets: What may not stand in it.
    """

    def __init__(self, path: Path, secrets: Secrets) -> None:
        self.path = path
        self._secrets = secrets
        self._following: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def inlet(self) -> AsyncIterator[int]:
        """A descriptor for a process to print to; leaving the block closes it here."""
        # A pipe of our own: the end of a process must not wait for what it left running with its output.
        outlet, inlet = os.pipe2(os.O_CLOEXEC)
        try:
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            pipe = os.fdopen(outlet, "rb", buffering=0)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
            task = asyncio.create_task(self._follow(reader, transport))
            self._following.add(task)
            task.add_done_callback(self._following.discard)
            yield inlet
        finally:
            os.close(inlet)

    async def close(self, seconds: float = 1.0) -> None:
        """Take what is still to come; what is open after `seconds` belongs to nobody any more."""
        following = set(self._following)
        if following:
            _, late = await asyncio.wait(following, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _follow(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        held = b""
        try:
            while chunk := await reader.read(1 << 16):
                held = self._secrets.scrub_bytes(held + chunk)
                cut = held.rfind(b"\n") + 1
                if not cut and len(held) > _LONGEST:
                    cut = len(held) - _HELD
                self._put(held[:cut])
                held = held[cut:]
        finally:
            self._put(held)
            transport.close()

    def _put(self, data: bytes) -> None:
        if data:
            with contextlib.suppress(OSError), self.path.open("ab") as file:  # a full disk must not stop a worker
                file.write(data)
