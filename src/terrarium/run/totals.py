"""What the agents of a trial have used so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Totals:
    """What the agents of a trial have used so far, and whether that was too much."""

    turns: int = 0
    tokens: int = 0
    cost: float = 0.0
    steps: int = 0
    tool_calls: int = 0
    over: str | None = None
    """The `StopReason` of the trial's limit that was reached."""
