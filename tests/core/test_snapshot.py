"""Snapshots are stored whole, once, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.errors import EngineFault, TerrariumError
from terrarium.core.rows import Rows
from terrarium.core.snapshot import STATE_FILE, Snapshots
from terrarium.core.values import sorted_dumps


async def nothing(to: Path) -> None: ...


def test_equal_worlds_are_stored_once(tmp_path: Path):
    snapshots, saved = Snapshots(tmp_path / "s"), []

    async def save(to: Path) -> None:
        saved.append(to)
        (to / "mail").mkdir()
        (to / "mail" / "x").write_text("y")

    assert not snapshots.folder.exists()
    one = asyncio.run(snapshots.put({"clock": 1}, {"mail": "d1"}, save))
    assert asyncio.run(snapshots.put({"clock": 1}, {"mail": "d1"}, save)) == one
    other = asyncio.run(snapshots.put({"clock": 1}, {"mail": "d2"}, save))
    assert other != one
    assert len(saved) == 2
    assert (snapshots.path(one) / "mail" / "x").read_text() == "y"
    assert snapshots.state(one)["clock"] == 1
    assert sorted(path.name for path in snapshots.folder.iterdir()) == sorted([one, other])


def test_a_save_that_fails_leaves_nothing(tmp_path: Path):
    snapshots = Snapshots(tmp_path / "s")

    async def broken(to: Path) -> None:
        (to / "half").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(EngineFault, match="No space left"):
        asyncio.run(snapshots.put({}, {}, broken))
    assert list(snapshots.folder.iterdir()) == []
    name = asyncio.run(snapshots.put({}, {}, nothing))
    assert snapshots.path(name).is_dir()


def test_a_link_that_was_saved_is_not_followed(tmp_path: Path):
    snapshots, secret = Snapshots(tmp_path / "s"), tmp_path / "secret"
    secret.write_text("of the machine")

    async def save(to: Path) -> None:
        (to / "box").mkdir()
        (to / "box" / "x").symlink_to(secret)

    name = asyncio.run(snapshots.put({}, {}, save))
    (tmp_path / "back").mkdir()
    snapshots.restore(name, tmp_path / "back")
    assert (tmp_path / "back" / "box" / "x").is_symlink()


def test_what_is_not_there_or_cannot_be_written(tmp_path: Path):
    with pytest.raises(EngineFault, match="is missing"):
        Snapshots(tmp_path).path("f" * 64)
    (tmp_path / "file").touch()
    with pytest.raises(EngineFault):
        asyncio.run(Snapshots(tmp_path / "file" / "s").put({}, {}, nothing))


def saved_rows(count: int, size: int = 10) -> Callable[[Path], Awaitable[None]]:
    """What saves a capability with so many rows, and a blob."""

    async def save(to: Path) -> None:
        rows = Rows(to.parents[1] / "live")
        for number in range(count):
            rows.insert("task", "note", str(number), {"text": "x" * size})
        rows.blobs.put(b"large")
        rows.save(to / "notes")

    return save


def test_what_is_restored_is_nobody_elses(tmp_path: Path):
    snapshots = Snapshots(tmp_path / "s")
    name = asyncio.run(snapshots.put({}, {}, saved_rows(3)))
    for world in ("one", "two"):
        snapshots.restore(name, tmp_path / world)
    [blob] = (tmp_path / "one" / "notes" / "blobs").iterdir()
    assert blob.stat().st_nlink >= 3  # it never changes again
    rows = Rows(tmp_path / "one" / "notes")
    rows.insert("agent", "note", "new", {"text": "y"})
    rows.blobs.remove(blob.name)
    rows.close()
    assert Rows(tmp_path / "one" / "notes").count("note") == 4
    for place in (tmp_path / "two", snapshots.path(name)):
        other = Rows(place / "notes")
        assert other.count("note") == 3
        assert other.blobs.get(blob.name) == b"large"
        other.close()
    snapshots.drop(name)
    assert (tmp_path / "two" / "notes" / "blobs" / blob.name).read_bytes() == b"large"


def test_what_runs_is_told_and_is_no_part_of_the_name(tmp_path: Path):
    snapshots = Snapshots(tmp_path / "s")
    name = asyncio.run(snapshots.put({"clock": 1}, {}, nothing, {"workspace": ["sleep 100"]}))
    assert name == asyncio.run(snapshots.put({"clock": 1}, {}, nothing))
    assert snapshots.not_carried(name) == {"workspace": ["sleep 100"]}
    assert snapshots.not_carried(asyncio.run(snapshots.put({"clock": 2}, {}, nothing))) == {}


def other_version(path: Path) -> str:
    text = sorted_dumps({"format": 99, "state": {}, "rows": {}}).encode()
    (path / STATE_FILE).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def no_version(path: Path) -> str:
    text = sorted_dumps({"state": {}, "rows": {}}).encode()
    (path / STATE_FILE).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def cut(path: Path) -> None:
    (path / STATE_FILE).write_bytes((path / STATE_FILE).read_bytes()[:-5])


def edited(path: Path) -> None:
    (path / STATE_FILE).write_bytes((path / STATE_FILE).read_bytes().replace(b"7", b"8"))


def gone(path: Path) -> None:
    (path / STATE_FILE).unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (other_version, "of version 99; this Terrarium reads version 2"),
        (no_version, "of version 1"),
        (cut, "is damaged"),
        (edited, "is damaged"),
        (gone, "cannot be read"),
    ],
)
def test_a_snapshot_that_is_not_what_was_written_is_refused(tmp_path: Path, spoil: Any, told: str):
    snapshots = Snapshots(tmp_path / "s")
    name = asyncio.run(snapshots.put({"clock": 7}, {}, saved_rows(1)))
    called = spoil(snapshots.path(name))
    if called:
        name = snapshots.path(name).rename(snapshots.folder / called).name
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "kept").touch()
    with pytest.raises(EngineFault, match=told):
        snapshots.restore(name, tmp_path / "world")
    assert [path.name for path in (tmp_path / "world").iterdir()] == ["kept"]


def test_a_disk_that_fills_up_leaves_no_half_snapshot(tmp_path: Path):
    snapshots = Snapshots(tmp_path / "s")
    first = asyncio.run(snapshots.put({"clock": 1}, {}, saved_rows(2)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(TerrariumError, match="File too large"):
            asyncio.run(snapshots.put({"clock": 2}, {}, saved_rows(200, 5000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in snapshots.folder.iterdir()] == [first]
    assert snapshots.state(first) == {"clock": 1}
    asyncio.run(snapshots.put({"clock": 2}, {}, saved_rows(200, 5000)))
