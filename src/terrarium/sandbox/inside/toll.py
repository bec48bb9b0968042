"""What all processes below this one use together, and the files of one folder: looked at from time to time."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_REST = 10.0  # counting takes at most one tenth of the time
_SLACK = 1024**2  # bytes that a file system adds by itself when it writes out what lies there
_LOOKS = 3
_BETWEEN = 0.01
_SPARE = 3  # processes that are not the commands': the nest, and what is just ending


class Toll:
    """The caps of one sandbox.

    Args:
        caps: Numbers by the names of `terrarium.core.sandbox.Caps`; None or missing: no cap.
        folder: Where its files lie.
    """

    def __init__(self, caps: Mapping[str, Any], folder: str) -> None:
        self._caps = {name: value for name, value in caps.items() if value}
        self._folder = folder
        self._next = 0.0
        disk, files = self._begun_with() if {"disk", "files"} & set(self._caps) else (0, 0)
        self._excused = disk + _SLACK if disk > self._caps.get("disk", disk) else disk, files

    def passed(self) -> str | None:
        """The cap that has been passed; None where none has."""
        here = below(os.getpid())
        if len(here) > self._caps.get("processes", 1 << 30) + _SPARE:
            return "processes"
        if "memory" in self._caps and sum(map(_memory, here)) > self._caps["memory"]:
            return "memory"
        if "cpu_seconds" in self._caps:
            times = os.times()
            spent = times.children_user + times.children_system + sum(map(_processor, here))
            if spent > self._caps["cpu_seconds"]:
                return "cpu_seconds"
        return self._files()

    def _begun_with(self) -> tuple[int, int]:
        """What lies there, looked at more than once where it is too much.

        While ext4 writes a piece of a file out, it counts that piece as nothing for a moment. Whoever began at such a
        moment would take the piece for new at the next look, and end commands that only wanted to remove it.
        """
        disk, files = measure(self._folder)
        for _ in range(_LOOKS - 1 if disk > self._caps.get("disk", disk) else 0):
            time.sleep(_BETWEEN)
            disk, files = map(max, (disk, files), measure(self._folder))
        return disk, files

    def _files(self) -> str | None:
        now = time.monotonic()
        if not {"disk", "files"} & set(self._caps) or now < self._next:
            return None
        used = measure(self._folder)
        took = time.monotonic() - now
        self._next = now + took * _REST
        for name, amount, before in zip(("disk", "files"), used, self._excused, strict=True):
            if name in self._caps and amount > max(self._caps[name], before):
                return name  # what was too much before, in a state from elsewhere, ends nothing: more of it does
        return None


def below(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    pending = [pid]
    while pending:
        children = _children(pending.pop())
        found += children
        pending += children
    return found


def measure(folder: str) -> tuple[int, int]:
    """(bytes, number) of the files and folders in a folder; a file with two names counts once."""
    total, count = 0, 0
    seen: set[tuple[int, int]] = set()
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    count += 1
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
                    elif found.st_nlink > 1:
                        if (found.st_dev, found.st_ino) in seen:
                            continue
                        seen.add((found.st_dev, found.st_ino))
                    total += found.st_blocks * 512
        except OSError:
            continue  # it went meanwhile, or nobody may look: then nobody may write either
    return total, count


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def _memory(pid: int) -> int:
    total = 0
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith((b"RssAnon", b"RssShmem", b"VmSwap", b"VmPTE")):
                    total += int(line.split()[1]) * 1024
    except OSError:
        pass
    return total


def _processor(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS
    except (OSError, ValueError):
        return 0.0
