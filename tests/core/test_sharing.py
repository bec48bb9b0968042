"""What never changes again is shared, the rest is copied, and links of agents stay links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terrarium.core.sharing import share_tree

DIGEST = "a" * 64


def build(folder: Path) -> Path:
    for name in (f"blobs/{DIGEST}", "blobs/other", "sealed/deep/one", "plain/two", "three"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "plain").chmod(0o700)
    (folder / "sealed" / "away").symlink_to("/etc/passwd")
    (folder / "plain" / "empty").mkdir()
    return folder


def test_only_what_never_changes_is_shared(tmp_path: Path):
    source, target = build(tmp_path / "a"), tmp_path / "b"
    share_tree(source, target)
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file() and not path.is_symlink()}
    assert {name: (target / name).read_text() for name in found} == {name: name for name in found}
    shared = {name for name in found if (target / name).samefile(source / name)}
    assert shared == {f"blobs/{DIGEST}", "sealed/deep/one"}
    assert found == {f"blobs/{DIGEST}", "blobs/other", "sealed/deep/one", "plain/two", "three"}
    assert (target / "sealed" / "away").readlink() == Path("/etc/passwd")
    assert (target / "plain").stat().st_mode & 0o777 == 0o700
    assert (target / "plain" / "empty").is_dir()


def test_all_of_a_sealed_tree_is_shared_and_what_is_there_stays(tmp_path: Path):
    source, target = build(tmp_path / "a") / "plain", tmp_path / "b"
    target.mkdir()
    (target / "mine").touch()
    share_tree(source, target, sealed=True)
    assert (target / "two").samefile(source / "two")
    assert (target / "mine").exists()


def test_what_is_no_file_is_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        share_tree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        share_tree(tmp_path / "none", tmp_path / "b")
