"""CrewAI wants an older OpenAI SDK than the clients here are tested with: it runs in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
def test_an_agent_of_crewai_answers_the_mail(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", "crewai>=1.15,<2", str(ROOT)], capture_output=True
    )
    if installed.returncode != 0:
        pytest.skip("CrewAI cannot be installed from here")
    quiet = {**os.environ, "CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "HOME": str(tmp_path)}
    example = [python, str(ROOT / "examples" / "crewai_agent.py")]
    done = subprocess.run(example, cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=300)
    assert "crewai: reward 1.0 in 4 steps" in done.stdout, done.stdout + done.stderr


def test_without_crewai_it_says_what_to_install() -> None:
    try:
        import crewai  # noqa: F401
    except ImportError:
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "crewai_agent.py")], capture_output=True, text=True, timeout=300
        )
        assert "crewai: reward None" in done.stdout, done.stdout + done.stderr
