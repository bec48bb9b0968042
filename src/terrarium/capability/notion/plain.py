"""Properties as plain values, for agents: a date is a text, an option its name, a person theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.capability.notion import rich_text
from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.desk import Client, everything
from terrarium.capability.notion.markdown import inline, plain_of
from terrarium.capability.notion.schema import COMPUTED, TYPES
from terrarium.core.errors import Refused

Users = Mapping[str, Mapping[str, Any]]


def users_of(client: Client) -> dict[str, dict[str, Any]]:
    """Everybody in the workspace, by id."""
    return {user["id"]: user for user in everything(client, "GET", "users")}


def shown(value: Mapping[str, Any], users: Users) -> Any:
    """A property of a page as a plain value."""
    kind = value["type"]
    held = value[kind]
    if kind in ("title", "rich_text"):
        return plain_of(held)
    if kind in ("select", "status"):
        return held and held["name"]
    if kind == "multi_select":
        return [option["name"] for option in held]
    if kind == "date":
        return held and (held["start"] if held["end"] is None else f"{held['start']}/{held['end']}")
    if kind == "people":
        return [_name(user, users) for user in held]
    if kind in ("created_by", "last_edited_by"):
        return _name(held, users)
    if kind == "relation":
        return [page["id"] for page in held]
    if kind == "files":
        return [(file.get("external") or file.get("file") or {}).get("url", file.get("name")) for file in held]
    if kind == "unique_id":
        return f"{held['prefix']}-{held['number']}" if held["prefix"] else held["number"]
    if kind in ("rollup", "formula"):
        inner = held[held["type"]]
        if held["type"] == "array":
            return [shown(item, users) for item in inner]
        return inner["start"] if isinstance(inner, Mapping) and "start" in inner else inner
    return held


def sent(values: Mapping[str, Any], columns: Mapping[str, Any], users: Users) -> dict[str, Any]:
    """Plain values as properties to send.

    Args:
        values: By name of the property; the title also as `title`.
        columns: As data sources show them.
        users: Who is there.

    Raises:
        Refused: There is no such property, or nobody of that name.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        column = columns.get(name)
        if column is None and name.lower() == "title":
            column = next((one for one in columns.values() if one["type"] == "title"), None)
        if column is None:
            raise Refused(f"there is no property {name[:80]!r}; there are: {', '.join(columns)}")
        kind = column["type"]
        if kind in COMPUTED:
            raise Refused(f"the property {name[:80]!r} is calculated and cannot be set")
        found[column["name"]] = {kind: _sent(kind, value, users)}
    return found


def _sent(kind: str, value: Any, users: Users) -> Any:
    if kind in ("title", "rich_text"):
        return [] if value is None else inline(str(value))
    if kind == "checkbox":
        return {"true": True, "yes": True, "false": False, "no": False}.get(str(value).lower(), value)
    if kind in ("select", "status"):
        return None if value in (None, "") else {"name": str(value)}
    if kind == "number" and isinstance(value, str):
        try:
            return float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            raise Refused(f"{value[:40]!r} is not a number") from None
    if kind == "date":
        if value in (None, "") or isinstance(value, Mapping):
            return value or None
        start, _, end = str(value).partition("/")
        return {"start": start, "end": end or None}
    if kind in ("multi_select", "people", "relation", "files"):
        items = [] if value in (None, "") else value if isinstance(value, list) else [value]
        if kind == "multi_select":
            return [{"name": str(item)} for item in items]
        if kind == "people":
            return [{"id": user_named(str(item), users)} for item in items]
        if kind == "relation":
            return [{"id": str(item)} for item in items]
        return [
            {"name": str(item).rpartition("/")[2][:100] or "file", "external": {"url": str(item)}} for item in items
        ]
    return value


def user_named(name: str, users: Users) -> str:
    """The id of a user by name, address or id.

    Raises:
        Refused: There is none, or there are several of that name.
    """
    if name in users:
        return name
    word = name.casefold().lstrip("@")
    found = [
        id
        for id, user in users.items()
        if word in (str(user.get("name")).casefold(), str(user.get("person", {}).get("email")).casefold())
    ]
    if len(found) != 1:
        people = [str(user["name"]) for user in users.values() if user["type"] == "person"][:50]
        raise Refused(
            f"{'nobody' if not found else 'more than one'} is called {name[:80]!r}; people: {', '.join(people)}"
        )
    return found[0]


def filter_of(wanted: Mapping[str, Any], columns: Mapping[str, Any], users: Users) -> dict[str, Any]:
    """Plain conditions, `{"Status": "Done"}`, as a filter: all must hold; None means empty.

    A filter in Notion's own form is taken as it is.

    Raises:
        Refused: There is no such property.
    """
    if {"and", "or", "property", "timestamp"} & set(wanted):
        return dict(wanted)
    tests = []
    for name, value in wanted.items():
        column = columns.get(name)
        if column is None:
            raise Refused(f"there is no property {name[:80]!r}; there are: {', '.join(columns)}")
        kind = column["type"]
        if value is None:
            test: dict[str, Any] = {"is_empty": True}
        elif kind in ("multi_select", "relation"):
            test = {"contains": str(value)}
        elif kind in ("people", "created_by", "last_edited_by"):
            test = {"contains": user_named(str(value), users)}
        elif kind in ("checkbox", "number"):
            test = {"equals": _sent(kind, value, users)}
        else:
            test = {"equals": str(value)}
        tests.append({"property": name, kind: test})
    return tests[0] if len(tests) == 1 else {"and": tests}


def columns_sent(given: Mapping[str, Any]) -> dict[str, Any]:
    """Columns for a new database: by name a type, a list of options, or settings in Notion's own form.

    Raises:
        Refused: A type is not known.
    """
    found: dict[str, Any] = {}
    for name, kind in given.items():
        if isinstance(kind, list):
            found[name] = {"select": {"options": [{"name": str(option)} for option in kind]}}
        elif isinstance(kind, Mapping):
            found[name] = dict(kind)
        elif kind == "text":
            found[name] = {"rich_text": {}}
        elif isinstance(kind, str) and kind in TYPES - {"relation", "rollup"}:
            found[name] = {kind: {}}
        else:
            raise Refused(f"{name[:80]!r}: the type is one of text, {', '.join(sorted(TYPES))}, not {str(kind)[:60]!r}")
    if not any("title" in config for config in found.values()):
        found = {"Name": {"title": {}}, **found}
    return found


def title_of(thing: Mapping[str, Any]) -> str:
    """The title of a page, database or data source, as answered."""
    if thing["object"] != "page":
        return rich_text.plain(thing["title"])
    held: list[Any] = next((value["title"] for value in thing["properties"].values() if value["type"] == "title"), [])
    return rich_text.plain(held)


def found_columns(client: Client, source: str) -> dict[str, Any]:
    """The columns of a data source, by name."""
    found: dict[str, Any] = client.call("GET", f"data_sources/{source}")["properties"]
    return found


def kind_of(client: Client, id: str) -> tuple[str, dict[str, Any]]:
    """What an id is, and the thing: `("page", ...)`, `("data_source", ...)`.

    Raises:
        ApiError: There is no such thing.
    """
    try:
        return "page", client.call("GET", f"pages/{id}")
    except ApiError as error:
        if error.code != "object_not_found":
            raise
    try:
        database = client.call("GET", f"databases/{id}")
        return "data_source", client.call("GET", f"data_sources/{database['data_sources'][0]['id']}")
    except (ApiError, IndexError) as error:
        if isinstance(error, ApiError) and error.code != "object_not_found":
            raise
    try:
        return "data_source", client.call("GET", f"data_sources/{id}")
    except ApiError as error:
        if error.code != "object_not_found":
            raise
        raise ApiError("object_not_found", f"There is no page and no database {id[:60]!r}.") from None


def mentions(text: str, users: Users) -> list[dict[str, Any]]:
    """Rich text in which `@Name` is a mention, where there is somebody of that name."""
    names = {f"@{user['name']}": id for id, user in users.items() if user["type"] == "person"}
    found: list[dict[str, Any]] = []
    rest = text
    for _ in range(20):
        place, name = min(((rest.find(name), name) for name in names if name in rest), default=(-1, ""))
        if place < 0:
            break
        found += rich_text.of(rest[:place])
        found.append({"type": "mention", "mention": {"type": "user", "user": {"id": names[name]}}})
        rest = rest[place + len(name) :]
    return [*found, *rich_text.of(rest)]


def named(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a page as columns, as far as their values tell."""
    return {name: {"name": name, **value} for name, value in properties.items()}


def column_shown(column: dict[str, Any]) -> Any:
    """The type of a column, with its options where it has some."""
    kind = column["type"]
    options = column[kind].get("options") if isinstance(column[kind], dict) else None
    return kind if options is None else {"type": kind, "options": [option["name"] for option in options]}


def parent_id(parent: dict[str, Any]) -> str | None:
    """The id of the page, block or database that holds something; None: it is at the top."""
    return parent.get("database_id") or parent.get("page_id") or parent.get("block_id")


def _name(user: Mapping[str, Any], users: Users) -> str:
    return str(users.get(user["id"], {}).get("name") or user["id"])
