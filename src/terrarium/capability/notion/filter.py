"""Filters and sorts of queries: what a request asks for, as a test of pages and an order of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion import rich_text
from terrarium.capability.notion.api_error import ApiError, invalid
from terrarium.capability.notion.field import words
from terrarium.capability.notion.render import Render
from terrarium.capability.notion.schema import Column
from terrarium.capability.notion.store import Fields

DEPTH = 2  # of `and` and `or` below one another
CONDITIONS = 100  # in one `and` or `or`
SORTS = 100
WORK = 300_000  # values that one query may look at; one of a rollup, and a long text, count for many
Test = Callable[[str, Fields], bool]

_TEXTS = words("equals does_not_equal contains does_not_contain starts_with ends_with is_empty is_not_empty")
_SPANS = ["past_week", "past_month", "past_year", "this_week", "next_week", "next_month", "next_year"]
_OPERATORS: dict[str, frozenset[str]] = {
    "text": _TEXTS,
    "number": words(
        "equals does_not_equal greater_than less_than greater_than_or_equal_to less_than_or_equal_to is_empty "
        "is_not_empty"
    ),
    "checkbox": frozenset({"equals", "does_not_equal"}),
    "select": frozenset({"equals", "does_not_equal", "is_empty", "is_not_empty"}),
    "multi_select": frozenset({"contains", "does_not_contain", "is_empty", "is_not_empty"}),
    "files": frozenset({"is_empty", "is_not_empty"}),
    "date": frozenset(
        ["equals", "before", "after", "on_or_before", "on_or_after", "is_empty", "is_not_empty", *_SPANS]
    ),
}
_FAMILY = {
    **dict.fromkeys(("title", "rich_text", "url", "email", "phone_number"), "text"),
    **dict.fromkeys(("select", "status"), "select"),
    **dict.fromkeys(("multi_select", "people", "relation", "created_by", "last_edited_by"), "multi_select"),
    **dict.fromkeys(("date", "created_time", "last_edited_time"), "date"),
    "number": "number",
    "unique_id": "number",
    "checkbox": "checkbox",
    "files": "files",
}


class Query:
    """Filters and sorts over one data source.

    Args:
        render: Gives values of pages.
        columns: Of the data source.
        now: World time, for relative dates.
    """

    def __init__(self, render: Render, columns: Mapping[str, Column], now: datetime) -> None:
        self._render = render
        self._columns = columns
        self._now = now
        self._left = WORK

    def test(self, value: Any, where: str = "body.filter", depth: int = 0) -> Test:
        """The test that a filter describes.

        Raises:
            ApiError: It is none, or nested deeper than two levels.
        """
        given = check.table(value, where)
        for word in ("and", "or"):
            if word in given:
                if depth >= DEPTH:
                    raise ApiError("validation_error", f"body failed validation: {where}: filters nest {DEPTH} deep.")
                items = enumerate(check.array(given[word], f"{where}.{word}", CONDITIONS))
                tests = [self.test(item, f"{where}.{word}[{n}]", depth + 1) for n, item in items]
                if word == "and":
                    return lambda id, page: all(test(id, page) for test in tests)
                return lambda id, page: any(test(id, page) for test in tests)
        if "timestamp" in given:
            stamp = given["timestamp"]
            if stamp not in ("created_time", "last_edited_time"):
                raise invalid(f"{where}.timestamp", "`created_time` or `last_edited_time`", stamp)
            column: Mapping[str, Any] = {"id": "", "type": stamp, "config": {}}
            return self._condition(column, stamp, given.get(stamp), f"{where}.{stamp}")
        column = self._column(given.get("property"), where)
        kind = next((key for key in given if key not in ("property", "type")), None)
        family = _FAMILY.get(column["type"])
        fits = kind is not None and (kind == column["type"] or (_FAMILY.get(kind) == family and family is not None))
        if column["type"] in ("rollup", "formula"):
            return self._calculated(column, kind, given.get(kind or ""), f"{where}.{kind}")
        if not fits:
            raise ApiError(
                "validation_error",
                f"database property {column['type']} does not match filter {kind}",
            )
        return self._condition(column, column["type"], given[str(kind)], f"{where}.{kind}")

    def order(self, value: Any, ids: list[tuple[str, Fields]]) -> list[tuple[str, Fields]]:
        """Pages in the order that `sorts` asks for; empty values come last.

        Raises:
            ApiError: It is none.
        """
        for place, item in reversed(list(enumerate(check.array(value, "body.sorts", SORTS)))):
            where = f"body.sorts[{place}]"
            given = check.table(item, where)
            direction = given.get("direction", "ascending")
            if direction not in ("ascending", "descending"):
                raise invalid(f"{where}.direction", "`ascending` or `descending`", direction)
            if "timestamp" in given:
                if given["timestamp"] not in ("created_time", "last_edited_time"):
                    raise invalid(f"{where}.timestamp", "`created_time` or `last_edited_time`", given["timestamp"])
                name = "created" if given["timestamp"] == "created_time" else "edited"
                ids = sorted(ids, key=lambda entry: entry[1][name], reverse=direction == "descending")
                continue
            column = self._column(given.get("property"), where)
            keyed = [(self._key(column, id, page), (id, page)) for id, page in ids]
            filled = sorted(
                (entry for entry in keyed if entry[0] is not None),
                key=lambda entry: entry[0],
                reverse=direction == "descending",
            )
            ids = [entry for _, entry in filled] + [entry for key, entry in keyed if key is None]
        return ids

    # -- inside ---------------------------------------------------------------------------------------------------

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise ApiError("gateway_timeout", "The query took too long: use fewer conditions.")

    def _column(self, named: Any, where: str) -> Column:
        if not isinstance(named, str):
            raise invalid(f"{where}.property", "a string", *([] if named is None else [named]))
        column = self._columns.get(named)
        column = column or next((c for c in self._columns.values() if c["name"] == named), None)
        if column is None:
            raise ApiError("validation_error", f"Could not find property with name or id: {named[:200]}")
        return column

    def _key(self, column: Column, id: str, page: Fields) -> Any:
        value, kind = self._render.value(id, page, column), column["type"]
        self._spend(100 if kind == "rollup" else 1)
        if kind in ("title", "rich_text"):
            return rich_text.plain(value).casefold() or None
        if kind in ("select", "status", "multi_select"):
            order = [option["id"] for option in column["config"]["options"]]
            chosen = value if isinstance(value, list) else [value] if value else []
            return [order.index(option["id"]) for option in chosen] or None
        if kind == "date":
            return None if value is None else _moment(value["start"])
        if kind == "unique_id":
            return value["number"]
        if kind == "rollup":
            inner = value[value["type"]]
            return inner["start"] if isinstance(inner, dict) else None if isinstance(inner, list) else inner
        if kind in ("people", "relation", "files"):
            return len(value) or None
        if kind in ("created_by", "last_edited_by"):
            return value["id"]
        return None if kind == "formula" else value.casefold() if isinstance(value, str) else value

    def _calculated(self, column: Column, kind: str | None, value: Any, where: str) -> Test:
        given = check.table(value, where)
        inner = next((key for key in given if key in ("number", "string", "date", "checkbox")), None)
        if kind != column["type"] or inner is None:
            raise invalid(where, "a condition on `number`, `string`, `date` or `checkbox`", value)
        family = "text" if inner == "string" else inner
        test = _tester(family, given[inner], f"{where}.{inner}", self._now)

        def look(id: str, page: Fields) -> bool:
            self._spend(100)
            shown = self._render.value(id, page, column)
            found = shown[shown["type"]] if shown["type"] == inner else None
            return test(found if family != "text" else found or "")

        return look

    def _condition(self, column: Mapping[str, Any], kind: str, value: Any, where: str) -> Test:
        family = _FAMILY[kind]
        test = _tester(family, value, where, self._now)
        render = self._render

        def look(id: str, page: Fields) -> bool:
            found = render.value(id, page, column)
            if kind in ("title", "rich_text"):
                found = rich_text.plain(found)
            elif family == "text":
                found = found or ""
            self._spend(1 + len(found) // 200 if isinstance(found, (str, list)) else 1)
            if family == "text":
                return test(found)
            if family == "select":
                found = found and found["name"]
            elif kind == "multi_select":
                found = [option["name"] for option in found]
            elif family == "multi_select":
                found = [one["id"] for one in (found if isinstance(found, list) else [found])]
            elif kind == "unique_id":
                found = found["number"]
            return test(found)

        return look


def _tester(family: str, value: Any, where: str, now: datetime) -> Callable[[Any], bool]:
    given = check.table(value, where)
    operator = next(iter(given), None)
    if operator is None or operator not in _OPERATORS[family] or len(given) != 1:
        raise invalid(where, f"one condition of {', '.join(sorted(_OPERATORS[family]))}", value)
    asked = given[operator]
    here = f"{where}.{operator}"
    if operator in ("is_empty", "is_not_empty"):
        if asked is not True:
            raise invalid(here, "`true`", asked)
        wanted = operator == "is_empty"
        return lambda found: (found in (None, "", []) or found is None) == wanted
    if family == "date":
        return _date_tester(operator, asked, here, now)
    if family == "checkbox":
        flag = check.flag(asked, here) == (operator == "equals")
        return lambda found: bool(found) == flag
    if family == "number":
        return _number_tester(operator, check.number(asked, here))
    if family == "select":
        name = check.text(asked, here)
        return lambda found: (found == name) == (operator == "equals")
    if family == "multi_select":
        one = check.text(asked, here)
        spelt = one if len(one) not in (32, 36) or not _is_id(one) else check.uuid_of(one)
        return lambda found: (spelt in found or one in found) == (operator == "contains")
    words = check.text(asked, here).casefold()
    return {
        "equals": lambda found: found.casefold() == words,
        "does_not_equal": lambda found: found.casefold() != words,
        "contains": lambda found: words in found.casefold(),
        "does_not_contain": lambda found: words not in found.casefold(),
        "starts_with": lambda found: found.casefold().startswith(words),
        "ends_with": lambda found: found.casefold().endswith(words),
    }[operator]


def _is_id(text: str) -> bool:
    try:
        check.uuid_of(text)
    except ApiError:
        return False
    return True


def _number_tester(operator: str, asked: float) -> Callable[[Any], bool]:
    compare: Callable[[Any], bool] = {
        "equals": lambda found: found == asked,
        "greater_than": lambda found: found > asked,
        "less_than": lambda found: found < asked,
        "greater_than_or_equal_to": lambda found: found >= asked,
        "less_than_or_equal_to": lambda found: found <= asked,
    }.get(operator, lambda found: found != asked)
    if operator == "does_not_equal":
        return compare
    return lambda found: found is not None and compare(found)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _date_tester(operator: str, asked: Any, where: str, now: datetime) -> Callable[[Any], bool]:
    if operator in _SPANS:
        if asked != {}:
            raise invalid(where, "an empty object", asked)
        first, last = _span(operator, now.astimezone(UTC).date())
        return lambda found: found is not None and first <= _moment(_start(found)).astimezone(UTC).date() <= last
    text = check.moment(asked, where)
    whole = len(text) == 10
    border: Any = date.fromisoformat(text) if whole else _moment(text)

    def look(found: Any) -> bool:
        if found is None:
            return False
        moment = _moment(_start(found))
        at: Any = moment.date() if whole else moment
        found_so: dict[str, bool] = {
            "equals": at == border,
            "before": at < border,
            "after": at > border,
            "on_or_before": at <= border,
            "on_or_after": at >= border,
        }
        return found_so[operator]

    return look


def _start(found: Any) -> str:
    return str(found["start"]) if isinstance(found, Mapping) else str(found)


def _span(name: str, today: date) -> tuple[date, date]:
    days = {"week": 7, "month": 30, "year": 365}
    when, _, unit = name.partition("_")
    if when == "this":
        first = today - timedelta(days=(today.weekday() + 1) % 7)  # weeks begin on Sunday
        return first, first + timedelta(days=6)
    span = timedelta(days=days[unit])
    return (today - span, today) if when == "past" else (today, today + span)
