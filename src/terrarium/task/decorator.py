"""The public spelling of `entry` for task files."""

from __future__ import annotations

from terrarium.core.task import Entry, Limits, entry

__all__ = ["Entry", "Limits", "entry"]
