"""The tool by which an agent waits, in tasks that tell their agents of what happens."""

from __future__ import annotations

from terrarium.core.errors import Refused
from terrarium.core.tool import Tool

WAIT = "clock_wait"
LONGEST = 7 * 24 * 60  # minutes


def clock_wait(minutes: float) -> float:
    """Wait until you are told of something new, or until the time is over.

    Args:
        minutes: How long at most, up to a week (10080).
    """
    if not 0 < minutes <= LONGEST:
        raise Refused(f"minutes must be above 0 and at most {LONGEST}")
    return minutes


def waiting_tool() -> Tool:
    """The tool; the seat lets the time pass."""
    return Tool.of(clock_wait, WAIT, writes=False)
