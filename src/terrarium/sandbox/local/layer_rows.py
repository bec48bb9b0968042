"""The state of a local sandbox as rows: what on disk differs from the base."""

from __future__ import annotations

import base64
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from terrarium.core.errors import SandboxFault
from terrarium.core.rows import Row
from terrarium.sandbox.inside import saved
from terrarium.sandbox.inside.walk import Found, walk
from terrarium.sandbox.local.content import SHOWN, content_of, digest_of_file
from terrarium.sandbox.local.draft import File, Folder
from terrarium.sandbox.local.layers import Layers

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRIES = 5


class _Entry(NamedTuple):
    """One entry of a layer; `hides` says that nothing of the layers below is to be seen under its path."""

    layer: str
    hides: bool
    row: Row


class LayerRows:
    """The rows of some layers. Digests of large files are kept, and made again where a file has changed.

    Args:
        layers: Of one sandbox.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._sums: dict[tuple[int, int, int, int], dict[str, str]] = {}

    def all(self) -> list[Row]:
        """Every file, folder and link that differs from the base, and what of the base is gone, in order.

        Raises:
            SandboxFault: Processes move folders about all the time.
        """
        for _ in range(_TRIES):
            try:
                return self._merged()
            except OSError as error:
                if error.errno not in (errno.ESTALE, errno.ENOENT):
                    raise SandboxFault(f"the files of the sandbox cannot be read: {error}") from error
        raise SandboxFault("the files of the sandbox cannot be read: processes move its folders about all the time")

    def _merged(self) -> list[Row]:
        if self._layers.draft is not None:
            return sorted(map(_drafted, self._layers.draft.all()), key=lambda row: (row.table, row.key))
        merged: dict[str, Row] = {}
        entries = self._packed() if self._layers.packed else self._live()
        for _, layer in itertools.groupby(entries, lambda entry: entry.layer):
            here: dict[str, Row] = {}
            hiding = set[str]()
            for entry in layer:
                here[entry.row.key] = entry.row
                if entry.hides:
                    hiding.add(entry.row.key)
            if merged and hiding:
                merged = {path: row for path, row in merged.items() if hiding.isdisjoint(_above(path))}
            merged |= here
        kept = [row for row in merged.values() if row.table != "gone" or self._layers.in_base(row.key)]
        return sorted(map(_named, kept), key=lambda row: (row.table, row.key))

    def _live(self) -> Iterator[_Entry]:
        for layer in self._layers.names():
            top = os.open(self._layers.tree / layer, _OPEN)
            try:
                for found in walk(top, saved.DEEPEST):
                    kind, mode = stat.S_IFMT(found.stat.st_mode), stat.S_IMODE(found.stat.st_mode)
                    path = "/" + os.fsdecode(found.path)
                    if kind == stat.S_IFREG:
                        yield _Entry(layer, True, Row("file", path, {"mode": mode, **self._content(found)}))
                    elif kind == stat.S_IFDIR:
                        yield _Entry(layer, _opaque(found), Row("dir", path, {"mode": mode}))
                    elif kind == stat.S_IFLNK:
                        yield _Entry(layer, True, _link(path, os.readlink(found.name, dir_fd=found.folder)))
                    elif kind == stat.S_IFCHR:
                        yield _Entry(layer, True, Row("gone", path, {}))
            finally:
                os.close(top)

    def _packed(self) -> Iterator[_Entry]:
        folder = os.open(self._layers.folder, _OPEN)
        try:
            lines, numbers = saved.entries(folder), dict[tuple[str, str], int | str]()
            next(lines)
            for layer, text, kind, mode, _, _, _, extra, attributes in lines:
                path = f"/{text}"
                if kind in "fh":
                    known = numbers[layer, text] = extra if kind == "f" else numbers[layer, extra]
                    if isinstance(known, str):
                        shown = content_of(base64.b64decode(known))
                    else:
                        shown = _saved(self._layers.folder / saved.CONTENTS / str(known))
                    yield _Entry(layer, True, Row("file", path, {"mode": mode, **shown}))
                elif kind == "d":
                    yield _Entry(layer, saved.OPAQUE in attributes, Row("dir", path, {"mode": mode}))
                elif kind == "l":
                    yield _Entry(layer, True, _link(path, os.fsencode(extra)))
                elif kind == "w":
                    yield _Entry(layer, True, Row("gone", path, {}))
        finally:
            os.close(folder)

    def _content(self, found: Found) -> dict[str, Any]:
        known = found.stat
        key = known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns
        if known.st_size > SHOWN and key in self._sums:
            return {"size": known.st_size, **self._sums[key]}
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = os.open(found.name, flags, dir_fd=found.folder)
        except OSError:
            return {"size": known.st_size}  # nobody but its owner, another id, may read it
        if known.st_size <= SHOWN:  # nearly all are: without a file object, which takes as long as all the rest
            try:
                return content_of(os.read(file, SHOWN))
            finally:
                os.close(file)
        try:
            self._sums[key] = digest_of_file(file, known.st_size)
        finally:
            os.close(file)
        return {"size": known.st_size, **self._sums[key]}


def _saved(path: Path) -> dict[str, Any]:
    """What a row shows of a content that lies beside a saved state."""
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size <= SHOWN:
            return content_of(source.read())
        return {"size": size, **digest_of_file(source.fileno(), size)}


def _drafted(entry: tuple[str, File | Folder]) -> Row:
    path, found = entry
    if isinstance(found, Folder):
        return Row("dir", path, {"mode": found.mode})
    return Row("file", path, {"mode": found.mode, **content_of(found.content)})


def _named(row: Row) -> Row:
    """A row with a key that is text: a path that is not has its bytes written out, and a slash at its end.

    No path ends so, and two never become one: nothing can be hidden behind another name.
    """
    try:
        row.key.encode()
        return row
    except UnicodeEncodeError:
        told = os.fsencode(row.key.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
        return Row(row.table, f"{told}/", row.fields)


def _above(path: str) -> Iterator[str]:
    """The folders a path lies in, the nearest first."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path


def _link(path: str, target: bytes) -> Row:
    return Row("link", path, {"target": target.decode("utf-8", "replace")})


def _opaque(found: Found) -> bool:
    try:
        inner = os.open(found.name, _OPEN | os.O_NOFOLLOW, dir_fd=found.folder)
    except OSError:
        return False
    try:
        return os.getxattr(inner, saved.OPAQUE) == b"y"
    except OSError:
        return False
    finally:
        os.close(inner)
