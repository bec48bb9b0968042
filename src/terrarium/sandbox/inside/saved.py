"""The state of a sandbox as plain files that survive any copying: lists of all there is, large contents beside them.

`tree.jsonl` is the list of the upper layer, and `sealed/upper` holds its contents; `sealed/0` and so on hold list and
contents of each layer that never changes again. Only the engine writes these, and never twice: they are shared between
worlds and snapshots by hard links.

A list begins with a line about the whole; then one line for each entry, folders before what is in them:
`[layer, path, kind, mode, uid, gid, mtime, extra]`. Kinds: `d` folder, `f` file (extra: its content in base64, or
the number under which it lies with the contents, and its size), `h` another name of a file (extra: the first path), `l`
link (extra: target), `p` pipe, `w` a removed entry of the base. Extended attributes follow where there are any. Ids are
those inside the sandbox. The last line is the number of entries.
"""

from __future__ import annotations

import binascii
import json
import os
import stat
from collections.abc import Iterator

from terrarium.core.copying import copy_content
from terrarium.core.removal import remove_at
from terrarium.core.sharing import SEALED
from terrarium.sandbox.inside import kernel
from terrarium.sandbox.inside.walk import Found, walk

TYPE_CHECKING = False  # `typing` takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Any

LIST, UPPER = "tree.jsonl", "upper"
OPAQUE = "user.overlay.opaque"
_FORMAT = 3
DEEPEST = 3800
"""Bytes of the path of a folder that is entered: what is deeper, no path names, and it is not part of a state."""
_SMALL = 4096  # bytes of a content that is written into the list


class Writer:
    """Writes the list of one layer and its contents; a context manager.

    Args:
        to: The open, empty folder of the contents.
        listing: The open folder of the list.
        layer: The name of the layer.
        head: What else to write down about the whole.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, to: int, listing: int, layer: str, head: dict[str, Any]) -> None:
        self.layer = layer
        self._contents = to
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._out = os.fdopen(os.open(LIST, flags, 0o644, dir_fd=listing), "w", encoding="ascii")
        self._out.write(json.dumps({**head, "format": _FORMAT}) + "\n")
        self._number = self._entries = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._out.write(f"{self._entries}\n")
        finally:
            self._out.close()

    def add(self, line: list[Any]) -> None:
        """Write down one entry."""
        self._out.write(json.dumps(line) + "\n")
        self._entries += 1

    def content(self, content: bytes) -> str | list[int]:
        """What an entry says of a content: itself where it is small, else where it lies, and its size."""
        if len(content) <= _SMALL:
            return binascii.b2a_base64(content, newline=False).decode("ascii")
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(str(self._number), flags, 0o644, dir_fd=self._contents), "wb") as file:
            file.write(content)
        return [self._number, len(content)]

    def found(self, found: Found, *, link: bool) -> str | list[int]:
        """What an entry says of the content of a file; a large one may be linked where it never changes again."""
        if found.stat.st_size <= _SMALL:
            file = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.folder)
            with os.fdopen(file, "rb") as source:
                return self.content(source.read(_SMALL))
        self._number += 1
        _content(found, self._contents, str(self._number), link)
        return [self._number, found.stat.st_size]


def save(tree: int, out: Writer, owner: int, *, link: bool) -> None:
    """Write down one layer of a sandbox, which stands still.

    Args:
        tree: The open folder that holds the layers.
        out: Where to.
        owner: The id that root of the sandbox has here.
        link: Nobody ever writes to its files again: they can be linked.

    Raises:
        OSError: Something cannot be read or written.
    """
    names: dict[tuple[int, int], str] = {}
    top = os.open(out.layer, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree)
    try:
        for found in walk(top, DEEPEST):
            line = _line(out.layer, found, owner)
            if line is None:
                continue
            if line[2] == "f":
                key = found.stat.st_dev, found.stat.st_ino
                if key in names:
                    line[2], line[7] = "h", names[key]
                else:
                    if found.stat.st_nlink > 1:
                        names[key] = line[1]
                    line[7] = out.found(found, link=link and found.stat.st_mode & 0o444 == 0o444)
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
    _copy(found.name, found.folder, name, contents)


def _copy(name: str | bytes, folder: int, target: str | bytes, there: int) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=there)
        try:
            copy_content(source, made)
        finally:
            os.close(made)
    finally:
        os.close(source)


def head(folder: int) -> dict[str, Any]:
    """What a list says about the whole.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a saved state of this version.
    """
    found: dict[str, Any] = next(_lines(folder))[0]
    return found


def entries(folder: int) -> Iterator[list[Any]]:
    """The entries of a list, each with all of its fields; errors as `head`."""
    lines = _lines(folder)
    next(lines)
    for count, line in enumerate(lines):
        if line == count:
            return
        if not isinstance(line, list):
            break
        yield line if len(line) == 9 else [*line, {}]
    raise ValueError("its list has been cut short")


def _lines(folder: int) -> Iterator[Any]:
    listing = os.open(LIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(listing, encoding="ascii") as lines:
        head = json.loads(lines.readline())
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise ValueError("it is of another version")
        yield [head]
        for text in lines:
            yield json.loads(text)


def open_in(folder: int, *names: str) -> int:
    """Open a folder in a folder; no link is followed.

    Raises:
        OSError: It is not there.
    """
    here = os.dup(folder)
    for name in names:
        following = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        os.close(here)
        here = following
    return here


def unpack(folder: int, tree: int, owner: int, *, give_away: bool) -> None:
    """Make the layers again out of a saved state. Sealed contents stay where they are, and are linked.

    Args:
        folder: The open folder of the saved state.
        tree: The open folder for the layers, empty.
        owner: The id that root of the sandbox has here.
        give_away: Whether files can be given to other ids than the caller's.

    Raises:
        OSError: Something cannot be written.
        ValueError: It is not a saved state of this version.
    """
    whole = head(folder)
    for layer in whole["layers"]:
        os.mkdir(layer, 0o755, dir_fd=tree)
        top = open_in(tree, layer)
        contents = open_in(folder, SEALED, layer)
        listing = os.dup(folder) if layer == UPPER else os.dup(contents)
        try:
            if give_away:
                os.fchown(top, owner, owner)
            link = layer != UPPER or not whole["lived"]
            _unpack_layer(listing, contents, top, owner, give_away=give_away, link=link)
        finally:
            for descriptor in (top, contents, listing):
                os.close(descriptor)
    sealed = open_in(folder, SEALED)
    remove_at(sealed, UPPER.encode())
    os.close(sealed)
    os.unlink(LIST, dir_fd=folder)


def _unpack_layer(listing: int, contents: int, top: int, owner: int, *, give_away: bool, link: bool) -> None:
    folders: list[tuple[bytes, int, int]] = []
    for _, text, kind, mode, uid, gid, mtime, extra, attributes in entries(listing):
        path = os.fsencode(text)
        above, _, name = path.rpartition(b"/")
        here = kernel.open_inside(top, above or b"/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            if kind == "f" and not isinstance(extra, str):
                ids = (owner + uid, owner + gid) if give_away else (os.geteuid(), os.getegid())
                if _placed(contents, extra, here, name, (mode, *ids, mtime), attributes, link):
                    continue
            else:
                _make(here, name, kind, extra, top)
            if kind == "h":
                continue  # it is the other name that says what it is
            if give_away:
                os.chown(name, owner + uid, owner + gid, dir_fd=here, follow_symlinks=False)
            if kind in "df":
                _dress(here, name, kind, mode, attributes)
            if kind == "d":
                folders.append((path, mode, mtime))
            else:
                os.utime(name, ns=(mtime, mtime), dir_fd=here, follow_symlinks=False)
        finally:
            os.close(here)
    for path, mode, mtime in reversed(folders):
        inner = kernel.open_inside(top, path, os.O_RDONLY | os.O_DIRECTORY)
        os.fchmod(inner, mode)
        os.utime(inner, ns=(mtime, mtime))
        os.close(inner)


def _placed(
    contents: int, extra: list[int], here: int, name: bytes, wanted: tuple[int, int, int, int],
    attributes: dict[str, str], link: bool,
) -> bool:  # fmt: skip
    """Put a content in its place: as a link where nobody writes to it, else as a file of its own.

    Returns:
        Whether it is one with others, and looks as `wanted` (mode, ids, time) already. A file that is one with others
        is never changed: they would see it.
    """
    number = str(extra[0])
    known = os.stat(number, dir_fd=contents, follow_symlinks=False)
    if not stat.S_ISREG(known.st_mode) or known.st_size != extra[1]:
        raise ValueError(f"content {number} is not what was written")
    looks = (stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid, known.st_mtime_ns)
    alike = looks == wanted and not attributes
    try:
        if link and (alike or known.st_nlink == 1):
            os.link(number, name, src_dir_fd=contents, dst_dir_fd=here, follow_symlinks=False)
            return alike
        if not link and known.st_nlink == 1:
            os.rename(number, name, src_dir_fd=contents, dst_dir_fd=here)
            return False
    except OSError:
        pass  # another file system, too many links, or not one's own
    _copy(number, contents, name, here)
    return False


def _make(here: int, name: bytes, kind: str, extra: Any, top: int) -> None:
    if kind == "d":
        os.mkdir(name, 0o700, dir_fd=here)
    elif kind == "f":
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=here), "wb") as file:
            file.write(binascii.a2b_base64(extra))
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
