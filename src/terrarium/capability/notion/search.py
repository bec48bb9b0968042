"""Requests that search: pages and databases by their titles."""

from __future__ import annotations

from typing import Any

from terrarium.capability.notion import field as check
from terrarium.capability.notion import rich_text
from terrarium.capability.notion.api_error import invalid
from terrarium.capability.notion.ask import Ask
from terrarium.capability.notion.render import OLD

_QUERY = 1000  # characters


def search(ask: Ask) -> dict[str, Any]:
    """`POST /search`: whose titles hold all words of `query`; what was edited last comes first."""
    given = ask.body.get("query")
    words = [] if given is None else check.text(given, "body.query", _QUERY).casefold().split()[:50]
    table = "database" if ask.render.version == OLD else "data_source"
    wanted = ["page", table]
    if ask.body.get("filter") is not None:
        chosen = check.table(ask.body["filter"], "body.filter")
        if chosen.get("property") != "object" or chosen.get("value") not in wanted:
            raise invalid("body.filter", f'`{{"property": "object", "value": "page" or "{table}"}}`', chosen)
        wanted = [chosen["value"]]
    descending = True
    if ask.body.get("sort") is not None:
        sort = check.table(ask.body["sort"], "body.sort")
        if sort.get("timestamp", "last_edited_time") != "last_edited_time":
            raise invalid("body.sort.timestamp", "`last_edited_time`", sort["timestamp"])
        if sort.get("direction", "descending") not in ("ascending", "descending"):
            raise invalid("body.sort.direction", "`ascending` or `descending`", sort["direction"])
        descending = sort.get("direction", "descending") == "descending"
    store = ask.store
    known: dict[str, tuple[str, bool]] = {}
    found: list[tuple[Any, str, str]] = []
    for kind in wanted:
        rows = [(row.key, row.fields) for row in store.rows.table(kind)]
        session = store.get("page", store.session)
        if kind == "page" and session is not None and store.rows.get("page", store.session) is None:
            rows.append((store.session, session))
        for id, fields in rows:
            title = (ask.render.title(fields) if kind == "page" else rich_text.plain(fields["title"])).casefold()
            if all(word in title for word in words) and ask.visible(id, known):
                found.append((fields["edited"], id, kind))
    found.sort(key=lambda entry: entry[0], reverse=descending)
    kinds = {id: kind for _, id, kind in found}
    shown, following = ask.cut(list(kinds), ask.body)
    results = [ask.result(kinds[id], id) for id in shown]
    return ask.listed("page_or_database" if ask.render.version == OLD else "page_or_data_source", results, following)
