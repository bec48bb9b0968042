"""How much a test tries: as much as everybody waits for, and many times that in `just soak`."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """How many examples a property is tried with.

    Args:
        usual: Their number by default; the environment variable `TERRARIUM_EFFORT` multiplies it.
    """
    return usual * int(os.environ.get("TERRARIUM_EFFORT", "1"))
