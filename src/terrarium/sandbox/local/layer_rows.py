"""The state of a local sandbox as rows: what on disk differs from the base."""

from __future__ import annotations

import base64
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from terrarium.core.errors import SandboxFault
from terrarium.core.rows import Row, digest_lines, line_of
from terrarium.core.sharing import SEALED
from terrarium.sandbox.inside import saved
from terrarium.sandbox.inside.walk import Found, walk
from terrarium.sandbox.local.content import SHOWN, content_of, digest_of_file
from terrarium.sandbox.local.draft import File, Folder
from terrarium.sandbox.local.layers import Layers

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRIES = 5
_KEPT = 32 * 1024 * 1024  # characters of the contents of one layer


class _Layer(NamedTuple):
    """The rows of one layer by path; under the paths that hide, nothing of the layers below is to be seen."""

    rows: dict[str, Row]
    hiding: frozenset[str]


class LayerRows:
    """The rows of some layers. Those of layers that never change again are kept, and digests of large files.

    Args:
        layers: Of one sandbox.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._sums: dict[tuple[int, int, int, int], dict[str, str]] = {}
        self._kept: dict[str, _Layer] = {}
        self._below: tuple[tuple[str, ...], dict[str, Row]] = ((), {})
        self._lines: dict[str, tuple[Row, bytes]] = {}
        self._using = threading.Lock()

    def all(self) -> list[Row]:
        """Every file, folder and link that differs from the base, and what of the base is gone, in order.

        Raises:
            SandboxFault: Processes move folders about all the time.
        """
        with self._using:
            return self._all()

    def digest(self) -> str:
        """The digest of all rows.

        Raises:
            SandboxFault: Processes move folders about all the time.
        """
        with self._using:
            fresh, lines = dict[str, tuple[Row, bytes]](), []
            for row in self._all():
                key = f"{row.table}:{row.key}"
                known = self._lines.get(key)
                if known is None or known[0] is not row:
                    known = row, line_of(row)
                fresh[key] = known
                lines.append(known[1])
            # Lines of a layer that changes are of no use the next time: its rows will be others.
            kept = {id(row) for layer in self._kept.values() for row in layer.rows.values()}
            self._lines = {key: known for key, known in fresh.items() if id(known[0]) in kept}
            return digest_lines(lines)

    def _all(self) -> list[Row]:
        for _ in range(_TRIES):
            try:
                return self._merged()
            except (OSError, ValueError) as error:
                if not isinstance(error, OSError) or error.errno not in (errno.ESTALE, errno.ENOENT):
                    raise SandboxFault(f"the files of the sandbox cannot be read: {error}") from error
        raise SandboxFault("the files of the sandbox cannot be read: processes move its folders about all the time")

    def _merged(self) -> list[Row]:
        layers = self._layers
        if layers.draft is not None:
            return sorted(map(_drafted, layers.draft.all()), key=_order)
        names = tuple(layers.saved_names() if layers.packed else layers.names())
        sealed = tuple(name for name in names if name != saved.UPPER)
        if self._below[0] != sealed:
            merged: dict[str, Row] = {}
            for name in sealed:
                merged = _on_top(merged, self._sealed(name))
            if all(name in self._kept for name in sealed):
                self._below = sealed, merged
        else:
            merged = self._below[1]
        if sealed != names:
            merged = _on_top(merged, self._upper())
        return sorted((row for row in merged.values() if row.table != "gone" or layers.in_base(row.key)), key=_order)

    def _sealed(self, name: str) -> _Layer:
        found = self._kept.get(name)
        if found is None:
            found = self._packed(name) if self._layers.packed else self._live(name)
            if sum(len(row.fields.get("content", "")) for row in found.rows.values()) <= _KEPT:
                self._kept[name] = found
        return found

    def _upper(self) -> _Layer:
        if not self._layers.packed:
            self._kept.pop(saved.UPPER, None)
            return self._live(saved.UPPER)
        return self._sealed(saved.UPPER)

    def _live(self, layer: str) -> _Layer:
        rows, hiding = dict[str, Row](), set[str]()
        top = os.open(self._layers.tree / layer, _OPEN)
        try:
            for found in walk(top, saved.DEEPEST):
                kind, mode = stat.S_IFMT(found.stat.st_mode), stat.S_IMODE(found.stat.st_mode)
                path = "/" + os.fsdecode(found.path)
                if kind == stat.S_IFREG:
                    rows[path] = _row("file", path, {"mode": mode, **self._content(found)})
                elif kind == stat.S_IFDIR:
                    rows[path] = _row("dir", path, {"mode": mode})
                    if not _opaque(found):
                        continue
                elif kind == stat.S_IFLNK:
                    rows[path] = _link(path, os.readlink(found.name, dir_fd=found.folder))
                elif kind == stat.S_IFCHR:
                    rows[path] = _row("gone", path, {})
                else:
                    continue
                hiding.add(path)
        finally:
            os.close(top)
        return _Layer(rows, frozenset(hiding))

    def _packed(self, layer: str) -> _Layer:
        rows, hiding = dict[str, Row](), set[str]()
        contents = self._layers.folder / SEALED / layer
        listing = os.open(self._layers.folder if layer == saved.UPPER else contents, _OPEN)
        try:
            numbers: dict[str, list[int] | str] = {}
            for _, text, kind, mode, _, _, _, extra, attributes in saved.entries(listing):
                path = f"/{text}"
                if kind in "fh":
                    known = numbers[text] = extra if kind == "f" else numbers[extra]
                    shown = _saved(contents, known)
                    rows[path] = _row("file", path, {"mode": mode, **shown})
                elif kind == "d":
                    rows[path] = _row("dir", path, {"mode": mode})
                    if saved.OPAQUE not in attributes:
                        continue
                elif kind == "l":
                    rows[path] = _link(path, os.fsencode(extra))
                elif kind == "w":
                    rows[path] = _row("gone", path, {})
                else:
                    continue
                hiding.add(path)
        finally:
            os.close(listing)
        return _Layer(rows, frozenset(hiding))

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


def _saved(contents: Path, known: list[int] | str) -> dict[str, Any]:
    """What a row shows of a content that is in the list of a saved state, or lies beside it."""
    if isinstance(known, str):
        return content_of(base64.b64decode(known))
    with (contents / str(known[0])).open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size <= SHOWN:
            return content_of(source.read())
        return {"size": size, **digest_of_file(source.fileno(), size)}


def _drafted(entry: tuple[str, File | Folder]) -> Row:
    path, found = entry
    if isinstance(found, Folder):
        return Row("dir", path, {"mode": found.mode})
    return Row("file", path, {"mode": found.mode, **content_of(found.content)})


def _row(table: str, path: str, fields: dict[str, Any]) -> Row:
    """A row with a key that is text: a path that is not has its bytes written out, and a slash at its end.

    No path ends so, and two never become one: nothing can be hidden behind another name.
    """
    try:
        path.encode()
        return Row(table, path, fields)
    except UnicodeEncodeError:
        told = os.fsencode(path.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
        return Row(table, f"{told}/", fields)


def _order(row: Row) -> tuple[str, str]:
    return row.table, row.key


def _on_top(below: dict[str, Row], layer: _Layer) -> dict[str, Row]:
    """What is seen where a layer lies on others."""
    if below and layer.hiding:
        # Files hide nothing but themselves, unless a folder of that name lies below.
        hiding = {path for path in layer.hiding if path in below and below[path].table == "dir"}
        if hiding:
            below = {path: row for path, row in below.items() if hiding.isdisjoint(_above(path))}
    return {**below, **layer.rows}


def _above(path: str) -> Iterator[str]:
    """The folders a path lies in, the nearest first."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path


def _link(path: str, target: bytes) -> Row:
    return _row("link", path, {"target": target.decode("utf-8", "replace")})


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
