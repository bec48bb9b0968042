"""Walks a tree of files that an agent may have built: however deep, whatever its names, never out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator


class Found:
    """One entry of a folder.

    Attributes:
        folder: The open folder it is in, good until the next entry is asked for.
        path: From the top, without a slash at the beginning; empty where nobody asked for paths.
        name: The last part of the path.
        stat: Of itself; links are not followed.
    """

    __slots__ = ("folder", "name", "path", "stat")  # a dataclass would take longer to load than all of this

    def __init__(self, folder: int, path: bytes, name: bytes, known: os.stat_result) -> None:
        self.folder = folder
        self.path = path
        self.name = name
        self.stat = known


def walk(top: int, longest: int | None = None) -> Iterator[Found]:
    """Every file, folder and link below an open folder; folders come before what is in them.

    Folders that cannot be entered are given and not entered.

    Args:
        top: Where to begin.
        longest: Tell paths, and enter no folder whose path has more bytes: together the paths of a deep tree would be
            as long as the square of its depth. None: go everywhere, and tell no paths.

    Raises:
        OSError: ESTALE where a folder was moved meanwhile.
    """
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
    path = b""
    above: list[tuple[tuple[int, int], list[bytes], bytes]] = []
    try:
        while True:
            folders = []
            with os.scandir(here) as entries:
                names = [os.fsencode(entry.name) for entry in entries]
            for name in sorted(names):
                try:
                    found = os.stat(name, dir_fd=here, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                inner = path + name if longest is not None else b""
                yield Found(here, inner, name, found)
                if stat.S_ISDIR(found.st_mode) and (longest is None or len(inner) <= longest):
                    folders.append(name)
            above.append((_key(here), folders[::-1], path))
            entered = False
            while not entered:
                while not above[-1][1]:
                    above.pop()
                    if not above:
                        return
                    here = _swap(here, "..", above[-1][0])
                name = above[-1][1].pop()
                path = above[-1][2] + name + b"/" if longest is not None else b""
                try:
                    here = _swap(here, name, None)
                    entered = True
                except (PermissionError, FileNotFoundError, NotADirectoryError):
                    continue
    finally:
        os.close(here)


def _swap(here: int, name: str | bytes, expected: tuple[int, int] | None) -> int:
    following = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    if expected is not None and _key(following) != expected:
        os.close(following)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    os.close(here)
    return following


def _key(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
