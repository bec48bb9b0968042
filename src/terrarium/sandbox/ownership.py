"""Files that a killed sandbox left behind, and that belong to ids which an ordinary user has no power over outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from terrarium.sandbox.inside import own

_SECONDS = 600.0


def take_back(path: Path) -> None:
    """Make a folder and all that is in it one's own again, as far as that can be done; says nothing of how it went."""
    try:
        command = [sys.executable, "-I", "-S", own.__file__, str(path)]
        subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        pass  # whoever wanted to remove it will be told
