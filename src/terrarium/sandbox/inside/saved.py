"""The state of a sandbox as plain files that survive any copying: a list of all there is, and large contents beside it.

`tree.jsonl` begins with a line about the whole; then one line for each entry, folders before what is in them:
`[layer, path, kind, mode, uid, gid, mtime, extra]`. Kinds: `d` folder, `f` file (extra: its content in base64, or the
number of it under `files/`), `h` another name of a file (extra: the first path), `l` link (extra: target), `p` pipe,
`w` a removed entry of the base. Extended attributes follow where there are any. Ids are those inside the sandbox.
"""

from __future__ import annotations

import binascii
import json
import os
import stat
from collections.abc import Iterator, Sequence

from terrarium.core.copying import copy_content
from terrarium.core.removal import remove_at
from terrarium.sandbox.inside import kernel
from terrarium.sandbox.inside.walk import Found, walk

TYPE_CHECKING = False  # `typing` takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Any

LIST, CONTENTS = "tree.jsonl", "files"
OPAQUE = "user.overlay.opaque"
_FORMAT = 2
DEEPEST = 3800
"""Bytes of the path of a folder that is entered: what is deeper, no path names, and it is not part of a state."""
_SMALL = 4096  # bytes of a content that is written into the list


class Writer:
    """Writes a saved state into an open, empty folder; a context manager.

    Args:
        to: The folder.
        layers: Names of all layers, the upper one last.
        head: What else to write down about the whole.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, to: int, layers: Sequence[str], head: dict[str, Any]) -> None:
        os.mkdir(CONTENTS, 0o755, dir_fd=to)
        self._contents = os.open(CONTENTS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=to)
        listing = os.open(LIST, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=to)
        self._out = os.fdopen(listing, "w", encoding="ascii")
        self._out.write(json.dumps({**head, "format": _FORMAT, "layers": list(layers)}) + "\n")
        self._number = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self._out.close()
        os.close(self._contents)

    def add(self, line: list[Any]) -> None:
        """Write down one entry."""
        self._out.write(json.dumps(line) + "\n")

    def content(self, content: bytes) -> str | int:
        """What an entry says of a content: itself where it is small, else the number under which it was written."""
        if len(content) <= _SMALL:
            return binascii.b2a_base64(content, newline=False).decode("ascii")
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(str(self._number), flags, 0o644, dir_fd=self._contents), "wb") as file:
            file.write(content)
        return self._number

    def found(self, found: Found, *, link: bool) -> str | int:
        """What an entry says of the content of a file; a large one may be linked where it never changes again."""
        if found.stat.st_size <= _SMALL:
            file = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.folder)
            with os.fdopen(file, "rb") as source:
                return self.content(source.read(_SMALL))
        self._number += 1
        _content(found, self._contents, str(self._number), link)
        return self._number


def save(tree: int, layers: Sequence[str], to: int, owner: int, head: dict[str, Any]) -> None:
    """Write the layers of a sandbox, which stand still, into an empty folder.

    Args:
        tree: The open folder that holds the layers.
        layers: Their names, the upper one last; the others never change again, so their files may be linked.
        to: The open folder to write into.
        owner: The id that root of the sandbox has here.
        head: What else to write down about the whole.

    Raises:
        OSError: Something cannot be read or written.
    """
    with Writer(to, layers, head) as out:
        for layer in layers:
            names: dict[tuple[int, int], str] = {}
            top = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree)
            try:
                for found in walk(top, DEEPEST):
                    line = _line(layer, found, owner)
                    if line is None:
                        continue
                    if line[2] == "f":
                        key = found.stat.st_dev, found.stat.st_ino
                        if key in names:
                            line[2], line[7] = "h", names[key]
                        else:
                            if found.stat.st_nlink > 1:
                                names[key] = line[1]
                            sealed = layer != layers[-1]
                            line[7] = out.found(found, link=sealed and found.stat.st_mode & 0o444 == 0o444)
                    out.add(line)
            finally:
                os.close(top)


def _line(layer: str, found: Found, owner: int) -> list[Any] | None:
    known, extra = found.stat, None
    kind = {stat.S_IFDIR: "d", stat.S_IFREG: "f", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFCHR: "w"}.get(
        stat.S_IFMT(known.st_mode)
    )
    if kind is None or (kind == "w" and known.st_rdev != 0):
        return None  # a unix socket: nobody listens any more
    if kind == "l":
        extra = os.fsdecode(os.readlink(found.name, dir_fd=found.folder))
    path = os.fsdecode(found.path)
    ids = [_inside(known.st_uid, owner), _inside(known.st_gid, owner)]
    line: list[Any] = [layer, path, kind, stat.S_IMODE(known.st_mode), *ids, known.st_mtime_ns, extra]
    if kind in "df":
        attributes = _attributes(found)
        if attributes:
            line.append(attributes)
    return line


def _inside(outside: int, owner: int) -> int:
    return outside - owner if 0 <= outside - owner < 65536 else 0


def _attributes(found: Found) -> dict[str, str]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(found.name, flags, dir_fd=found.folder)
    except OSError:
        return {}
    try:
        names = [name for name in os.listxattr(file) if name.startswith("user.")]
        kept = sorted(name for name in names if not name.startswith("user.overlay.") or name == OPAQUE)
        return {name: os.getxattr(file, name).hex() for name in kept}
    except OSError:
        return {}
    finally:
        os.close(file)


def _content(found: Found, contents: int, name: str, link: bool) -> None:
    if link:
        try:
            os.link(found.name, name, src_dir_fd=found.folder, dst_dir_fd=contents, follow_symlinks=False)
            return
        except OSError:
            pass  # another file system, or too many links
    source = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.folder)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=contents)
        try:
            copy_content(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def entries(folder: int) -> Iterator[list[Any]]:
    """The lines of a saved state, the one about the whole first, each with all of its fields.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a saved state of this version.
    """
    listing = os.open(LIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(listing, encoding="ascii") as lines:
        head = json.loads(lines.readline())
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise ValueError("it is of another version")
        yield [head]
        for text in lines:
            line = json.loads(text)
            yield line if len(line) == 9 else [*line, {}]


def unpack(folder: int, tree: int, owner: int, *, give_away: bool) -> None:
    """Make the layers again out of a saved state; the contents move to their places.

    Args:
        folder: The open folder of the saved state.
        tree: The open folder for the layers, empty.
        owner: The id that root of the sandbox has here.
        give_away: Whether files can be given to other ids than the caller's.

    Raises:
        OSError: Something cannot be written.
        ValueError: It is not a saved state of this version.
    """
    lines = entries(folder)
    tops = {}
    for layer in next(lines)[0]["layers"]:
        os.mkdir(layer, 0o755, dir_fd=tree)
        tops[layer] = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
        if give_away:
            os.fchown(tops[layer], owner, owner)
    contents = os.open(CONTENTS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    folders: list[tuple[int, bytes, int, int]] = []
    try:
        for layer, text, kind, mode, uid, gid, mtime, extra, attributes in lines:
            top, path = tops[layer], os.fsencode(text)
            above, _, name = path.rpartition(b"/")
            here = kernel.open_inside(top, above or b"/", os.O_RDONLY | os.O_DIRECTORY)
            try:
                _make(here, name, kind, extra, contents, top)
                if kind == "h":
                    continue  # it is the other name that says what it is
                if give_away:
                    os.chown(name, owner + uid, owner + gid, dir_fd=here, follow_symlinks=False)
                if kind in "df":
                    _dress(here, name, kind, mode, attributes)
                if kind == "d":
                    folders.append((top, path, mode, mtime))
                else:
                    os.utime(name, ns=(mtime, mtime), dir_fd=here, follow_symlinks=False)
            finally:
                os.close(here)
        for top, path, mode, mtime in reversed(folders):
            inner = kernel.open_inside(top, path, os.O_RDONLY | os.O_DIRECTORY)
            os.fchmod(inner, mode)
            os.utime(inner, ns=(mtime, mtime))
            os.close(inner)
    finally:
        for top in tops.values():
            os.close(top)
        os.close(contents)
    os.unlink(LIST, dir_fd=folder)
    remove_at(folder, CONTENTS.encode())


def _make(here: int, name: bytes, kind: str, extra: Any, contents: int, top: int) -> None:
    if kind == "d":
        os.mkdir(name, 0o700, dir_fd=here)
    elif kind == "f" and isinstance(extra, str):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=here), "wb") as file:
            file.write(binascii.a2b_base64(extra))
    elif kind == "f":
        os.rename(str(extra), name, src_dir_fd=contents, dst_dir_fd=here)
    elif kind == "h":
        above, _, first = os.fsencode(extra).rpartition(b"/")
        there = kernel.open_inside(top, above or b"/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.link(first, name, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
        finally:
            os.close(there)
    elif kind == "l":
        os.symlink(os.fsencode(extra), name, dir_fd=here)
    elif kind == "p":
        os.mkfifo(name, dir_fd=here)
    elif kind == "w":
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=here)


def _dress(here: int, name: bytes, kind: str, mode: int, attributes: dict[str, str]) -> None:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    try:
        if kind == "f":
            os.fchmod(file, mode)
        for key, value in attributes.items():
            os.setxattr(file, key, binascii.unhexlify(value))
    finally:
        os.close(file)
