"""The files of a local sandbox before it has anything on disk: a tree in memory, for worlds that need no process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LARGEST = 64 * 1024 * 1024  # bytes of contents that are kept in memory
_NAME = 255  # bytes of a name on Linux file systems


@dataclass(slots=True)
class File:
    """A file: what is in it, when it was written (microseconds since 1970) and its permission bits."""

    content: bytes
    micros: int
    mode: int = 0o644


@dataclass(slots=True)
class Folder:
    """A folder, when something was last made or removed in it, and its permission bits."""

    micros: int
    mode: int = 0o755
    entries: dict[str, File | Folder] = field(default_factory=dict)


class Draft:
    """A tree of files and folders. Paths are lists of names; errors are those of the system.

    Attributes:
        size: Bytes of all contents.
        made: How many files and folders have been made.
    """

    def __init__(self) -> None:
        self._top = Folder(0)
        self.size = self.made = 0

    def __bool__(self) -> bool:
        return bool(self._top.entries)

    def read(self, parts: Sequence[str]) -> bytes:
        """The content of a file.

        Raises:
            OSError: ENOENT, ENOTDIR; EISDIR for a folder.
        """
        found = self._at(parts)
        if isinstance(found, Folder):
            raise _error(errno.EISDIR)
        return found.content

    def write(self, parts: Sequence[str], content: bytes, micros: int, mode: int | None = None) -> None:
        """Write a file; missing parents are made.

        Raises:
            OSError: EISDIR for a folder, ENOTDIR where a file is in the way, ENAMETOOLONG.
        """
        if not parts:
            raise _error(errno.EISDIR)
        folder, name = self.make_folders(parts[:-1], micros), parts[-1]
        old = folder.entries.get(name)
        if isinstance(old, Folder):
            raise _error(errno.EISDIR)
        if old is None:
            _check(name)
            folder.entries[name] = File(content, micros, 0o644 if mode is None else mode & 0o777)
            folder.micros = micros
            self.size += len(content)
            self.made += 1
        else:
            self.size += len(content) - len(old.content)
            old.content, old.micros = content, micros
            old.mode = old.mode if mode is None else mode & 0o777

    def make_folders(self, parts: Sequence[str], micros: int, mode: int = 0o755) -> Folder:
        """A folder, made with its parents where they are missing.

        Args:
            parts: Its path.
            micros: Time of what is made.
            mode: Permission bits of what is made.

        Raises:
            OSError: ENOTDIR where a file is in the way, ENAMETOOLONG.
        """
        here = self._top
        for name in parts:
            found = here.entries.get(name)
            if found is None:
                _check(name)
                found = here.entries[name] = Folder(micros, mode)
                here.micros = micros
                self.made += 1
            elif isinstance(found, File):
                raise _error(errno.ENOTDIR)
            here = found
        return here

    def names(self, parts: Sequence[str]) -> list[str]:
        """The names in a folder, sorted, folders with a trailing slash.

        Raises:
            OSError: ENOENT, ENOTDIR.
        """
        folder = self._at(parts)
        if isinstance(folder, File):
            raise _error(errno.ENOTDIR)
        return sorted(f"{name}/" if isinstance(entry, Folder) else name for name, entry in folder.entries.items())

    def remove(self, parts: Sequence[str], micros: int) -> None:
        """Remove a file or a whole folder.

        Raises:
            OSError: ENOENT, ENOTDIR.
        """
        found, above = self._at(parts), self._at(parts[:-1])
        assert isinstance(above, Folder)  # something was found in it
        self.size -= _size(found)
        del above.entries[parts[-1]]
        above.micros = micros

    def all(self) -> Iterator[tuple[str, File | Folder]]:
        """Every file and folder with its path, sorted by name, folders before what is in them."""
        waiting = [("", self._top)]
        while waiting:
            path, folder = waiting.pop()
            inner = []
            for name, entry in sorted(folder.entries.items()):
                yield f"{path}/{name}", entry
                if isinstance(entry, Folder):
                    inner.append((f"{path}/{name}", entry))
            waiting += inner[::-1]

    def _at(self, parts: Sequence[str]) -> File | Folder:
        here: File | Folder = self._top
        for name in parts:
            if isinstance(here, File):
                raise _error(errno.ENOTDIR)
            following = here.entries.get(name)
            if following is None:
                raise _error(errno.ENOENT)
            here = following
        return here


def _size(entry: File | Folder) -> int:
    total, waiting = 0, [entry]
    while waiting:
        found = waiting.pop()
        if isinstance(found, File):
            total += len(found.content)
        else:
            waiting += found.entries.values()
    return total


def _check(name: str) -> None:
    if len(os.fsencode(name)) > _NAME:
        raise _error(errno.ENAMETOOLONG)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
