"""Other spellings of what an agent writes, which say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

NAMES = ("line_ends", "decimals", "another_zone", "another_order")
IDENTIFIERS = ("id", "uid", "calendar", "path", "query", "from_addr", "command")


def line_ends(value: Any) -> Any:
    return re.sub(r"\r?\n", "\r\n", value) if isinstance(value, str) else value


def decimals(value: Any) -> Any:
    """25 euros are 25.00 euros."""
    return re.sub(r"EUR [\d,]*\d(?![\d.,])", r"\g<0>.00", value) if isinstance(value, str) else value


def another_zone(value: Any) -> Any:
    """A moment of a tool in UTC, by a clock five and a half hours ahead."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", value):
        there = timezone(timedelta(hours=5, minutes=30))
        return datetime.fromisoformat(f"{value}+00:00").astimezone(there).isoformat(timespec="minutes")
    return value


def another_order(value: Any) -> Any:
    return list(reversed(value)) if isinstance(value, list) else value


def arguments(args: dict[str, Any], spell: Callable[[Any], Any]) -> dict[str, Any]:
    """Arguments of a call spelled otherwise; a clock that is named, or that of a series, stays."""
    if spell is another_zone and (args.get("timezone") or args.get("occurrence")):
        return args
    return {key: value if key in IDENTIFIERS else spell(value) for key, value in args.items()}
