"""Values of properties: what is sent is checked, what is kept is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.block_type import World
from terrarium.capability.notion.rich_text import rich_text
from terrarium.capability.notion.schema import COMPUTED, OPTIONS_TOTAL, Column, Columns, fresh_id, option_name

MANY = 100  # values of one property in one request
RELATED = 10_000  # pages that one property can relate to


@dataclass
class Values:
    """The values of a request, checked.

    Attributes:
        found: By id of column, as they are kept.
        columns: Columns that get new options by it, by id.
    """

    found: dict[str, Any] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)


def empty(column: Mapping[str, Any]) -> Any:
    """The value of a page that has none."""
    kind = column["type"]
    if kind in ("title", "rich_text", "multi_select", "people", "files", "relation"):
        return []
    if kind == "status":
        options = column["config"]["options"]
        return options[0]["id"] if options else None
    return False if kind == "checkbox" else None


def check_values(
    given: Any, columns: Mapping[str, Column], where: str, world: World, chance: Any, *, related: Any
) -> Values:
    """The values that a request gives to properties, by name or id.

    Args:
        given: What was sent.
        columns: Of the data source.
        where: Its path.
        world: The workspace.
        chance: Random stream for ids of new options.
        related: Refuses a page that is not of a data source: `related(id, source, where)`.

    Raises:
        ApiError: There is no such property, it is calculated, or the value cannot be one.
    """
    values = Values()
    for key, value in check.table(given, where).items():
        column = columns.get(key) or next((c for c in columns.values() if c["name"] == key), None)
        if column is None:
            raise ApiError("validation_error", f"{key[:200]} is not a property that exists.")
        kind, here = column["type"], f"{where}.{key[:100]}"
        if kind in COMPUTED:
            raise ApiError("validation_error", f"{key[:200]} is a {kind}: its value cannot be updated with the API.")
        if isinstance(value, Mapping) and kind not in value:
            raise ApiError("validation_error", f"{key[:200]} is expected to be {kind}.")
        raw = value[kind] if isinstance(value, Mapping) else value
        if kind in ("select", "multi_select", "status"):
            column = values.columns.get(column["id"], column)
            values.found[column["id"]] = _chosen(raw, column, f"{here}.{kind}", values, chance)
        elif kind == "relation":
            ids = [
                check.uuid_of(check.table(item, here).get("id"), f"{here}.relation")
                for item in check.array(raw, f"{here}.relation")
            ]
            for id in ids:
                related(id, column["config"]["data_source"], f"{here}.relation")
            values.found[column["id"]] = list(dict.fromkeys(ids))
        else:
            values.found[column["id"]] = _value(kind, raw, f"{here}.{kind}", world)
    return values


def _value(kind: str, value: Any, where: str, world: World) -> Any:
    if kind in ("title", "rich_text"):
        return rich_text(value, where, world.names)
    if kind == "checkbox":
        return check.flag(value, where)
    if kind == "people":
        found = []
        for place, item in enumerate(check.array(value, where, MANY)):
            id = check.uuid_of(check.table(item, where).get("id"), f"{where}[{place}].id")
            world.names("user", id)
            found.append(id)
        return list(dict.fromkeys(found))
    if kind == "files":
        items = enumerate(check.array(value, where, MANY))
        return [check.file(item, f"{where}[{n}]", world.uploads, named=True) for n, item in items if item is not None]
    if value is None:
        return None
    if kind == "number":
        return check.number(value, where)
    if kind == "date":
        return check.date_range(value, where)
    return check.text(value, where, 200 if kind in ("email", "phone_number") else check.URL_LIMIT)


def _chosen(value: Any, column: Column, where: str, values: Values, chance: Any) -> Any:
    if column["type"] == "multi_select":
        items = check.array(value, where, MANY)
        found = []
        for place, item in enumerate(items):
            column = values.columns.get(column["id"], column)
            found.append(_option(item, column, f"{where}[{place}]", values, chance))
        return list(dict.fromkeys(found))
    return None if value is None else _option(value, column, where, values, chance)


def _option(value: Any, column: Column, where: str, values: Values, chance: Any) -> str:
    given = check.table(value, where)
    options = column["config"]["options"]
    if given.get("id") is not None and "name" not in given:
        found = next((option for option in options if option["id"] == given["id"]), None)
        if found is None:
            raise ApiError("validation_error", f"{where} does not have an option with this id.")
        return str(found["id"])
    name = option_name(given.get("name"), f"{where}.name")
    found = next((option for option in options if option["name"] == name), None)
    if found is not None:
        return str(found["id"])
    if column["type"] == "status":
        known = ", ".join(f'"{option["name"]}"' for option in options[:20])
        raise ApiError("validation_error", f'Invalid status option. Status option "{name}" does not exist ({known}).')
    if len(options) >= OPTIONS_TOTAL:
        raise ApiError("validation_error", f"A property has {OPTIONS_TOTAL} options at most.")
    color = given.get("color", "default")
    if color not in check.OPTION_COLORS:
        raise invalid(f"{where}.color", "a color such as `blue`", color)
    id = fresh_id(chance, {option["id"]: 0 for option in options})
    new = {"id": id, "name": name, "color": color, "description": None}
    values.columns[column["id"]] = {**column, "config": {**column["config"], "options": [*options, new]}}
    return id


def option(column: Mapping[str, Any], id: str | None) -> dict[str, Any] | None:
    """An option as values show it; None where it is not there any more."""
    found = next((o for o in column["config"]["options"] if o["id"] == id), None)
    return None if found is None else {"id": found["id"], "name": found["name"], "color": found["color"]}
