"""`.env`: read at the start of `terrarium run`, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from terrarium.cli.env_file import read_env_file
from terrarium.core.errors import ConfigError
from tests.cli.conftest import PASSES, SMALL

KEYS = """
# keys
PLAIN_API_KEY=sk-111111   # mine
export QUOTED_API_KEY = "sk 222#222"
EMPTY_API_KEY=
SET_API_KEY=from-the-file
"""


def test_what_is_set_stays_and_the_rest_is_read(tmp_path, monkeypatch):
    for name in ("PLAIN", "QUOTED", "EMPTY"):
        monkeypatch.setenv(f"{name}_API_KEY", "x")  # so that it is taken back afterwards
        monkeypatch.delenv(f"{name}_API_KEY")
    monkeypatch.setenv("SET_API_KEY", "from-outside")
    (tmp_path / ".env").write_text(KEYS)
    read_env_file(tmp_path / ".env")
    assert os.environ["PLAIN_API_KEY"] == "sk-111111"
    assert os.environ["QUOTED_API_KEY"] == "sk 222#222"
    assert os.environ["SET_API_KEY"] == "from-outside"
    assert "EMPTY_API_KEY" not in os.environ
    read_env_file(tmp_path / "no-such-file")


def test_a_line_that_is_none_is_told_by_number_only(tmp_path):
    (tmp_path / ".env").write_text("A=1\nsk-secret-key\n")
    with pytest.raises(ConfigError, match="line 2") as raised:
        read_env_file(tmp_path / ".env")
    assert "sk-secret" not in str(raised.value)


def test_run_reads_it_masks_what_it_holds_and_importing_does_not(shop):
    (shop.folder / ".env").write_text("SOME_API_KEY=sk-from-file-1234\n")
    shop.task("done", "import os\n" + PASSES.replace("    from", "from", 1).replace("\n    ", "\n").replace(
        "agent.act(", "print('key', os.environ['SOME_API_KEY']), agent.act("))  # fmt: skip
    shop("run", "done", "-o", "out", "--no-baseline", *SMALL)
    assert "key [secret]" in (shop.folder / "out" / "workers.log").read_text()
    told = "import os, terrarium, terrarium.cli.main; terrarium.Job; print('SOME_API_KEY' in os.environ)"
    assert subprocess.check_output([sys.executable, "-c", told], cwd=shop.folder, text=True) == "False\n"
