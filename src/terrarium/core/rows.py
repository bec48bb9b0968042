"""The one store of emulated state: rows of plain fields in one SQLite file, large content in blobs beside it.

A capability that we emulate keeps its state here and nowhere else. Every write passes `change`, the one point that
stamps world time, writes the journal's `change` event, bumps the version and wakes conditions and notices.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import hashlib
import json
import re
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from terrarium.core.errors import CapabilityFault, EngineFault, NotFound, Refused, ValueNotPlain, boundary_of
from terrarium.core.files import link_or_copy, make_folder, write_whole
from terrarium.core.values import INLINE_LIMIT, Blobs, Value, decode, dumps, encode, sorted_dumps

Fields = Mapping[str, Value]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a world's state: a table, a key unique in it, and plain fields. Nothing volatile."""

    table: str
    key: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the row before (None: it is new) and after (None: it is gone)."""

    actor: str
    table: str
    key: str
    before: Fields | None
    after: Fields | None
    text: str | None = None
    """`after` encoded and written out, where it is small."""
    trace: bool = False
    """It only tells that somebody has looked, such as the mark of a mail that was read."""


class Rows:
    """The state of one capability.

    Rows live in memory between two snapshots; `save` writes the file of a snapshot, and `close` the capability's own. A
    crash is mended from the last snapshot, so nothing else is ever read again.
    Not thread-safe: whoever holds the world's baton may use it.

    Args:
        folder: The capability's folder; the file `rows.sqlite` is in it, where there is state to continue.
        changed: Called with every change, before it is stored.
        keep: Write the capability's own file at `close`; False where its folder is thrown away with its world.
    """

    def __init__(self, folder: Path, changed: Callable[[Change], None] = lambda _: None, *, keep: bool = True) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        self.version = 0
        self.reads = 0
        self._changed = changed
        self._watchers: tuple[Callable[[Change], None], ...] = ()
        self._keep = keep
        self._base: sqlite3.Connection | None = None
        self._unwritten: dict[tuple[str, str], str | None] = {}
        self._stale = False  # the capability's own file is behind
        self._tables: dict[str, dict[str, Fields]] = {}
        self._keys: dict[str, list[str]] = {}
        self._image: _Image | None = None
        self._sums: dict[tuple[str, str], tuple[Fields, bytes]] = {}
        if self._path.exists():
            self._load()

    @property
    def _path(self) -> Path:
        return self.folder / "rows.sqlite"

    def subscribe(self, watcher: Callable[[Change], None]) -> Callable[[], None]:
        """Have `watcher` told of every change once it is stored; what this returns ends it.

        A watcher is called by whoever holds the baton, on any thread, in the middle of what they do: it takes note,
        wakes somebody, and neither raises nor touches the state.
        """
        self._watchers = (*self._watchers, watcher)

        def end() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

        return end

    def get(self, table: str, key: str) -> Fields | None:
        """The fields of one row, or None. They are shared: copy before changing."""
        self.reads += 1
        return self._tables.get(table, {}).get(key)

    def table(self, table: str, prefix: str = "") -> Iterator[Row]:
        """The rows of a table whose keys start with `prefix`, in order of their keys."""
        self.reads += 1
        rows = self._tables.get(table, {})
        keys = self._keys.get(table, [])
        start = bisect.bisect_left(keys, prefix) if prefix else 0
        for key in keys[start:]:
            if not key.startswith(prefix):
                return
            yield Row(table, key, rows[key])

    def last(self, table: str, prefix: str) -> str | None:
        """The last key of a table that starts with `prefix`, or None."""
        self.reads += 1
        keys = self._keys.get(table, [])
        place = bisect.bisect_left(keys, prefix + chr(sys.maxunicode))
        return keys[place - 1] if place and keys[place - 1].startswith(prefix) else None

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return len(self._tables.get(table, ()))

    def all(self) -> Iterator[Row]:
        """Every row, ordered by table and key; see `StoredRows`."""
        return StoredRows(self)

    def tables(self) -> list[str]:
        """The names of the tables, in order."""
        return sorted(self._tables)

    def digest(self) -> str:
        """`digest_rows` of all. What a row comes to is kept until it has other fields."""
        known, fresh = self._sums, dict[tuple[str, str], tuple[Fields, bytes]]()
        for table in self.tables():
            rows = self._tables[table]
            for key in self._keys[table]:
                found = known.get((table, key))
                if found is None or found[0] is not rows[key]:
                    found = rows[key], _sum(line_of(Row(table, key, rows[key])))
                fresh[table, key] = found
        self._sums = fresh
        if self._image is not None and not self._image.sums:
            self._image.sums = fresh  # for other worlds that are opened on the same file
        return _total(found[1] for found in fresh.values())

    def insert(self, actor: str, table: str, key: str, fields: Fields) -> None:
        """Add a row.

        Raises:
            Refused: The key is taken.
        """
        if self.get(table, key) is not None:
            raise Refused(f"{table} {key!r} already exists")
        self.change(actor, table, key, None, fields)

    def update(self, actor: str, table: str, key: str, **fields: Value) -> Fields:
        """Set some fields of a row and return all of them; nothing is written where nothing differs.

        Raises:
            NotFound: There is no such row.
        """
        before = self.get(table, key)
        if before is None:
            raise NotFound(f"there is no {table} {key!r}")
        after = {**before, **fields}
        if after != before:
            self.change(actor, table, key, before, after)
        return after

    def delete(self, actor: str, table: str, key: str) -> None:
        """Remove a row.

        Raises:
            NotFound: There is no such row.
        """
        before = self.get(table, key)
        if before is None:
            raise NotFound(f"there is no {table} {key!r}")
        self.change(actor, table, key, before, None)

    def change(
        self, actor: str, table: str, key: str, before: Fields | None, after: Fields | None, *, trace: bool = False
    ) -> None:
        """The one way to write.

        Args:
            actor: Who does.
            table: Where.
            key: The row.
            before: Its fields; None: it is new.
            after: Its fields from now on; None: it is gone.
            trace: It only tells that somebody has looked: no action of theirs, and no news to others.

        Raises:
            ValueNotPlain: `after` holds something that cannot be written down, or `key` a lone surrogate.
        """
        text, small = None, None
        if after is not None:
            tree = encode(after)
            text = dumps(tree)
            after = decode(tree)  # read back the same now and after opening again, and nobody else's to change
            small = text if len(text) <= INLINE_LIMIT else None
        for word in (table, key):
            if not word.isascii() and _SURROGATE.search(word):
                raise ValueNotPlain(f"a key that UTF-8 cannot hold: {word!r}")
        self._changed(Change(actor, table, key, before, after, small, trace))
        self._unwritten[table, key] = text
        self._stale = True
        self.version += 1
        rows = self._tables.setdefault(table, {})
        keys = self._keys.setdefault(table, [])
        if after is None:
            del rows[key]
            del keys[bisect.bisect_left(keys, key)]
        else:
            if key not in rows:
                bisect.insort(keys, key)
            rows[key] = after
        for watcher in self._watchers:
            watcher(Change(actor, table, key, before, after))

    def save(self, to: Path) -> None:
        """Copy the state into the folder `to`, blobs as hard links where the file system allows it.

        Raises:
            CapabilityFault: It cannot be written.
            EngineFault: The disk is full, or fails.
        """
        if self._base is not None or self._unwritten:
            self._write(to)
        if self.blobs.folder.exists():
            (to / "blobs").mkdir(parents=True, exist_ok=True)
            for blob in sorted(self.blobs.folder.iterdir()):
                link_or_copy(blob, to / "blobs" / blob.name)

    def close(self) -> None:
        """Write the capability's own file, where it is kept; idempotent.

        Raises:
            CapabilityFault, EngineFault: As `save`.
        """
        if self._keep and self._stale:
            self._write(self.folder)
            self._stale = False
        if self._base is not None:
            self._base.close()
            self._base = None

    def _write(self, folder: Path) -> None:
        path = folder / self._path.name
        try:
            base = self._base or self._open(_empty())
            gone = [place for place, text in self._unwritten.items() if text is None]
            here = [(*place, text) for place, text in self._unwritten.items() if text is not None]
            base.executemany("DELETE FROM rows WHERE tbl = ? AND key = ?", gone)
            base.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", here)
            content = base.serialize()
            make_folder(folder)
            write_whole(path, content)
        except (sqlite3.Error, OSError) as error:
            kind = EngineFault if _disk(error) else CapabilityFault
            said = getattr(error, "strerror", None) or error
            raise kind(f"cannot write {path}: {said}", code="ENOSPC" if _full(error) else None) from error
        self._unwritten.clear()

    def _open(self, content: bytes) -> sqlite3.Connection:
        """The image of the file, which is closed with this store, or when nobody has the store any more."""
        base = self._base = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, base.close)
        base.deserialize(content)
        return base

    def _load(self) -> None:
        try:
            content = self._path.read_bytes()
            self._open(content)
            self._image = _image(content)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise CapabilityFault(f"{self._path} is not a state file of this version: {error}") from error
        self._tables = {table: dict(rows) for table, rows in self._image.tables.items()}
        self._sums = self._image.sums
        self._keys = {table: list(rows) for table, rows in self._image.tables.items()}


class StoredRows(Iterator[Row]):
    """All rows of a store, one after the other; it also knows their digest, which is had faster there."""

    def __init__(self, store: Rows) -> None:
        self._store = store
        self._rows = (row for table in store.tables() for row in store.table(table))

    def __next__(self) -> Row:
        return next(self._rows)

    def digest(self) -> str:
        """`digest_rows` of all of them, however far this has come."""
        return self._store.digest()


class _Image:
    """The rows of a file, by table, ordered by their keys."""

    def __init__(self, content: bytes) -> None:
        self.sums: dict[tuple[str, str], tuple[Fields, bytes]] = {}
        self.tables: dict[str, dict[str, Fields]] = {}
        with contextlib.closing(sqlite3.connect(":memory:")) as base:
            base.deserialize(content)
            found = base.execute("SELECT tbl, key, fields FROM rows").fetchall()
        for table, key, fields in sorted(found):
            self.tables.setdefault(table, {})[key] = decode(json.loads(fields))


_images: weakref.WeakValueDictionary[bytes, _Image] = weakref.WeakValueDictionary()


def _image(content: bytes) -> _Image:
    """The rows of a file. Worlds that were opened on the same one share their fields, which nobody changes in place."""
    key = hashlib.sha256(content).digest()
    found = _images.get(key)
    if found is None:
        found = _images[key] = _Image(content)
    return found


def _full(error: Exception) -> bool:
    """Whether it is SQLite that found the disk full, which no `OSError` behind it tells."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_FULL


def _disk(error: Exception) -> bool:
    """Whether the machine is to blame: its disk is full, or fails."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None) or 0
        return code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return boundary_of(error) == "engine"


@functools.cache
def _empty() -> bytes:
    """A file without rows; taking it in costs less than having SQLite make one."""
    file = sqlite3.connect(":memory:")
    file.execute("CREATE TABLE rows (tbl TEXT, key TEXT, fields TEXT, PRIMARY KEY (tbl, key)) WITHOUT ROWID")
    content = file.serialize()
    file.close()
    return content


def digest_rows(rows: Iterable[Row]) -> str:
    """The sha256 of the sha256 of each canonical row, in hexadecimal: equal states, equal digests."""
    if isinstance(rows, StoredRows):
        return rows.digest()
    return digest_lines(map(line_of, rows))


def line_of(row: Row) -> bytes:
    """A row as one text, equal for equal rows."""
    return sorted_dumps([row.table, row.key, encode(row.fields)]).encode("ascii")


def digest_lines(lines: Iterable[bytes]) -> str:
    """`digest_rows` of rows that have been written out."""
    return _total(map(_sum, lines))


def _sum(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()


def _total(sums: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(sums)).hexdigest()
