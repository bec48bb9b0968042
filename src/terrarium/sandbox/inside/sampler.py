"""Watches what all processes of a sandbox use together, and says when a cap has been passed.

Every 200 ms while something runs. What a control group enforces is not looked at. Counting the files of the upper
layer takes long where there are many, so a process of its own does it, and only where the free room of the file system
says that something was written, or where counting is cheap.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping

from terrarium.sandbox.inside.walk import walk

TYPE_CHECKING = False  # `typing` takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Any

PERIOD = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CROWD = 0.9  # of the cap on processes: what stays there multiplies and does not work
_CROWDED = 5.0  # seconds after which it is ended
_REST = 20.0  # counting files takes at most one twentieth of the time


class Sampler:
    """The caps of one sandbox, looked at from inside.

    Args:
        caps: Numbers by the names of `terrarium.core.sandbox.Caps`; None or missing: no cap.
        enforced: The caps that a control group enforces.
        upper: The upper layer.
        meter: A descriptor that tells the processor time of the control group.
    """

    def __init__(self, caps: Mapping[str, Any], enforced: list[str], upper: int, meter: int | None) -> None:
        self._caps = {name: value for name, value in caps.items() if value}
        self._crowd = int(self._caps.get("processes", 1 << 30) * _CROWD)
        self._crowded: float | None = None  # since when
        for name in enforced:
            if name != "cpu_seconds":
                self._caps.pop(name, None)
        self._upper = upper
        self._meter = meter
        self._before = self._spent() if meter is not None else 0.0
        self._used = (0, 0)  # bytes and files when they were counted last
        self._free: tuple[int, int] | None = None  # of the file system at that time
        self._next = 0.0
        self._excused = (0, 0)  # what was there when everything was ended for it
        self._counter: tuple[int, int, float] | None = None  # pid, pipe, since when

    def passed(self) -> str | None:
        """The cap that has been passed; None where none has."""
        if "cpu_seconds" in self._caps and self._spent() - self._before > self._caps["cpu_seconds"]:
            return "cpu_seconds"
        if "memory" in self._caps and self._memory() > self._caps["memory"]:
            return "memory"
        if self._processes(len(_pids())):
            return "processes"
        if "disk" in self._caps or "files" in self._caps:
            return self._files()
        return None

    def room(self) -> str | None:
        """The cap on files that leaves no room for another, by what was counted last."""
        if self._free is None:
            return None
        now = self._room()  # what has been removed since then makes room at once
        used = [max(self._used[place] + min(self._free[place] - now[place], 0), 0) for place in (0, 1)]
        if used[0] >= self._caps.get("disk", used[0] + 1):
            return "disk"
        return "files" if used[1] >= self._caps.get("files", used[1] + 1) else None

    def _processes(self, count: int) -> bool:
        """Whether there are more than there may be, or nearly so many for so long that it can only be a fork bomb."""
        if count < self._crowd:
            self._crowded = None
            return False
        now = time.monotonic()
        self._crowded = self._crowded or now
        if now - self._crowded < _CROWDED and count <= self._caps.get("processes", count) + 64:
            return False
        self._crowded = None
        return True

    # -- memory and processor -------------------------------------------------------------------------------------

    def _spent(self) -> float:
        if self._meter is not None:
            text = os.pread(self._meter, 4096, 0).split()
            return int(text[0]) / 1e9 if len(text) == 1 else int(text[text.index(b"usage_usec") + 1]) / 1e6
        ticks = 0
        for pid in _pids():
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    ticks += sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
            except (OSError, ValueError):
                continue
        return ticks / _TICKS

    def _memory(self) -> int:
        own = os.getpid()
        total = _shared()
        for pid in _pids():
            if pid == own:
                continue
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    words = file.read().split()
                total += (int(words[1]) - int(words[2])) * _PAGE
            except (OSError, ValueError, IndexError):
                continue
        if total <= self._caps["memory"]:
            return total
        return _shared() + sum(_share(pid) for pid in _pids() if pid != own)  # shared pages once: slower, and exact

    # -- files ----------------------------------------------------------------------------------------------------

    def _files(self) -> str | None:
        now = time.monotonic()
        if self._counter is not None:
            return self._counted(now)
        free = self._room()
        if self._free is not None and now < self._next:
            grown = self._used[0] + self._free[0] - free[0], self._used[1] + self._free[1] - free[1]
            if self._over(grown) is None:
                return None
        self._free = free
        heard, told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        pid = os.fork()
        if pid == 0:
            limits = [self._caps.get(name, 1 << 62) + 1 for name in ("disk", "files")]
            os.write(told, b"%d %d" % count(self._upper, limits[0] * 2, limits[1] * 2))
            os._exit(0)
        os.close(told)
        self._counter = pid, heard, now
        return None

    def _counted(self, now: float) -> str | None:
        assert self._counter is not None
        _, heard, since = self._counter
        try:
            words = os.read(heard, 100).split()
        except BlockingIOError:
            return None
        os.close(heard)
        self._counter = None
        self._next = now + _REST * (now - since)
        if len(words) != 2:
            return None
        self._used = int(words[0]), int(words[1])
        over = self._over(self._used)
        if over and self._used[0] <= self._excused[0] and self._used[1] <= self._excused[1]:
            return None
        if over:
            self._excused = self._used
        return over

    def _room(self) -> tuple[int, int]:
        """Bytes and files that the file system has room for."""
        found = os.fstatvfs(self._upper)
        return found.f_bfree * found.f_frsize, found.f_ffree

    def _over(self, used: tuple[int, int]) -> str | None:
        if used[0] > self._caps.get("disk", used[0]):
            return "disk"
        return "files" if used[1] > self._caps.get("files", used[1]) else None


def count(upper: int, most_bytes: int, most_files: int) -> tuple[int, int]:
    """(Bytes on disk, files and folders) below a folder, and of removed files that somebody holds open.

    Counting stops once more than that has been found.
    """
    memory = os.memfd_create("which", os.MFD_CLOEXEC)
    elsewhere = os.fstat(memory).st_dev, os.stat("/dev/shm").st_dev
    size, files = sum(_held(pid, elsewhere) for pid in _pids()), 0
    try:
        for entry in walk(upper):
            files += 1
            shared = 1 if stat.S_ISDIR(entry.stat.st_mode) else entry.stat.st_nlink
            size += entry.stat.st_blocks * 512 // max(shared, 1)
            if size > most_bytes or files > most_files:
                break
    except OSError:
        pass  # somebody moves folders about: what was seen so far counts, until the next time
    return size, files


def _held(pid: int, elsewhere: tuple[int, int]) -> int:
    size = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if found.st_nlink == 0 and stat.S_ISREG(found.st_mode) and found.st_dev not in elsewhere:
                size += found.st_blocks * 512
    except OSError:
        pass
    return size


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _share(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _shared() -> int:
    """Bytes of /dev/shm and of System V segments."""
    found = os.statvfs("/dev/shm")
    total = (found.f_blocks - found.f_bfree) * found.f_frsize
    try:
        with open("/proc/sysvipc/shm", "rb") as file:
            for line in file.read().splitlines()[1:]:
                total += int(line.split()[3])
    except (OSError, ValueError, IndexError):
        pass
    return total
