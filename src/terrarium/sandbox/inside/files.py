"""Files of a sandbox, worked on from inside: by descriptors below one root, out of which no link and no `..` leads.

Used by the first process of a sandbox on the mounted tree, and by the engine on the tree of a sandbox in which no
process has lived. What goes wrong is an OSError.
"""

from __future__ import annotations

import errno
import os
import stat

from terrarium.core.removal import remove_at
from terrarium.sandbox.inside import kernel
from terrarium.sandbox.inside.walk import walk

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def open_file(root: int, path: bytes, limit: int) -> tuple[int, os.stat_result]:
    """Open a file to read it.

    Raises:
        OSError: ENOENT; EISDIR for a folder; EINVAL for what is neither file nor folder; EFBIG over `limit` bytes.
    """
    file = kernel.open_inside(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    found = os.fstat(file)
    trouble = 0
    if stat.S_ISDIR(found.st_mode):
        trouble = errno.EISDIR
    elif not stat.S_ISREG(found.st_mode):
        trouble = errno.EINVAL
    elif found.st_size > limit:
        trouble = errno.EFBIG
    if trouble:
        os.close(file)
        raise OSError(trouble, os.strerror(trouble))
    return file, found


def create(root: int, path: bytes, owner: int | None = None, micros: int | None = None) -> int:
    """Open a file to write it from the start; missing folders are made.

    Args:
        root: Where paths start.
        path: The file.
        owner: Who shall own what is made; None: the caller.
        micros: Time of the folders that change, in microseconds since 1970; None: the kernel's.

    Raises:
        OSError: EISDIR for a folder; ENOTDIR where a file is in the way; EINVAL for what is neither.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
    if path.rstrip(b"/") != path or not path:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    try:
        file = kernel.open_inside(root, path, flags)
        made = False
    except FileNotFoundError:
        make_folders(root, os.path.dirname(path), owner, micros)
        file = kernel.open_inside(root, path, flags | os.O_CREAT, 0o644)
        made = True
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if made:
            os.fchmod(file, 0o644)
            if owner is not None:
                os.fchown(file, owner, owner)
            if micros is not None:
                folder = kernel.open_inside(root, os.path.dirname(path) or b"/", _FOLDER)
                try:
                    _stamp(folder, micros)
                finally:
                    os.close(folder)
        else:
            os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def fill(file: int, content: bytes | bytearray | memoryview) -> None:
    """Write all of a content into an open file."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def finish(file: int, micros: int | None, mode: int | None = None) -> None:
    """Give a written file its time, in microseconds since 1970, and its mode, and close it."""
    try:
        if mode is not None:
            os.fchmod(file, mode & 0o777)
        if micros is not None:
            os.utime(file, ns=(micros * 1000, micros * 1000))
    finally:
        os.close(file)


def make_folders(root: int, path: bytes, owner: int | None = None, micros: int | None = None) -> None:
    """Make a folder and its parents, where they are missing; the arguments are those of `create`.

    Raises:
        OSError: ENOTDIR or EEXIST where something else is in the way.
    """
    made = b"/"
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        following = os.path.join(made, part)
        try:
            folder = kernel.open_inside(root, following, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            above = kernel.open_inside(root, made, _FOLDER)
            try:
                os.mkdir(part, 0o755, dir_fd=above)
                if owner is not None:
                    os.chown(part, owner, owner, dir_fd=above, follow_symlinks=False)
                if micros is not None:
                    os.utime(part, ns=(micros * 1000, micros * 1000), dir_fd=above, follow_symlinks=False)
                    _stamp(above, micros)
            finally:
                os.close(above)
        else:
            os.close(folder)
        made = following


def names(root: int, path: bytes) -> list[bytes]:
    """The names in a folder, sorted, folders with a trailing slash.

    Raises:
        OSError: ENOENT, ENOTDIR.
    """
    folder = kernel.open_inside(root, path or b"/", _FOLDER)
    try:
        with os.scandir(folder) as found:
            return sorted(
                os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"") for entry in found
            )
    finally:
        os.close(folder)


def remove(root: int, path: bytes, micros: int | None = None) -> None:
    """Remove a file or a whole folder; the folder that it was in gets the time `micros`.

    Raises:
        OSError: ENOENT; EBUSY for what the sandbox cannot do without.
    """
    above, _, name = path.rstrip(b"/").rpartition(b"/")
    if name in (b"", b".", b".."):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    folder = kernel.open_inside(root, above or b"/", _FOLDER)
    try:
        remove_at(folder, name)
        if micros is not None:
            _stamp(folder, micros)
    finally:
        os.close(folder)


def _stamp(folder: int, micros: int) -> None:
    try:
        os.utime(folder, ns=(micros * 1000, micros * 1000))
    except PermissionError:
        pass  # it was given to somebody else, who lets others write in it


def own(top: int) -> None:
    """Make everything below an open folder the caller's, so that it can be removed as one's own is.

    Raises:
        OSError: Something belongs to an id that the caller has no power over.
    """
    me = os.geteuid()
    for found in walk(top):
        if found.stat.st_uid != me:
            os.chown(found.name, me, -1, dir_fd=found.folder, follow_symlinks=False)
        if stat.S_ISDIR(found.stat.st_mode) and found.stat.st_mode & 0o700 != 0o700:
            os.chmod(found.name, 0o700, dir_fd=found.folder)
