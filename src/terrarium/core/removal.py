"""Removes trees of files that an agent may have built: however deep, whatever its permissions, never out of it.

`shutil.rmtree` goes as deep into itself as the folders are, and gives up at a thousand. Standard library only.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False  # processes that start often use this: `pathlib` takes long to load
if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_DEEP = 200  # folders below each other that are removed before what is below is moved up


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing happens where there is none.

    Raises:
        OSError: Something in it belongs to somebody else.
    """
    try:
        above = os.open(path.parent, _FOLDER | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_at(above, os.fsencode(path.name))
    except FileNotFoundError:
        pass
    finally:
        os.close(above)


def try_remove_tree(path: Path) -> None:
    """The same, as far as it can be done."""
    try:
        remove_tree(path)
    except OSError:
        pass  # `terrarium clean` finds it and says why


def remove_at(folder: int, name: bytes) -> None:
    """Remove what is called `name` in an open folder, however deep it is; links are not followed."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    spare = 0
    pending = [name]
    while pending:
        one = pending.pop()
        below, spare = _empty(folder, one, spare)
        if below:
            pending += [one, *below]
        else:
            os.rmdir(one, dir_fd=folder)


def _empty(top: int, name: bytes, spare: int) -> tuple[list[bytes], int]:
    """Remove what is in a folder; what lies too deep is moved up into `top`, and named."""
    moved: list[bytes] = []
    stack: list[tuple[int, list[bytes], bytes]] = []
    here = _enter(top, name)
    stack.append((here, _content(here), name))
    try:
        while stack:
            here, left, own = stack[-1]
            if not left:
                os.close(here)
                stack.pop()
                if stack:
                    os.rmdir(own, dir_fd=stack[-1][0])
                continue
            entry = left.pop()
            try:
                os.unlink(entry, dir_fd=here)
                continue
            except OSError as error:
                if error.errno not in (errno.EISDIR, errno.EPERM):
                    raise
            if len(stack) >= _DEEP:
                spare += 1
                moved.append(b".removed-%d" % spare)
                os.rename(entry, moved[-1], src_dir_fd=here, dst_dir_fd=top)
            else:
                inner = _enter(here, entry)
                stack.append((inner, _content(inner), entry))
    finally:
        for open_folder, _, _ in stack:
            os.close(open_folder)
    return moved, spare


def _enter(folder: int, name: bytes) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:  # as an ordinary user, in a folder whose owner took its own rights away
        os.chmod(name, 0o700, dir_fd=folder)
        return os.open(name, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def _content(folder: int) -> list[bytes]:
    if os.fstat(folder).st_mode & 0o300 != 0o300:
        os.chmod(folder, 0o700)
    return [os.fsencode(name) for name in os.listdir(folder)]
