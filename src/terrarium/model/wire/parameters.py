"""The parameters of a request: their names, which are the same for every wire format, and what is laid over a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.values import Value

NAMES = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stop",
    "seed",
    "reasoning",
    "parallel_tool_calls",
    "cache",
    "logprobs",
    "extra",
)
LEVELS = ("none", "low", "medium", "high")


def checked(parameters: Mapping[str, Value], where: str, lacks: Mapping[str, tuple[Value, ...]]) -> dict[str, Value]:
    """The parameters that are set.

    Args:
        parameters: As they were given; None stands for one that is not set.
        where: What the format is called, for messages.
        lacks: The parameters that the format has no word for, with the values that ask for nothing.

    Raises:
        ConfigError: One is unknown, of no use, or there is no word for it.
    """
    given: dict[str, Value] = {}
    for name, value in parameters.items():
        if name not in NAMES:
            raise unknown_key(f"parameters of {where}", name, NAMES)
        if value is None:
            continue
        if name in lacks:
            if value not in lacks[name]:
                raise ConfigError(f"{where} has no word for {name}={value!r}: leave {name!r} out")
            continue
        given[name] = value
    reasoning = given.get("reasoning")
    if reasoning is not None and reasoning not in LEVELS and (type(reasoning) is not int or reasoning < 0):
        raise ConfigError(f"reasoning is {', '.join(LEVELS)} or a number of tokens, not {reasoning!r}")
    if isinstance(stop := given.get("stop"), str) or not all(isinstance(word, str) for word in stop or ()):
        raise ConfigError(f"stop is a list of texts, not {stop!r}")
    if not isinstance(given.get("extra", {}), Mapping):
        raise ConfigError(f"extra is a table, not {given['extra']!r}")
    return given


def laid_over(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with `extra` laid over it; tables are laid over tables, everything else takes the other's place."""
    made = dict(body)
    for key, value in extra.items():
        there = made.get(key)
        made[key] = laid_over(there, value) if isinstance(there, dict) and isinstance(value, Mapping) else value
    return made
