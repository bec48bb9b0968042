"""Rollups: one figure, date or list from the pages that a page relates to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from terrarium.capability.notion.store import Fields, Store

PAGES = 100  # that one rollup looks at
_COUNTS = frozenset(["count", "count_values", "empty", "not_empty", "unique", "checked", "unchecked"])
_NUMBERS = frozenset(["sum", "average", "median", "min", "max", "range"])


def rolled_up(
    value_of: Callable[[str, Fields, Mapping[str, Any]], Any], store: Store, fields: Fields, column: Mapping[str, Any]
) -> dict[str, Any]:
    """The value of a rollup: `{"type", type: ..., "function"}`.

    Args:
        value_of: Gives the value of another page's property.
        store: Where they are.
        fields: The page.
        column: The rollup.
    """
    config = column["config"]
    function = config["function"]
    source_fields = store.get("data_source", fields["parent"]["id"]) or {"columns": {}}
    relation = source_fields["columns"].get(config["relation_property_id"])
    values: list[Any] = []
    target: Mapping[str, Any] | None = None
    if relation is not None and relation["type"] == "relation":
        there = store.get("data_source", relation["config"]["data_source"]) or {"columns": {}}
        target = there["columns"].get(config["rollup_property_id"])
        if target is not None and target["type"] not in ("rollup", "formula"):
            for id in fields["properties"].get(relation["id"], ())[:PAGES]:
                page = store.get("page", id)
                if page is not None and not page["trash"]:
                    values.append(value_of(id, page, target))
    kind = "rich_text" if target is None else target["type"]
    if function in _COUNTS or function.startswith("percent"):
        return {"type": "number", "number": _counted(function, values), "function": function}
    if function in _NUMBERS:
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        return {"type": "number", "number": _figure(function, numbers), "function": function}
    if function in ("earliest_date", "latest_date", "date_range"):
        return {"type": "date", "date": _dates(function, values), "function": function}
    shown = [{"type": kind, kind: value} for value in values]
    if function == "show_unique":
        shown = [item for place, item in enumerate(shown) if item not in shown[:place]]
    return {"type": "array", "array": shown, "function": function}


def _void(value: Any) -> bool:
    return value in (None, [], "", False)


def _counted(function: str, values: list[Any]) -> int | float:
    filled = sum(not _void(value) for value in values)
    found = {
        "count": len(values),
        "count_values": sum(len(value) if isinstance(value, list) else not _void(value) for value in values),
        "empty": len(values) - filled,
        "not_empty": filled,
        "checked": sum(value is True for value in values),
        "unchecked": sum(value is False for value in values),
    }
    if function == "unique":
        return len({str(value) for value in values if not _void(value)})
    if function.startswith("percent_"):
        return found[function.removeprefix("percent_")] / len(values) if values else 0
    return found[function]


def _figure(function: str, numbers: list[int | float]) -> int | float | None:
    if function == "sum":
        total = sum(numbers)
        return total if abs(total) < 1e308 else None
    if not numbers:
        return None
    if function == "range":
        span = max(numbers) - min(numbers)
        return span if span < 1e308 else None
    if function == "average":
        return sum(number / len(numbers) for number in numbers)
    if function == "median":
        middle = sorted(numbers)[(len(numbers) - 1) // 2 : len(numbers) // 2 + 1]
        return middle[0] / 2 + middle[-1] / 2
    return min(numbers) if function == "min" else max(numbers)


def _dates(function: str, values: list[Any]) -> dict[str, Any] | None:
    starts = sorted(value["start"] if isinstance(value, dict) else value for value in values if value)
    if not starts:
        return None
    ends = sorted((value["end"] or value["start"]) if isinstance(value, dict) else value for value in values if value)
    if function == "date_range":
        return {"start": starts[0], "end": ends[-1], "time_zone": None}
    return {"start": starts[0] if function == "earliest_date" else ends[-1], "end": None, "time_zone": None}
