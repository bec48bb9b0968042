"""What models answered in the part of a journal that was cut off when its trial was resumed."""

from __future__ import annotations

from pathlib import Path

from terrarium.core.errors import TerrariumError
from terrarium.core.journal import EventKind, read
from terrarium.core.model import Completion
from terrarium.core.values import Blobs


def lost_answers(tail: Path, agent: str, blobs: Blobs) -> list[Completion]:
    """The answers that an agent got there, in their order; none where the file cannot be read.

    Args:
        tail: A `lost-<n>.jsonl`.
        agent: Whose.
        blobs: Where its long values are.
    """
    try:
        events = list(read(tail, blobs))
    except TerrariumError:
        return []  # asked again, they cost money, and nothing else
    return [e.data["completion"] for e in events if e.kind is EventKind.MODEL and e.actor == agent]
