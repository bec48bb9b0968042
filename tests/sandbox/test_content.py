"""What rows show of contents: equal contents alike, however they lie on disk, and holes are not read."""

from __future__ import annotations

import hashlib
import os

import pytest

from terrarium.sandbox.local.content import content_of, digest_of_file

BLOCK = 64 * 1024


@pytest.mark.parametrize(
    "parts",
    [
        [b"x" * 200_000],
        [b"x" * BLOCK, BLOCK, b"y" * BLOCK],
        [BLOCK * 3, b"end"],
        [b"x", BLOCK * 3],
        [b"x" * BLOCK, BLOCK * 2 + 1],
        [BLOCK * 2],
        [b"x" * 70_000, 300, b"y" * 70_000],
    ],
)
def test_equal_contents_have_one_digest_with_holes_and_without(tmp_path, parts):
    content = b"".join(bytes(part) if isinstance(part, int) else part for part in parts)
    (tmp_path / "full").write_bytes(content)
    with (tmp_path / "holes").open("wb") as file:
        for part in parts:
            file.seek(part, os.SEEK_CUR) if isinstance(part, int) else file.write(part)
        file.truncate(len(content))
    shown = content_of(content)
    for name in ("full", "holes"):
        with (tmp_path / name).open("rb") as file:
            assert {"size": len(content), **digest_of_file(file.fileno(), len(content))} == shown
    if b"\0" * BLOCK not in content:
        assert shown["sha256"] == hashlib.sha256(content).hexdigest()


def test_where_the_content_lies_is_part_of_the_digest():
    assert content_of(b"x" * BLOCK + bytes(2 * BLOCK)) != content_of(bytes(2 * BLOCK) + b"x" * BLOCK)


def test_a_file_of_holes_is_digested_at_once(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 43)  # reading it would take hours
    with (tmp_path / "file").open("rb") as file:
        assert set(digest_of_file(file.fileno(), 1 << 43)) == {"blocks"}
