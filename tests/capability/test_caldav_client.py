"""The `caldav` library, in an environment of its own, drives our server over a loopback port."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from caldav_server import CLIENT, Missing, Ours, environment

SCRIPT = Path(__file__).with_name("caldav_client_script.py")


def test_the_library_that_most_programs_use() -> None:
    try:
        python = environment(CLIENT)
    except Missing as reason:
        pytest.skip(str(reason))
    ours = Ours()
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        command = [python, str(SCRIPT), f"http://127.0.0.1:{ours.port}/"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    finally:
        ours.close()
    assert done.stdout.strip() == "fine", done.stderr
