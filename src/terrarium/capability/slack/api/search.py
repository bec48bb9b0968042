"""Methods `search.*` of the Web API."""

from __future__ import annotations

from typing import Any

from terrarium.capability.slack.api.call import Call


def search_messages(call: Call) -> dict[str, Any]:
    """`search.messages`."""
    found = call.chat.search(call.member).messages(call.text("query"))
    if call.text("sort_dir", "desc") == "asc":
        found.reverse()
    page, told = _numbered(call, found)
    matches = []
    for one in page:
        author = call.chat.team.members[one.fields["user"]]
        matches.append(
            {
                "iid": f"{one.channel}-{one.ts}",
                **call.view.message(one.channel, one.ts, one.fields),
                "channel": call.view.channel(one.channel, call.chat.channels.get(one.channel)),
                "username": author.name,
                "permalink": call.view.permalink(one.channel, one.ts, one.fields),
            }
        )
    return {"query": call.text("query"), "messages": {"matches": matches, **told}}


def search_files(call: Call) -> dict[str, Any]:
    """`search.files`."""
    found = call.chat.search(call.member).files(call.text("query"))
    if call.text("sort_dir", "desc") == "asc":
        found.reverse()
    page, told = _numbered(call, found)
    return {"query": call.text("query"), "files": {"matches": [call.view.file(*one) for one in page], **told}}


def search_all(call: Call) -> dict[str, Any]:
    """`search.all`."""
    return search_messages(call) | search_files(call)


def _numbered(call: Call, found: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """One page of what was found, by `count` and `page`, and what is told about pages."""
    count, page = call.whole("count", 20, 1, 100), call.whole("page", 1, 1, 100)
    pages = -(-len(found) // count)
    first = (page - 1) * count
    shown = found[first : first + count]
    told = {
        "total": len(found),
        "paging": {"count": count, "total": len(found), "page": page, "pages": pages},
        "pagination": {
            "total_count": len(found),
            "page": page,
            "per_page": count,
            "page_count": pages,
            "first": first + 1 if shown else 0,
            "last": first + len(shown),
        },
    }
    return shown, told


METHODS = {
    "search.all": search_all,
    "search.files": search_files,
    "search.messages": search_messages,
}
