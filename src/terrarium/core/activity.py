"""Activity: who changed the world since somebody last asked. Kept only from the first question on."""

from __future__ import annotations

from typing import Any

from terrarium.core.rows import Change

LIMIT = 10_000  # changes that are remembered between two questions; later ones are not


class Activity:
    """The changes since the last question, as (microseconds, actor, capability)."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, str, str]] | None = None

    def note(self, micros: int, spec: str, change: Change) -> None:
        """Remember a change of a capability, unless it only tells that somebody has looked."""
        if self._changes is not None and len(self._changes) < LIMIT and not change.trace:
            self._changes.append((micros, change.actor, spec))

    def take(self) -> list[list[Any]]:
        """The changes since this was last called, oldest first."""
        found, self._changes = self._changes or [], []
        return [list(change) for change in found]

    def save(self) -> list[list[Any]] | None:
        """All that is remembered, as plain data."""
        return None if self._changes is None else [list(change) for change in self._changes]

    def load(self, saved: list[list[Any]] | None) -> None:
        """Continue from what `save` returned."""
        self._changes = None if saved is None else [(micros, actor, spec) for micros, actor, spec in saved]
