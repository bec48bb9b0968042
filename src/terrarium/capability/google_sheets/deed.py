"""What somebody has done to spreadsheets, without what only follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from terrarium.core.diff import RowChange

_STAMPS = frozenset({"modified", "by"})  # of a file, in which something was changed


def deeds_of(changes: Sequence[RowChange]) -> list[RowChange]:
    """The changes without the times at which files were changed."""
    return [c for c in changes if not (c.table == "file" and c.kind == "changed" and _STAMPS.issuperset(c.fields))]
