"""Letters between the capabilities of a world, which do not know each other: an invitation becomes a mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.core.values import Value


def hand_over(capabilities: Mapping[str, Any], kind: str, letter: Mapping[str, Value]) -> bool:
    """Hand a letter to the first capability, by name, that takes that kind; False where none does.

    A capability that takes letters has `letters`, from their kinds to the names of its methods; what the letter holds
    are the arguments. Whoever posts holds the baton, and is who acts.

    Raises:
        CapabilityFault: The one that takes it refuses this one.
    """
    for name in sorted(capabilities):
        method = getattr(capabilities[name], "letters", {}).get(kind)
        if method is not None:
            getattr(capabilities[name], method)(**letter)
            return True
    return False
