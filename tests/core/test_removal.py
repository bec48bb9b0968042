"""Removing trees that others built."""

from __future__ import annotations

import os

import pytest

from terrarium.core.removal import remove_tree, try_remove_tree


def _deep(top, levels: int) -> None:
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for number in range(levels):
        os.mkdir("d", dir_fd=here)
        os.close(os.open(f"file{number % 7}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        following = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = following
    os.close(here)


@pytest.mark.parametrize("levels", [0, 1, 199, 200, 201, 5000])
def test_any_depth(tmp_path, levels):
    _deep(tmp_path / "top", levels)
    remove_tree(tmp_path / "top")
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "top" / "inner").mkdir(parents=True)
    (tmp_path / "top" / "inner" / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    remove_tree(tmp_path / "top")
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious" / "file").exists()


def test_folders_without_permissions(tmp_path):
    inner = tmp_path / "top" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    for folder in (inner, inner.parent, tmp_path / "top"):
        folder.chmod(0)
    remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").exists()


def test_one_file_and_nothing(tmp_path):
    (tmp_path / "file").touch()
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "none" / "such")
    try_remove_tree(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
