"""Mutants of a solution: one of its actions left out, with other figures and words, or done to somebody else.

An action is a call of a tool that can change the world, but for the opening of a mail. In a task that is solved without
one, what the agent says at the end of its turns are its actions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any

OPERATORS = ("drop", "garble", "misdirect")
STRANGER = "stranger@elsewhere.example"
PLACES = ("id", "uid", "calendar", "path", "to", "cc", "bcc", "attendees", "timezone", "scope", "occurrence", "rrule")
PLACES += ("spreadsheet", "range", "page", "block", "parent", "database", "bucket", "key", "to_bucket", "channel", "ts")
LOOKING = ("_read", "_fetch")  # tools that may leave a trace, and are not actions


def is_action(tool: str, reading: Collection[str]) -> bool:
    return tool not in reading and not tool.endswith(LOOKING)


def altering(number: int, operator: str) -> Callable[..., Any]:
    """Calls, of which action `number` is altered."""

    def alter(seat: Any, tool: str, args: dict[str, Any]) -> Any:
        if is_action(tool, seat.reading):
            seat.notes["actions"] = seat.notes.get("actions", 0) + 1
            if seat.notes["actions"] == number + 1:
                seat.astray = True
                return None if operator == "drop" else _altered(seat, operator, tool, args)
        return seat.do(tool, **args)

    return alter


def saying(number: int, operator: str) -> Callable[..., str]:
    """What is said at the end of turn `number`, altered where the solution acts by nothing else."""

    def say(seat: Any, text: str) -> str:
        seat.notes["turns"] = seat.notes.get("turns", 0) + 1
        if seat.notes.get("actions") or seat.notes["turns"] != number + 1:
            return text
        return "" if operator == "drop" else garbled(text)

    return say


def _altered(seat: Any, operator: str, tool: str, args: dict[str, Any]) -> Any:
    if operator == "garble":
        wrong = {key: value if key in PLACES else garbled(value) for key, value in args.items()}
        return None if wrong == args else seat.do(tool, **wrong)
    if tool == "slack_reply":
        return seat.do("slack_post", channel=args["channel"], text=args["text"])
    if tool.endswith("_reply"):
        return seat.do(f"{tool[:-6]}_send", to=[STRANGER], subject="Re:", body=args["body"])
    if "path" in args:
        return seat.do(tool, **args | {"path": f"{args['path']}.other"})
    if "range" in args:
        return seat.do(tool, **args | {"range": re.sub(r"\d+$", _another, args["range"])})
    if "to_key" in args:
        return seat.do(tool, **args | {"to_key": f"{args['to_key']}.other"})
    [people] = [key for key in ("to", "attendees") if key in args] or [None]
    return None if people is None else seat.do(tool, **args | {people: [STRANGER]})


def garbled(value: Any) -> Any:
    """Other figures and other days; a text without any is written backwards."""
    if isinstance(value, list):
        return [garbled(one) for one in value]
    if isinstance(value, dict):
        return {key: garbled(one) for key, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1
    if not isinstance(value, str):
        return value
    figures = re.sub(r"\d{4}-\d\d-\d\d|\d+", _another, value)
    return figures if figures != value else value[::-1]


def _another(found: re.Match[str]) -> str:
    figure = found[0]
    if "-" in figure:
        return f"{date.fromisoformat(figure) + timedelta(days=1)}"
    return str(int(figure) + 1).zfill(len(figure))
