"""Copies of files as large as what is in them: where a file has a hole, its copy has one.

An agent's file may claim to be a terabyte and take no room. Written out, its zeros would fill the disk.

Standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os

_CLONE = 0x40049409  # FICLONE of ioctl_ficlone(2)
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TARGET = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_file(source: str, target: str) -> str:
    """Copy a file with its mode and times, and follow no link; for `shutil.copytree(..., copy_function=copy_file)`.

    Raises:
        OSError: It is no file, or cannot be copied.
    """
    here = os.open(source, _SOURCE)
    try:
        there = os.open(target, _TARGET, 0o644)
        try:
            copy_content(here, there)
            known = os.fstat(here)
            os.fchmod(there, known.st_mode & 0o777)
            os.utime(there, ns=(known.st_atime_ns, known.st_mtime_ns))
        finally:
            os.close(there)
    finally:
        os.close(here)
    return target


def copy_content(source: int, target: int) -> None:
    """Copy what is in an open file into an empty one: by reference where the file system can, else without the holes.

    Raises:
        OSError: It cannot be read or written.
    """
    try:
        fcntl.ioctl(target, _CLONE, source)
        return
    except OSError:
        pass
    size, at = os.fstat(source).st_size, 0
    os.ftruncate(target, size)
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
            at = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole
            start, at = at, size
        os.lseek(target, start, os.SEEK_SET)
        while start < at:
            moved = os.sendfile(target, source, start, min(at - start, 1 << 30))
            if moved == 0:
                return
            start += moved
