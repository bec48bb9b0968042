"""Copies keep holes and what else a file is, and follow no link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from terrarium.core.copying import copy_file


@pytest.mark.parametrize("parts", [{}, {0: b"begin"}, {1 << 30: b"middle"}, {0: b"a" * 5000, (1 << 31) - 3: b"end"}])
def test_a_copy_has_the_holes_of_its_source(tmp_path, parts):
    size = 1 << 31
    with (tmp_path / "source").open("wb") as file:
        file.truncate(size)
        for at, data in parts.items():
            file.seek(at)
            file.write(data)
    copy_file(str(tmp_path / "source"), str(tmp_path / "target"))
    known = (tmp_path / "target").stat()
    assert known.st_size == size
    assert known.st_blocks * 512 < 1 << 20
    with (tmp_path / "target").open("rb") as file:
        for at, data in parts.items():
            file.seek(at)
            assert file.read(len(data)) == data


def test_a_whole_tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "run.sh").write_bytes(b"echo hello\n")
    (tree / "below" / "run.sh").chmod(0o750)
    os.utime(tree / "below" / "run.sh", (1, 2))
    (tree / "empty").write_bytes(b"")
    (tree / "link").symlink_to("/etc/passwd")
    shutil.copytree(tree, tmp_path / "copy", symlinks=True, copy_function=copy_file)
    told = (tmp_path / "copy" / "below" / "run.sh").stat()
    assert (tmp_path / "copy" / "below" / "run.sh").read_bytes() == b"echo hello\n"
    assert (told.st_mode & 0o777, told.st_mtime) == (0o750, 2)
    assert (tmp_path / "copy" / "empty").read_bytes() == b""
    assert (tmp_path / "copy" / "link").readlink() == Path("/etc/passwd")


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        copy_file(str(tmp_path / "link"), str(tmp_path / "target"))
    (tmp_path / "source").write_bytes(b"mine")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic links"):
        copy_file(str(tmp_path / "source"), str(tmp_path / "elsewhere"))
    assert not (tmp_path / "outside").exists()
