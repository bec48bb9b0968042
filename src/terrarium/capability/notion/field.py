"""Single fields of a request's body, checked: texts, numbers, ids, colours, dates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from terrarium.capability.notion.api_error import ApiError, invalid

URL_LIMIT = 2000
ITEMS = 100
_HEX = re.compile(r"[0-9a-f]{32}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PLAIN_COLORS = ("default", "gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red")
COLORS = frozenset([*_PLAIN_COLORS, *(f"{color}_background" for color in _PLAIN_COLORS)])
OPTION_COLORS = _PLAIN_COLORS


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set of names."""
    return frozenset(text.split())


def uuid_of(value: Any, where: str = "path") -> str:
    """An id with dashes, from one with or without.

    Raises:
        ApiError: It cannot be one.
    """
    if isinstance(value, str) and len(value) <= 36:
        plain = value.replace("-", "").lower()
        if _HEX.fullmatch(plain):
            return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
    if where == "path":
        raise ApiError("validation_error", f"path failed validation: {str(value)[:100]!r} is not a valid uuid.")
    raise invalid(where, "a valid uuid", value)


def table(value: Any, where: str) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise invalid(where, "an object", value)
    return value


def array(value: Any, where: str, most: int = ITEMS) -> Sequence[Any]:
    """An array of at most `most` items."""
    if not isinstance(value, list):
        raise invalid(where, "an array", value)
    if len(value) > most:
        raise ApiError(
            "validation_error",
            f"body failed validation: {where}.length should be ≤ `{most}`, instead was `{len(value)}`.",
        )
    return value


def text(value: Any, where: str, most: int = URL_LIMIT) -> str:
    """A string of at most `most` characters."""
    if not isinstance(value, str):
        raise invalid(where, "a string", value)
    if len(value) > most:
        raise ApiError(
            "validation_error",
            f"body failed validation: {where}.length should be ≤ `{most}`, instead was `{len(value)}`.",
        )
    return value


def flag(value: Any, where: str) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise invalid(where, "a boolean", value)
    return value


def whole(value: Any, where: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise invalid(where, f"a whole number from {low} to {high}", value)
    return value


def number(value: Any, where: str) -> int | float:
    """A finite number; what does not fit into a double exactly becomes one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(where, "a number", value)
    if isinstance(value, int) and abs(value) > 2**53:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    found: int | float = value
    if not math.isfinite(found):
        raise invalid(where, "a number", value)
    return found


def color(value: Any, where: str) -> str:
    """A colour of text."""
    if not isinstance(value, str) or value not in COLORS:
        raise invalid(where, "a color such as `default`, `blue` or `red_background`", value)
    return value


def moment(value: Any, where: str) -> str:
    """A day or a time in ISO 8601, as text; times get milliseconds.

    Raises:
        ApiError: It is neither.
    """
    if not isinstance(value, str) or len(value) > 40:
        raise invalid(where, "a valid ISO 8601 date string", value)
    try:
        day = date.fromisoformat(value[:10])
        if not 1 < day.year < 9999:  # what time zones could push over the edge
            raise ValueError(value)
        if _DATE.fullmatch(value):
            return value
        found = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(where, "a valid ISO 8601 date string", value) from None
    shown = found.isoformat(timespec="milliseconds")
    return shown if found.tzinfo is not None else f"{shown}+00:00"


def date_range(value: Any, where: str) -> dict[str, Any]:
    """`{"start", "end", "time_zone"}`."""
    given = table(value, where)
    if "start" not in given:
        raise invalid(f"{where}.start", "defined")
    start = moment(given["start"], f"{where}.start")
    end, zone = given.get("end"), given.get("time_zone")
    return {
        "start": start,
        "end": None if end is None else moment(end, f"{where}.end"),
        "time_zone": None if zone is None else text(zone, f"{where}.time_zone", 60),
    }


def file(value: Any, where: str, uploads: Any, *, emoji: bool = False, named: bool = False) -> dict[str, Any] | None:
    """An icon, cover or file: `external`, `file_upload`, `file`, and where `emoji` says so, `emoji`.

    Args:
        value: What was sent; None is nothing.
        where: Its path.
        uploads: Gives the file of an upload: `uploads(id, where)`.
        emoji: Whether it may be an emoji.
        named: Whether it has a name, as those of the property `files`.
    """
    if value is None:
        return None
    given = table(value, where)
    kinds = [kind for kind in ("external", "file_upload", "file", *(["emoji"] if emoji else [])) if kind in given]
    kind = given.get("type", kinds[0] if kinds else None)
    if not isinstance(kind, str) or kind not in kinds:
        raise invalid(where, "an object with `external`, `file_upload`" + (" or `emoji`" if emoji else ""), value)
    if kind == "emoji":
        return {"type": "emoji", "emoji": text(given["emoji"], f"{where}.emoji", 32)}
    inner = table(given[kind], f"{where}.{kind}")
    found: dict[str, Any]
    if kind == "file_upload":
        found = uploads(inner.get("id"), f"{where}.file_upload.id")
    elif kind == "file":  # as an answer gave it
        found = {"type": "external", "external": {"url": text(inner.get("url"), f"{where}.file.url")}}
    else:
        found = {"type": "external", "external": {"url": text(inner.get("url"), f"{where}.external.url")}}
    if named:
        url = found.get("external", {}).get("url", "")
        found = {"name": text(given.get("name", url.rpartition("/")[2] or "file"), f"{where}.name", 900)} | found
    return found
