"""The columns of a data source: their types and settings."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from typing import Any

from terrarium.capability.notion import field
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.field import words
from terrarium.capability.notion.store import Store

COLUMNS = 200
OPTIONS = 100  # given in one request
OPTIONS_TOTAL = 1000  # of one column, with those that values bring
NAME_LIMIT = 2000
EMPTY = words(
    "title rich_text date people files checkbox url email phone_number created_time created_by "
    "last_edited_time last_edited_by"
)
TYPES = EMPTY | {"number", "select", "multi_select", "status", "relation", "rollup", "formula", "unique_id"}
COMPUTED = words(
    "created_time created_by last_edited_time last_edited_by rollup formula unique_id"
)  # nobody writes their values
FORMATS = words(
    "number number_with_commas percent dollar australian_dollar canadian_dollar singapore_dollar euro pound "
    "yen ruble rupee won yuan real lira rupiah franc hong_kong_dollar new_zealand_dollar krona "
    "norwegian_krone mexican_peso rand new_taiwan_dollar danish_krone zloty baht forint koruna shekel "
    "chilean_peso philippine_peso dirham colombian_peso riyal ringgit leu argentine_peso uruguayan_peso "
    "peruvian_sol"
)
FUNCTIONS = words(
    "count count_values empty not_empty unique show_unique percent_empty percent_not_empty sum average median "
    "min max range earliest_date latest_date date_range checked unchecked percent_checked percent_unchecked "
    "show_original"
)
_STATUS = (("Not started", "default"), ("In progress", "blue"), ("Done", "green"))
_GROUPS = (("To-do", "gray"), ("In progress", "blue"), ("Complete", "green"))

Column = dict[str, Any]
"""`{"id", "name", "type", "config"}`; options of `config` have ids."""
Columns = dict[str, Column]
"""Columns by id, in order."""


class SchemaDesk:
    """Checks the columns that a request gives.

    Args:
        store: Where related data sources are.
        reachable: Refuses a data source that is not there or not shared: `reachable(id, where)` gives its id.
    """

    def __init__(self, store: Store, reachable: Any) -> None:
        self._store = store
        self._reachable = reachable
        self._random = store.site.rng.stream(f"{store.site.name}/column")
        self.related: list[tuple[str, Column, str]] = []
        """Columns that a two-way relation asks for elsewhere: (data source, column there, id of the column here)."""

    def columns(self, value: Any, where: str, own: str) -> Columns:
        """All columns of a new data source, one of which is the title.

        Args:
            value: What was sent: settings by name.
            where: Its path.
            own: The id the data source will have.

        Raises:
            ApiError: A column cannot be so, or there is not one title.
        """
        given = field.table(value, where)
        found: Columns = {}
        for name, config in given.items():
            column = self.column(str(name), config, f"{where}.{name}", found, own)
            found[column["id"]] = column
        self._check(found, where)
        return found

    def changed(self, old: Mapping[str, Column], value: Any, where: str, own: str) -> Columns:
        """The columns after a change: by name or id, None or `{"name"}` or settings.

        Raises:
            ApiError: A column cannot be so, or the title would be gone.
        """
        found: Columns = {id: dict(column) for id, column in old.items()}
        for key, config in field.table(value, where).items():
            here = f"{where}.{key}"
            column = found.get(key) or next((c for c in found.values() if c["name"] == key), None)
            if config is None:
                if column is None:
                    raise ApiError("validation_error", f"{key[:100]} is not a property that exists.")
                if column["type"] == "title":
                    raise ApiError("validation_error", "Cannot delete the title property.")
                del found[column["id"]]
            elif column is None:
                made = self.column(key, config, here, found, own)
                found[made["id"]] = made
            else:
                self._change(column, field.table(config, here), here, found, own)
        self._check(found, where)
        return found

    def column(self, name: str, value: Any, where: str, others: Mapping[str, Column], own: str) -> Column:
        """One new column."""
        given = field.table(value, where)
        kind = _kind(given, where)
        if not name:
            raise invalid(where, "a column with a name")
        field.text(name, where, NAME_LIMIT)
        return {
            "id": "title" if kind == "title" else self.fresh_id(others),
            "name": name,
            "type": kind,
            "config": self._config(kind, given[kind], f"{where}.{kind}", name, own, None),
        }

    def fresh_id(self, others: Mapping[str, Any]) -> str:
        """An id that no other has."""
        return fresh_id(self._random, others)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _change(self, column: Column, given: Mapping[str, Any], where: str, found: Columns, own: str) -> None:
        name = given.get("name")
        if name is not None:
            column["name"] = field.text(name, f"{where}.name", NAME_LIMIT) or column["name"]
        kinds = [key for key in given if key in TYPES]
        if not kinds and "type" not in given:
            return
        kind = _kind(given, where)
        if kind != column["type"]:
            if "title" in (kind, column["type"]):
                raise ApiError("validation_error", "Cannot change the type of the title property, or to it.")
            column["type"] = kind
            column["config"] = self._config(kind, given[kind], f"{where}.{kind}", column["name"], own, None)
        else:
            old = column["config"]
            column["config"] = self._config(kind, given[kind], f"{where}.{kind}", column["name"], own, old)

    def _check(self, columns: Columns, where: str) -> None:
        if len(columns) > COLUMNS:
            raise ApiError("validation_error", f"body failed validation: {where} may have {COLUMNS} properties at most")
        titles = [column for column in columns.values() if column["type"] == "title"]
        if len(titles) != 1:
            raise ApiError("validation_error", "A data source needs exactly one property of type title.")
        names = [column["name"] for column in columns.values()]
        if len(set(names)) < len(names):
            raise ApiError("validation_error", "Two properties cannot have the same name.")
        for column in columns.values():
            if column["type"] == "rollup" and "wanted" in column["config"]:
                column["config"] = self._rollup(column["config"]["wanted"], columns, where)

    def _config(
        self, kind: str, value: Any, where: str, name: str, own: str, old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        given = {} if value is None and kind in EMPTY else field.table(value, where)
        if kind in EMPTY:
            return {}
        if kind == "number":
            chosen = given.get("format", (old or {}).get("format", "number"))
            if not isinstance(chosen, str) or chosen not in FORMATS:
                raise invalid(f"{where}.format", "a number format such as `number` or `euro`", chosen)
            return {"format": chosen}
        if kind in ("select", "multi_select"):
            return {"options": self._options(given.get("options"), f"{where}.options", old)}
        if kind == "status":
            return self._status(given, where, old)
        if kind == "formula":
            return {"expression": field.text(given.get("expression", ""), f"{where}.expression", 10_000)}
        if kind == "unique_id":
            prefix = given.get("prefix")
            return {"prefix": None if prefix is None else field.text(prefix, f"{where}.prefix", 20)}
        if kind == "rollup":
            wanted = {key: field.text(text, f"{where}.{key}") for key, text in given.items() if key != "type"}
            return {"wanted": {**{key: text for key, text in (old or {}).items() if key not in wanted}, **wanted}}
        return self._relation(given, where, name, own, old)

    def _options(self, value: Any, where: str, old: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        kept = list(old["options"]) if old else []
        if value is None:
            return kept
        found: list[dict[str, Any]] = []
        for place, item in enumerate(field.array(value, where, OPTIONS)):
            here = f"{where}[{place}]"
            given = field.table(item, here)
            known = next((o for o in kept if o["id"] == given.get("id") or o["name"] == given.get("name")), None)
            name = option_name(given.get("name", known["name"] if known else None), f"{here}.name")
            color = given.get("color", known["color"] if known else "default")
            if color not in field.OPTION_COLORS:
                raise invalid(f"{here}.color", "a color such as `blue`", color)
            if any(option["name"] == name for option in found):
                raise ApiError("validation_error", f"Two options cannot have the same name: {name[:100]!r}.")
            id = known["id"] if known else self.fresh_id({option["id"]: 0 for option in [*kept, *found]})
            found.append({"id": id, "name": name, "color": color, "description": None})
        return found

    def _status(self, given: Mapping[str, Any], where: str, old: Mapping[str, Any] | None) -> dict[str, Any]:
        if old is not None and "options" not in given:
            return dict(old)
        named = given.get("options")
        value = [{"name": name, "color": color} for name, color in _STATUS] if named is None else named
        options = self._options(value, f"{where}.options", old)
        groups: list[dict[str, Any]] = [
            {"id": self.fresh_id({}), "name": name, "color": color, "option_ids": []} for name, color in _GROUPS
        ]
        where_to = {"Not started": 0, "Done": 2, "Complete": 2, "Completed": 2, "To-do": 0, "To do": 0}
        for place, option in enumerate(options):
            usual = 0 if place == 0 else 2 if place == len(options) - 1 and place else 1
            groups[where_to.get(option["name"], usual)]["option_ids"].append(option["id"])
        return {"options": options, "groups": groups}

    def _relation(
        self, given: Mapping[str, Any], where: str, name: str, own: str, old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        target = given.get("data_source_id", given.get("database_id"))
        if target is None:
            if old is not None:
                return dict(old)
            raise invalid(f"{where}.data_source_id", "defined")
        id = field.uuid_of(target, f"{where}.data_source_id")
        source = own if id == own else self._reachable(id, f"{where}.data_source_id")
        if old is not None and old["data_source"] == source:
            return dict(old)
        if "dual_property" not in given or source == own:
            return {"data_source": source, "synced": None}
        wanted = field.table(given["dual_property"] or {}, f"{where}.dual_property").get("synced_property_name")
        there = self._store.get("data_source", source) or {}
        taken = {column["name"] for column in there["columns"].values()}
        called = f"Related to {name}" if wanted is None else field.text(wanted, where, NAME_LIMIT)
        while called in taken:
            called += " 1"
        other: Column = {"id": self.fresh_id(there["columns"]), "name": called, "type": "relation"}
        other["config"] = {"data_source": own, "synced": None}
        self.related.append((source, other, name))
        return {"data_source": source, "synced": other["id"]}

    def _rollup(self, config: Mapping[str, Any], columns: Columns, where: str) -> dict[str, Any]:
        relation = _named(columns, config.get("relation_property_id"), config.get("relation_property_name"))
        if relation is None or relation["type"] != "relation":
            raise ApiError("validation_error", f"body failed validation: {where}: a rollup needs a relation property.")
        source = relation["config"]["data_source"]
        known = self._store.get("data_source", source)
        there = columns if known is None else known["columns"]
        target = _named(there, config.get("rollup_property_id"), config.get("rollup_property_name"))
        if target is None or target["type"] in ("rollup", "formula"):
            raise ApiError("validation_error", "A rollup needs a property of the related data source, no rollup.")
        function = config.get("function", "show_original")
        if function not in FUNCTIONS:
            raise invalid(f"{where}.function", "a function such as `sum`", function)
        return {
            "relation_property_id": relation["id"],
            "relation_property_name": relation["name"],
            "rollup_property_id": target["id"],
            "rollup_property_name": target["name"],
            "function": function,
        }


def fresh_id(chance: random.Random, others: Mapping[str, Any]) -> str:
    """Four characters that no other has."""
    while True:
        id = "".join(chance.choice(string.ascii_letters) for _ in range(4))
        if id not in others:
            return id


def option_name(value: Any, where: str) -> str:
    """The name of an option.

    Raises:
        ApiError: It is empty, over 100 characters, or has a comma.
    """
    name = field.text(value, where, 100)
    if not name or "," in name:
        raise invalid(where, "text without commas", value)
    return name


def _kind(given: Mapping[str, Any], where: str) -> str:
    kinds = [key for key in given if key in TYPES]
    kind = given.get("type", kinds[0] if kinds else None)
    if not isinstance(kind, str) or kind not in kinds:
        raise invalid(f"{where}.type", "a type of property such as `rich_text` or `select`", *filter(None, [kind]))
    return kind


def _named(columns: Mapping[str, Column], id: Any, name: Any) -> Column | None:
    found = columns.get(id) if isinstance(id, str) else None
    return found or next((column for column in columns.values() if column["name"] == name), None)
