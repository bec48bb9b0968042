"""What one agent can do with Notion: tools that take and give Markdown and plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from terrarium.capability.notion import plain
from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.desk import Client, everything, refusing, source_of
from terrarium.capability.notion.markdown import inline, limited, markdown_of
from terrarium.core.aside import aside
from terrarium.core.capability import instance_tool
from terrarium.core.errors import Refused
from terrarium.core.tool import Tool

_BATCH = 100


class NotionTools:
    """The tools of one agent.

    Args:
        client: The workspace, as the agent has it.
        session: The id of the page where pages go that name no parent.
        remote: Whether calls take a while, on a network.
    """

    def __init__(self, client: Client, session: str, *, remote: bool = False) -> None:
        self._client = client
        self._session = session
        self._remote = remote

    def tools(self, site_name: str) -> list[Tool]:
        """The tools, named after the site."""
        looking = ("get_page", "list_comments", "list_users", "query_database", "search")
        acting = ["add_comment", "append_blocks", "create_database", "create_page", "move_page"]
        acting += ["update_block", "update_page"]
        made = []
        for verb in sorted((*looking, *acting)):
            method: Callable[..., Any] = getattr(self, verb)
            tool = Tool.of(method, instance_tool(site_name, verb), writes=verb in acting)
            function = refusing(method)
            if self._remote:
                function = partial(_beside, function)
            made.append(replace(tool, function=function, signature=method))
        return made

    # -- looking --------------------------------------------------------------------------------------------------

    def search(self, query: str = "", kind: str = "all", limit: int = 20) -> dict[str, Any]:
        """Find pages and databases by words of their titles, those edited last first; without words, list everything.

        Args:
            query: Words that the title must have; text inside of pages is not searched.
            kind: "page", "database" or "all".
            limit: How many to list, 1 to 100.

        Returns:
            `results`, each `id`, `kind`, `title`, `parent`, `last_edited`; and `more`, whether there are others.
        """
        if kind not in ("page", "database", "all"):
            raise Refused('kind is "page", "database" or "all"')
        body: dict[str, Any] = {"query": query[:1000], "page_size": _checked(limit)}
        if kind != "all":
            body["filter"] = {"property": "object", "value": "page" if kind == "page" else "data_source"}
        answer = self._client.call("POST", "search", None, body)
        found = [
            {
                "id": item["id"] if item["object"] == "page" else item["parent"]["database_id"],
                "kind": "page" if item["object"] == "page" else "database",
                "title": plain.title_of(item),
                "parent": plain.parent_id(item["parent"] if item["object"] == "page" else item["database_parent"]),
                "last_edited": item["last_edited_time"],
            }
            for item in answer["results"]
        ]
        return {"results": found, "more": answer["has_more"]}

    def get_page(self, page: str, ids: bool = False) -> dict[str, Any]:
        """Read a page: its properties and its text as Markdown. Of a database, its columns and their options.

        Args:
            page: The id of the page or database.
            ids: Show the id of each block at the beginning of its line, for changing single blocks.

        Returns:
            `id`, `title`, `parent`, `properties` (plain values), `content` (Markdown); of a database `columns`.
        """
        kind, found = plain.kind_of(self._client, page)
        if kind == "data_source":
            columns = {name: plain.column_shown(column) for name, column in found["properties"].items()}
            id = found["parent"]["database_id"]
            return {"id": id, "title": plain.title_of(found), "columns": columns}
        users = plain.users_of(self._client)
        shown = {name: plain.shown(value, users) for name, value in found["properties"].items()}
        return {
            "id": found["id"],
            "title": plain.title_of(found),
            "parent": plain.parent_id(found["parent"]),
            "in_trash": found["in_trash"],
            "last_edited": found["last_edited_time"],
            "properties": shown,
            "content": markdown_of(self._children, found["id"], ids=ids),
        }

    def query_database(
        self,
        database: str,
        filter: dict[str, Any] | None = None,
        sort: str | None = None,
        descending: bool = False,
        limit: int = 50,
    ) -> dict[str, Any]:
        """List the entries of a database, filtered and sorted.

        Args:
            database: Its id.
            filter: Conditions that must all hold, by name of the property, for example {"Status": "Done", "Owner":
                "Ann"}; null means empty. Or a filter in Notion's own form, for other comparisons.
            sort: The name of the property to sort by.
            descending: Sort the other way round.
            limit: How many to list, 1 to 100.

        Returns:
            `entries`, each `id` and its properties as plain values; and `more`, whether there are others.
        """
        source = source_of(self._client, database)
        users = plain.users_of(self._client)
        body: dict[str, Any] = {"page_size": _checked(limit)}
        if filter:
            body["filter"] = plain.filter_of(filter, plain.found_columns(self._client, source), users)
        if sort is not None:
            body["sorts"] = [{"property": sort, "direction": "descending" if descending else "ascending"}]
        answer = self._client.call("POST", f"data_sources/{source}/query", None, body)
        entries = [
            {"id": item["id"], **{name: plain.shown(value, users) for name, value in item["properties"].items()}}
            for item in answer["results"]
        ]
        return {"entries": entries, "more": answer["has_more"]}

    def list_comments(self, page: str) -> list[dict[str, Any]]:
        """List the comments on a page or block, oldest first.

        Args:
            page: Its id.

        Returns:
            Of each `id`, `discussion`, `by`, `time`, `text`.
        """
        users = plain.users_of(self._client)
        found = self._client.call("GET", "comments", {"block_id": page, "page_size": 100})["results"]
        return [
            {
                "id": item["id"],
                "discussion": item["discussion_id"],
                "by": str(users.get(item["created_by"]["id"], {}).get("name")),
                "time": item["created_time"],
                "text": "".join(part["plain_text"] for part in item["rich_text"]),
            }
            for item in found
        ]

    def list_users(self) -> list[dict[str, Any]]:
        """List who is in the workspace, and say who you are.

        Returns:
            Of each `id`, `name`, `kind` (`person` or `bot`), `email`, `you`.
        """
        me = self._client.call("GET", "users/me")["id"]
        return [
            {
                "id": id,
                "name": user["name"],
                "kind": user["type"],
                "email": user.get("person", {}).get("email"),
                "you": id == me,
            }
            for id, user in plain.users_of(self._client).items()
        ]

    # -- writing --------------------------------------------------------------------------------------------------

    def create_page(
        self,
        title: str,
        parent: str | None = None,
        content: str = "",
        properties: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a page, or an entry of a database.

        Args:
            title: Its title.
            parent: The id of the page or database it goes into; default is the workspace's first page.
            content: Its text, as Markdown.
            properties: Of an entry of a database: plain values by name of the property, for example {"Status": "To do",
                "Due": "2030-01-07", "Owner": ["Ann"], "Tags": ["a", "b"]}.

        Returns:
            `id` and `url`.
        """
        blocks = limited(content)
        kind, found = plain.kind_of(self._client, parent or self._session)
        body: dict[str, Any]
        if kind == "data_source":
            values = plain.sent(
                {**(properties or {}), "title": title}, found["properties"], plain.users_of(self._client)
            )
            body = {"parent": {"type": "data_source_id", "data_source_id": found["id"]}, "properties": values}
        else:
            if properties:
                raise Refused("a page that is not in a database has no properties but its title")
            body = {"parent": {"type": "page_id", "page_id": found["id"]}}
            body["properties"] = {"title": {"title": inline(title)}}
        page = self._client.call("POST", "pages", None, {**body, "children": blocks[:_BATCH]})
        self._append(page["id"], blocks[_BATCH:])
        return {"id": page["id"], "url": page["url"]}

    def update_page(
        self,
        page: str,
        title: str | None = None,
        properties: dict[str, Any] | None = None,
        content: str | None = None,
        in_trash: bool | None = None,
    ) -> dict[str, Any]:
        """Change a page; what you do not give stays.

        Args:
            page: Its id.
            title: Its new title.
            properties: Of an entry of a database: new plain values by name; null empties one.
            content: A new text for the whole page, as Markdown; all there was goes to the trash.
            in_trash: true puts the page into the trash, false takes it out.

        Returns:
            `id` and `url`.
        """
        found = self._client.call("GET", f"pages/{page}")
        body: dict[str, Any] = {}
        blocks = None if content is None else limited(content)
        values = {**(properties or {}), **({} if title is None else {"title": title})}
        if values:
            users = plain.users_of(self._client)
            body["properties"] = plain.sent(values, plain.named(found["properties"]), users)
        if in_trash is not None:
            body["in_trash"] = in_trash
        if blocks is not None:
            body["erase_content"] = True
        answer = self._client.call("PATCH", f"pages/{page}", None, body)
        self._append(found["id"], blocks or [])
        return {"id": answer["id"], "url": answer["url"]}

    def move_page(self, page: str, parent: str) -> dict[str, Any]:
        """Move a page into another page or a database; of the properties only the title goes along.

        Args:
            page: Its id.
            parent: The id of the page or database it goes into.

        Returns:
            `id` and `url`.
        """
        kind, found = plain.kind_of(self._client, parent)
        word = "page_id" if kind == "page" else "data_source_id"
        answer = self._client.call("POST", f"pages/{page}/move", None, {"parent": {"type": word, word: found["id"]}})
        return {"id": answer["id"], "url": answer["url"]}

    def append_blocks(self, page: str, content: str, after: str | None = None) -> dict[str, Any]:
        """Add text to a page, at its end or after a block.

        Args:
            page: The id of the page, or of the block that is to hold it.
            content: Markdown: headings, lists, "- [ ] to-dos", quotes, code, tables.
            after: The id of the block that it follows; default is the end.

        Returns:
            `ids`: the new blocks.
        """
        blocks = limited(content)
        if not blocks:
            raise Refused("content is empty")
        return {"ids": self._append(page, blocks, after)}

    def update_block(
        self, block: str, text: str | None = None, checked: bool | None = None, delete: bool = False
    ) -> dict[str, Any]:
        """Change one block: its text, whether a to-do is done, or delete it.

        Args:
            block: Its id, as notion_get_page gives it with ids=true.
            text: Its new text, one line of Markdown without the mark of its kind.
            checked: Of a to-do: whether it is done.
            delete: Put it into the trash.

        Returns:
            `id`.
        """
        if delete:
            return {"id": self._client.call("DELETE", f"blocks/{block}")["id"]}
        found = self._client.call("GET", f"blocks/{block}")
        kind = found["type"]
        content: dict[str, Any] = {}
        if text is not None:
            if "rich_text" not in found[kind]:
                raise Refused(f"a {kind} has no text of its own")
            content["rich_text"] = inline(text)
        if checked is not None:
            if kind != "to_do":
                raise Refused(f"a {kind} cannot be checked")
            content["checked"] = checked
        if not content:
            raise Refused("say what to change: text, checked or delete")
        return {"id": self._client.call("PATCH", f"blocks/{block}", None, {kind: content})["id"]}

    def create_database(self, title: str, columns: dict[str, Any], parent: str | None = None) -> dict[str, Any]:
        """Make a database: a table whose entries are pages.

        Args:
            title: Its title.
            columns: Its properties by name: a type (title, text, number, select, multi_select, status, date, people,
                checkbox, url, email, ...), a list of options, or settings in Notion's own form. Without a title there
                is one called Name.
            parent: The id of the page it goes into; default is the workspace's first page.

        Returns:
            `id` and `url`.
        """
        body = {
            "parent": {"type": "page_id", "page_id": parent or self._session},
            "title": inline(title),
            "initial_data_source": {"properties": plain.columns_sent(columns)},
        }
        answer = self._client.call("POST", "databases", None, body)
        return {"id": answer["id"], "url": answer["url"]}

    def add_comment(self, page: str, text: str, discussion: str | None = None) -> dict[str, Any]:
        """Comment on a page or block; people you name as @Name are told.

        Args:
            page: Its id.
            text: What to say.
            discussion: The id of the discussion to answer in; default begins a new one.

        Returns:
            `id` and `discussion`.
        """
        if not text.strip() or len(text) > 20_000:
            raise Refused("a comment has 1 to 20000 characters")
        body: dict[str, Any] = {"rich_text": plain.mentions(text, plain.users_of(self._client))}
        if discussion is not None:
            body["discussion_id"] = discussion
        else:
            kind = "page_id" if self._is_page(page) else "block_id"
            body["parent"] = {kind: page}
        answer = self._client.call("POST", "comments", None, body)
        return {"id": answer["id"], "discussion": answer["discussion_id"]}

    # -- inside ---------------------------------------------------------------------------------------------------

    def _children(self, container: str) -> list[dict[str, Any]]:
        return everything(self._client, "GET", f"blocks/{container}/children", most=2001)

    def _append(self, id: str, blocks: list[dict[str, Any]], after: str | None = None) -> list[str]:
        made: list[str] = []
        for at in range(0, len(blocks), _BATCH):
            body: dict[str, Any] = {"children": blocks[at : at + _BATCH]}
            last = made[-1] if made else after
            if after is not None and last is not None:
                body["after"] = last
            answer = self._client.call("PATCH", f"blocks/{id}/children", None, body)
            made += [block["id"] for block in answer["results"][: len(body["children"])]]
        return made

    def _is_page(self, id: str) -> bool:
        try:
            self._client.call("GET", f"pages/{id}")
        except ApiError as error:
            if error.code != "object_not_found":
                raise
            return False
        return True


async def _beside(function: Callable[..., Any], **arguments: Any) -> Any:
    return await aside(partial(function, **arguments))


def _checked(limit: int) -> int:
    if not 1 <= limit <= _BATCH:
        raise Refused("limit must be 1 to 100")
    return limit
