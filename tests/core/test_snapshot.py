"""Snapshots are stored whole, once, or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terrarium.core.errors import EngineFault
from terrarium.core.snapshot import Snapshots


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
