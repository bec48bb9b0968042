from __future__ import annotations

import os
from pathlib import Path

from planted_keys import MARK, NAMES, leaks


def test_the_keys_are_there_and_one_in_a_file_is_found(tmp_path: Path) -> None:
    assert all(os.environ[name].startswith(MARK) for name in NAMES)
    leak, clean = tmp_path / "a" / "leak.bin", tmp_path / "clean.txt"
    leak.parent.mkdir()
    leak.write_bytes(b"\x00\x01" + os.environ[NAMES[0]].encode() + b"\xff")
    clean.write_text("nothing")
    assert leaks(str(tmp_path)) == [str(leak)]
    leak.unlink()
    assert leaks(str(tmp_path)) == []
