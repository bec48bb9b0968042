"""What the actions of another run cost in world time, read from its journal."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from terrarium.core.errors import ConfigError, JournalFault
from terrarium.core.journal import EventKind, read


def costs_of(journal: Path) -> dict[tuple[str, str], deque[int]]:
    """The costs that were measured, by (agent, kind of action), in order.

    Raises:
        ConfigError: The journal cannot be read.
    """
    found: dict[tuple[str, str], deque[int]] = {}
    try:
        for event in read(journal):
            if event.kind in (EventKind.STEP, EventKind.TOOL_RESULT) and "cost" in event.data:
                kind, micros = event.data["cost"]
                found.setdefault((event.actor, kind), deque()).append(micros)
    except JournalFault as error:
        raise ConfigError(f"limits.costs_from: {error}") from None
    return found
