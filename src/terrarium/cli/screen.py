"""Where commands print: one console for everything, on which markup means nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 200  # columns where there is no terminal that would have a width


def screen(*, stderr: bool = False, color: bool = True) -> Console:
    """A console that prints text as it is: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False, color_system="auto" if color else None)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console
