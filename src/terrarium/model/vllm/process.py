"""A server's processes: which they are, after reuse of numbers and restarts of the machine, and how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from terrarium.core.errors import EngineFault

_TICK = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Identity:
    """One process, for good: its number may be given to another one day, the three together never are.

    Attributes:
        pid: Its number.
        began: When it began, in ticks of the kernel since the machine started.
        boot: Which start of the machine that was.
    """

    pid: int
    began: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Of a process that runs; None: there is none."""
        found = _stat(pid)
        return None if found is None else cls(pid, found[2], boot())

    @property
    def alive(self) -> bool:
        """Whether it runs; one that has ended and was not yet waited for does not."""
        found = _stat(self.pid)
        return found is not None and found[2] == self.began and boot() == self.boot

    def members(self) -> list[int]:
        """Every process of its session, itself included: those that it started and that did not leave."""
        if boot() != self.boot:
            return []
        leader = _stat(self.pid)
        if leader is not None and leader[2] != self.began:
            return []  # the number is another's: a number is not given away while a session has it
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                each = _stat(int(folder.name))
                if each is not None and each[1] == self.pid and each[2] >= self.began:
                    found.append(int(folder.name))
        return found

    def end(self, force: bool = False, grace: float = 30.0) -> None:
        """End all of them: asked first, killed after `grace` seconds or at once.

        Raises:
            EngineFault: They are another user's, or cannot be killed.
        """
        if not force:
            self._signal(signal.SIGTERM)
            self._wait(grace)
        if self.members():
            self._signal(signal.SIGKILL)
        self._wait(10.0)
        if left := self.members():
            raise EngineFault(f"the processes {', '.join(map(str, left))} cannot be ended")

    def _signal(self, number: int) -> None:
        for pid in self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            except PermissionError:
                raise EngineFault(f"process {pid} is another user's: it cannot be ended from here") from None

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            if self.boot == boot():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, os.WNOHANG)  # where it is ours, it would stay as a zombie
            if not self.members() or time.monotonic() > until:
                return
            time.sleep(_TICK)


def boot() -> str:
    """Which start of the machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _stat(pid: int) -> tuple[str, int, int] | None:
    """(state, session, when it began) of a process that has not ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # a name may hold spaces and brackets
    return None if fields[0] in "ZX" else (fields[0], int(fields[3]), int(fields[19]))
