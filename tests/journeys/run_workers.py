"""The workers of a run, found as anybody would find them: by their command lines."""

from __future__ import annotations

from pathlib import Path


def workers(run: Path) -> list[int]:
    """Their process ids."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"terrarium.run.worker" in words and str(run).encode() in words:
                found.append(int(entry.name))
    return found
