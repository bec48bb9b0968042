"""Small files, written whole.

A trial writes a dozen of them. Objects of `pathlib` and `io` would cost more than the system calls do.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_whole(path: Path | str, data: bytes) -> None:
    """Make or replace a file.

    Raises:
        OSError: It cannot be written; part of it may be there.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def make_folder(path: Path | str) -> None:
    """Make a folder and its parents; nothing happens where it is there.

    Raises:
        OSError: It cannot be made.
    """
    os.makedirs(path, exist_ok=True)  # noqa: PTH103


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link to a file that never changes again, or a copy where links are not possible."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
