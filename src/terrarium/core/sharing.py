"""Trees of files in another place: what never changes again is shared by hard links, the rest is copied.

Nobody writes to a file in a folder called `sealed`, nor to one that is called by its digest in a folder called `blobs`:
who wants another content puts another file in its place. So two worlds, and a snapshot, can hold the same file.

Standard library only.
"""

from __future__ import annotations

import errno
import os

from terrarium.core.copying import copy_file

SEALED, BLOBS = "sealed", "blobs"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def share_tree(source: str | os.PathLike[str], target: str | os.PathLike[str], *, sealed: bool = False) -> None:
    """Put a folder and all below it into another place as well; links of agents are made again, never followed.

    Args:
        source: What there is.
        target: Where to; a folder there is filled.
        sealed: Nothing in it ever changes.

    Raises:
        OSError: It cannot be read or written, or there is what is neither file, folder nor link.
    """
    here, there = os.fspath(source), os.fspath(target)
    with os.scandir(here) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    os.makedirs(there, exist_ok=True)  # noqa: PTH103
    blobs = os.path.basename(here) == BLOBS  # noqa: PTH119
    inside, outside = os.open(here, _FOLDER), os.open(there, _FOLDER)
    try:
        os.fchmod(outside, os.fstat(inside).st_mode & 0o777)
        for entry in entries:
            name = entry.name
            if entry.is_file(follow_symlinks=False):
                if not (sealed or (blobs and _is_digest(name))) or not _linked(name, inside, outside):
                    copy_file(f"{here}/{name}", f"{there}/{name}")
            elif entry.is_dir(follow_symlinks=False):
                share_tree(f"{here}/{name}", f"{there}/{name}", sealed=sealed or name == SEALED)
            elif entry.is_symlink():
                os.symlink(os.readlink(name, dir_fd=inside), name, dir_fd=outside)
            else:
                raise OSError(errno.EINVAL, f"{here}/{name} is neither a file nor a folder")
    finally:
        os.close(inside)
        os.close(outside)


def _linked(name: str, inside: int, outside: int) -> bool:
    """Whether a hard link could be made: not on another file system, and of one file not without end."""
    try:
        os.link(name, name, src_dir_fd=inside, dst_dir_fd=outside, follow_symlinks=False)
    except FileExistsError:
        return True  # the same content, by the same name
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):
            raise
        return False
    return True


def _is_digest(name: str) -> bool:
    return len(name) == 64 and not name.strip("0123456789abcdef")
