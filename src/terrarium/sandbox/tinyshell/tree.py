"""A file tree whose only state is a `Rows` store: table `file` (key: absolute path) and table `dir`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from terrarium.core.clock import Clock
from terrarium.core.equipment import FOLDER
from terrarium.core.errors import CapabilityFault, NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.sandbox import FILE_LIMIT
from terrarium.core.values import INLINE_LIMIT, from_micros

HOME = "/root"
BASE = frozenset({"/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var"})
"""Folders that are always there, are no rows and cannot be removed."""

PATH_LIMIT = 4096  # bytes
NAME_LIMIT = 255  # bytes
DISK_LIMIT = 1024 * 1024 * 1024  # bytes of all files together
ENTRY_LIMIT = 100_000  # files and folders

Kind = Literal["file", "dir"]

REASONS = {
    "ENOENT": "No such file or directory",
    "EISDIR": "Is a directory",
    "ENOTDIR": "Not a directory",
    "EEXIST": "File exists",
    "ENOTEMPTY": "Directory not empty",
    "EBUSY": "Device or resource busy",
    "EFBIG": "File too large: a file holds at most 100 MiB",
    "ENOSPC": "No space left: the memory sandbox holds at most 1 GiB in 100,000 entries",
    "ENAMETOOLONG": "File name too long",
    "EINVAL": "Invalid argument",
}


class WorkSpent(Exception):
    """A command line has done more work than it may; never leaves the sandbox."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of a path without reading it."""

    kind: Kind
    size: int
    mtime: datetime
    mode: int


def fault(code: str, path: str) -> CapabilityFault:
    """The error for an errno name: `NotFound` for ENOENT, else `Refused`; its `code` is the name."""
    return (NotFound if code == "ENOENT" else Refused)(f"{path}: {REASONS[code]}", code=code)


def resolve(path: str, cwd: str = HOME) -> str:
    """The absolute path without `.`, `..` and doubled slashes; `..` at the root stays there.

    Raises:
        Refused: It is empty, holds NUL, cannot be written as UTF-8, or is too long (name 255, path 4,096 bytes).
    """
    if not isinstance(path, str):
        raise Refused(f"a path is text, not {type(path).__name__}", code="EINVAL")
    if not path or "\0" in path:
        raise Refused(f"a path is not empty and holds no NUL: {path[:80]!r}", code="ENOENT" if not path else "EINVAL")
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{cwd}/{path}").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise Refused(f"a path must be text that UTF-8 can hold: {path[:80]!r}", code="EINVAL") from None
    if max(sizes, default=0) > NAME_LIMIT or sum(sizes) + len(sizes) > PATH_LIMIT:
        raise fault("ENAMETOOLONG", f"{path[:80]}...")
    return "/" + "/".join(parts)


def parent(path: str) -> str:
    """The folder that a resolved path is in; the root is in itself."""
    return path.rpartition("/")[0] or "/"


def under(path: str) -> str:
    """The prefix of everything inside a resolved folder path."""
    return path if path == "/" else f"{path}/"


class Tree:
    """Files and folders. Every path given to a method is resolved already.

    Args:
        store: Where they are kept.
        clock: Gives files their times.
        actor: Says who is writing.
    """

    def __init__(self, store: Rows, clock: Clock, actor: Callable[[], str]) -> None:
        self.store = store
        self.clock = clock
        self.actor = actor
        self.budget: int | None = None
        """Bytes and entries that may still be looked at; None: no limit. Set while a command line runs."""
        self._base = BASE
        self._given: dict[str, bytes] = {}
        self._used = 0
        self._holders: Counter[str] = Counter()  # of each blob: how many files have it
        for row in store.table("file"):
            self._count(row.fields, 1)

    def give(self, files: Mapping[str, bytes]) -> None:
        """Show these files in /run/secrets, which are no rows and cannot be changed; those given before go."""
        self._given = {f"{FOLDER}/{name}": content for name, content in files.items()}
        self._base = BASE | {parent(FOLDER), FOLDER} if files else BASE

    def spend(self, work: int) -> None:
        """Count work against the budget.

        Raises:
            WorkSpent: It is used up.
        """
        if self.budget is not None:
            self.budget -= work
            if self.budget < 0:
                raise WorkSpent

    # -- looking --------------------------------------------------------------------------------------------------

    def kind(self, path: str) -> Kind | None:
        """Whether there is a file or a folder."""
        if path in self._base or self.store.get("dir", path) is not None:
            return "dir"
        return "file" if path in self._given or self.store.get("file", path) is not None else None

    def stat(self, path: str) -> Stat:
        """Size and times.

        Raises:
            NotFound: No such path.
        """
        found = self._file(path) if self.kind(path) == "file" else None
        if found is not None:
            return Stat("file", found["size"], found["mtime"], found["mode"])
        folder = self.store.get("dir", path)
        if folder is None and path not in self._base:
            raise fault("ENOENT", path)
        return Stat("dir", 0, folder["mtime"] if folder else from_micros(self.clock.start), 0o755)

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            NotFound: No such path.
            Refused: It is a folder.
        """
        fields = self._file(path)
        self.spend(fields["size"])
        content = fields["content"]
        return content if isinstance(content, bytes) else self.store.blobs.get(content)

    def sha256(self, path: str) -> str:
        """The digest of a file's content, as `read`."""
        content = self._file(path)["content"]
        return content if isinstance(content, str) else hashlib.sha256(content).hexdigest()

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted, folders with a trailing slash.

        Raises:
            NotFound: No such path.
            Refused: It is a file.
        """
        self._check_dir(path)
        prefix = under(path)
        start = len(prefix)
        found = [base[start:] + "/" for base in self._base if base != path and parent(base) == path]
        for table, mark in (("dir", "/"), ("file", "")):
            for row in self.store.table(table, prefix):
                self.spend(32)
                if "/" not in row.key[start:]:
                    found.append(row.key[start:] + mark)
        found += [given[start:] for given in self._given if parent(given) == path]
        return sorted(set(found), key=lambda name: name.rstrip("/"))

    def walk(self, path: str) -> list[tuple[str, Kind]]:
        """The path and everything below it, each folder before its content, in order of names.

        Raises:
            NotFound: No such path.
        """
        kind = self.kind(path)
        if kind is None:
            raise fault("ENOENT", path)
        found: dict[str, Kind] = {path: kind}
        if kind == "dir":
            prefix = under(path)
            found.update((base, "dir") for base in self._base if base.startswith(prefix))
            found.update((row.key, "dir") for row in self.store.table("dir", prefix))
            found.update((row.key, "file") for row in self.store.table("file", prefix))
            found.update((given, "file") for given in self._given if given.startswith(prefix))
        self.spend(64 * len(found))
        return [(key, found[key]) for key in sorted(found, key=lambda key: key.split("/") if key != "/" else [])]

    # -- changing -------------------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes) -> None:
        """Write a file, making its parents; its time is the present.

        Raises:
            Refused: The path or a parent is in the way, or a limit is reached.
        """
        if len(content) > FILE_LIMIT:
            raise fault("EFBIG", path)
        before = self.writable(path)
        self._check_room(path, len(content) - (before["size"] if before else 0))
        self.make_dirs(parent(path))
        large = len(content) > INLINE_LIMIT
        fields = {
            "content": self.store.blobs.put(content) if large else bytes(content),
            "size": len(content),
            "mtime": self.clock.now,
            "mode": before["mode"] if before else 0o644,
        }
        self._put("file", path, fields)

    def writable(self, path: str) -> Fields | None:
        """The fields of the file at `path`, None where there is none yet.

        Raises:
            Refused: It is a folder, or one of its parents is a file.
        """
        if self.kind(path) == "dir":
            raise fault("EISDIR", path)
        self._check_ours(path)
        above = parent(path)
        while above != "/":
            if self.kind(above) == "file":
                raise fault("ENOTDIR", above)
            above = parent(above)
        return self.store.get("file", path)

    def make_dirs(self, path: str) -> None:
        """Make a folder and its parents; one that is there stays.

        Raises:
            Refused: A file is in the way, or a limit is reached.
        """
        missing: list[str] = []
        while (kind := self.kind(path)) != "dir":
            if kind == "file":
                raise fault("ENOTDIR", path)
            missing.append(path)
            path = parent(path)
        for folder in reversed(missing):
            self._check_room(folder, 0)
            self._put("dir", folder, {"mtime": self.clock.now})

    def set(self, path: str, **fields: Any) -> None:
        """Set `mtime` or `mode` of a file, `mtime` of a folder; folders that are always there keep theirs.

        Raises:
            NotFound: No such path.
        """
        self._check_ours(path)
        if self.kind(path) == "dir":
            known = {name: value for name, value in fields.items() if name == "mtime"}
            if path not in self._base and known:
                self.store.update(self.actor(), "dir", path, **known)
        else:
            self._put("file", path, {**self._file(path), **fields})

    def remove(self, path: str) -> None:
        """Remove a file or a folder with everything in it.

        Raises:
            NotFound: No such path.
            Refused: The folder, or one in it, is always there.
        """
        entries = self.walk(path)
        if any(key in self._base or key in self._given for key, _ in entries):
            raise fault("EBUSY", path)
        for key, kind in reversed(entries):
            self._drop(kind, key)

    def copy(self, source: str, target: str, *, move: bool = False) -> None:
        """Copy a file or a whole folder to the path `target`, which becomes it; its parent must be there.

        A folder is merged into one that is there, unless it is moved. Copies have the present time, what is moved
        keeps its own.

        Raises:
            NotFound: No such source, or no folder for the target.
            Refused: The target is inside the source or in the way, or a limit is reached.
        """
        entries = self.walk(source)
        self._check_dir(parent(target))
        if source == target:
            raise Refused(f"{source} and {target} are the same file", code="EINVAL")
        if target.startswith(under(source)):
            raise Refused(f"{source}: cannot be put into itself, {target}", code="EINVAL")
        if move and any(key in self._base or key in self._given for key, _ in entries):
            raise fault("EBUSY", source)
        onto = entries[0][1] == "dir" and self.kind(target) == "dir"
        if move and onto and (target in self._base or self.names(target)):
            raise fault("ENOTEMPTY", target)
        pairs = [(key, resolve(target + key[len(source) :]), kind) for key, kind in entries]
        for key, goal, kind in pairs:
            self._copy_one(key, goal, kind, move)
        if move:
            for key, _, kind in reversed(pairs):
                self._drop(kind, key)

    def _copy_one(self, source: str, target: str, kind: Kind, keep_time: bool) -> None:
        there = self.kind(target)
        if there is not None and there != kind:
            raise fault("EISDIR" if there == "dir" else "ENOTDIR", target)
        self._check_ours(target)
        found = self._file(source) if kind == "file" else self.store.get(kind, source)
        fields = dict(found or {"mtime": self.clock.now})
        if not keep_time:
            fields["mtime"] = self.clock.now
        if kind == "dir" and there == "dir":
            return
        self._check_room(target, 0 if keep_time or kind == "dir" else fields["size"])
        self._put(kind, target, fields)

    # -- rows -----------------------------------------------------------------------------------------------------

    def _file(self, path: str) -> Fields:
        if path in self._given:
            content, time = self._given[path], from_micros(self.clock.start)
            return {"content": content, "size": len(content), "mtime": time, "mode": 0o600}
        fields = self.store.get("file", path)
        if fields is None:
            raise fault("ENOENT" if self.kind(path) is None else "EISDIR", path)
        return fields

    def _check_ours(self, path: str) -> None:
        if path in self._given:
            raise fault("EBUSY", path)

    def _check_dir(self, path: str) -> None:
        kind = self.kind(path)
        if kind != "dir":
            raise fault("ENOENT" if kind is None else "ENOTDIR", path)

    def _check_room(self, path: str, growth: int) -> None:
        entries = self.store.count("file") + self.store.count("dir")
        if (self.kind(path) is None and entries >= ENTRY_LIMIT) or self._used + growth > DISK_LIMIT:
            raise fault("ENOSPC", path)

    def _put(self, table: Kind, path: str, after: Fields) -> None:
        before = self.store.get(table, path)
        if before == after:
            return
        self.store.change(self.actor(), table, path, before, after)
        self._count(after, 1)
        self._forget(before)

    def _drop(self, table: Kind, path: str) -> None:
        before = self.store.get(table, path)
        self.store.delete(self.actor(), table, path)
        self._forget(before)

    def _forget(self, before: Fields | None) -> None:
        """Give up the space of a file that was replaced or removed, its blob too where nobody else has it."""
        if before is None:
            return
        self._count(before, -1)
        digest = before.get("content")
        if isinstance(digest, str) and not self._holders[digest]:
            del self._holders[digest]
            (self.store.blobs.folder / digest).unlink(missing_ok=True)

    def _count(self, fields: Fields, one: int) -> None:
        self._used += one * fields.get("size", 0)
        if isinstance(fields.get("content"), str):
            self._holders[fields["content"]] += one
