"""What is different between two values, shown so that one sees it: long texts are cut around the differing place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrarium.core.values import dumps

WIDTH = 100  # characters of a text that are shown
_BEFORE = 30  # of them, before the differing place
_MISSING = object()


@dataclass(frozen=True)
class Contrast:
    """One place at which two values differ.

    Attributes:
        place: Where, such as `result.content` or `args.to[2]`; empty: the whole.
        one: What stands there in the first, as text, cut around the differing place.
        other: What stands there in the second.
    """

    place: str
    one: str
    other: str


def contrasts(one: Any, other: Any, limit: int = 5) -> list[Contrast]:
    """The places at which two trees of JSON differ, in order, at most `limit` of them."""
    found: list[Contrast] = []
    for contrast in _contrasts(one, other, ""):
        found.append(contrast)
        if len(found) == limit:
            break
    return found


def cut(one: str, other: str, width: int = WIDTH) -> tuple[str, str]:
    """Two texts, each cut to `width` characters around the place where they begin to differ."""
    if len(one) <= width and len(other) <= width:
        return one, other
    start = max(0, _common(one, other) - _BEFORE)
    return _window(one, start, width), _window(other, start, width)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common, by halving: texts may be megabytes."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _window(text: str, start: int, width: int) -> str:
    shown = text[start : start + width]
    return f"{'…' if start else ''}{shown}{'…' if start + width < len(text) else ''}"


def _contrasts(one: Any, other: Any, place: str) -> Iterator[Contrast]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        fields = one.get("fields"), other.get("fields")
        if one.get("$record", 0) == other.get("$record", 1) and all(isinstance(side, Mapping) for side in fields):
            one, other = one["fields"], other["fields"]
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _contrasts(one.get(key, _MISSING), other.get(key, _MISSING), f"{place}.{key}" if place else key)
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        for number in range(max(len(one), len(other))):
            first, second = (side[number] if number < len(side) else _MISSING for side in (one, other))
            yield from _contrasts(first, second, f"{place}[{number}]")
    elif type(one) is not type(other) or one != other:
        yield Contrast(place, *cut(_text(one), _text(other)))


def _text(value: Any) -> str:
    return "nothing" if value is _MISSING else dumps(value)
