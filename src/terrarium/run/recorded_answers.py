"""What those outside a trial's world answered when it was recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from terrarium.core.errors import ReplayDiverged, revive


def recorded_answers(
    path: str, lines: Iterable[Mapping[str, Any]], opened: Callable[[Any], Any]
) -> Callable[..., Awaitable[Any]]:
    """Gives what the calls of a path came to, in order; nobody is asked.

    Args:
        path: Such as `env.judge`.
        lines: Of the journal.
        opened: Gives the value behind a tree of its JSON.
    """
    asked: set[int] = set()
    ends: deque[Mapping[str, Any]] = deque()
    for line in lines:
        if line["kind"] == "call" and line["data"].get("path") == path:
            asked.add(line["seq"])
        elif line["kind"] in ("return", "raise") and line["cause"] in asked:
            ends.append(line)

    async def answer(*_args: Any, **_asked: Any) -> Any:
        if not ends:
            raise ReplayDiverged(f"the program makes more calls of {path} than the record holds")
        line = ends.popleft()
        if line["kind"] == "raise":
            raise revive(line["data"]["type"], str(opened(line["data"]["message"])), line["data"].get("code"))
        return opened(line["data"]["value"])

    return answer
