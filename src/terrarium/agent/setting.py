"""Settings of agents: checked when the agent is made, not when it is in the middle of a turn."""

from __future__ import annotations

from typing import Any

from terrarium.core.errors import ConfigError


def whole(name: str, value: Any, least: int) -> int:
    """`value`, a whole number of at least `least`.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r:.100}")
    return value


def part(name: str, value: Any) -> float:
    """`value`, above 0 and at most 1.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ConfigError(f"{name} must be a number above 0 and at most 1, not {value!r:.100}")
    return float(value)
