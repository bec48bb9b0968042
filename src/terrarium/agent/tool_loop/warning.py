"""A word to the model while there is still something left of its budget."""

from __future__ import annotations

from terrarium.core.agent import Budget

OF_TURN = frozenset({"steps", "tool_calls", "seconds"})
"""Kinds of which every turn has its own."""

_WORDS = {
    "steps": ("{0:,.0f} of {1:,.0f} steps", "this turn"),
    "tool_calls": ("{0:,.0f} of {1:,.0f} tool calls", "this turn"),
    "tokens": ("{0:,.0f} of {1:,.0f} tokens", "all your turns"),
    "cost": ("${0:,.2f} of ${1:,.2f}", "all your turns"),
    "turns": ("{0:,.0f} of {1:,.0f} turns", ""),
    "seconds": ("{0:,.0f} of {1:,.0f} seconds of real time", "this turn"),
    "world_seconds": ("{0:,.1f} of {1:,.1f} hours of world time", "all your turns"),
}


def warnings(budget: Budget, warn_at: float, warned: list[str]) -> list[str]:
    """What to say now, as sentences.

    Args:
        budget: What is left, and what there was.
        warn_at: From which part of it on.
        warned: Kinds that were spoken of before; those spoken of now join them.
    """
    said = []
    for kind, (used, whole) in budget.used().items():
        if used < warn_at * whole or kind in warned or warn_at >= 1:
            continue
        warned.append(kind)
        words, of = _WORDS[kind]
        unit = 3600.0 if kind == "world_seconds" else 1.0
        told = words.format(used / unit, whole / unit)
        said.append(f"You have used {told}{f' of {of}' if of else ''}. Come to an end before they are used up.")
    return said
