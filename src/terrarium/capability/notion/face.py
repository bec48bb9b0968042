"""What a task program can do with a Notion workspace, emulated or real: raw objects of Notion in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from terrarium.capability.notion.api_error import ApiError
from terrarium.capability.notion.desk import Client, everything, source_of, told
from terrarium.capability.notion.markdown import blocks_of, markdown_of
from terrarium.capability.notion.rich_text import of
from terrarium.core.capability import Traits, reads, writes

_BATCH = 100
Json = dict[str, Any]
T = TypeVar("T")


class NotionFace:
    """The methods that go through requests, the same for every backend."""

    traits: ClassVar[Traits] = Traits()
    _client: Client
    _session: str

    # -- pages ----------------------------------------------------------------------------------------------------

    @reads
    def search(self, query: str = "", filter_type: str | None = None) -> list[Json]:
        """Pages and data sources by words of their titles, those edited last first.

        Args:
            query: The words; none: everything.
            filter_type: `page` or `data_source` (`database` means the same); default: both.

        Raises:
            Refused: There is no such type.
        """
        body: Json = {"query": query}
        if filter_type is not None:
            value = "data_source" if filter_type == "database" else filter_type
            body["filter"] = {"property": "object", "value": value}
        return self._try(lambda: everything(self._client, "POST", "search", body))

    @writes(notifies="properties")
    def create_page(
        self,
        title: str,
        parent_id: str | None = None,
        properties: Json | None = None,
        children: list[Json] | None = None,
    ) -> Json:
        """Make a page in a page; who is mentioned or assigned is told.

        Args:
            title: Its title.
            parent_id: The page that it goes into; default: the session page.
            properties: Further ones, in Notion's form.
            children: Blocks in Notion's form.

        Raises:
            NotFound: There is no such page.
            Refused: Notion does not take it.
        """
        body = {
            "parent": {"type": "page_id", "page_id": parent_id or self._session},
            "properties": {"title": {"title": of(title)}, **(properties or {})},
        }
        return self._made(body, children or [])

    @reads
    def get_page(self, page_id: str) -> Json:
        """A page, without its content.

        Raises:
            NotFound: There is none.
        """
        return self._call("GET", f"pages/{page_id}")

    @writes(notifies="properties")
    def update_page(self, page_id: str, properties: Json) -> Json:
        """Change properties of a page; who is mentioned or assigned is told.

        Args:
            page_id: The page.
            properties: By name, in Notion's form.

        Raises:
            NotFound: There is no such page.
            Refused: Notion does not take it.
        """
        return self._call("PATCH", f"pages/{page_id}", {"properties": properties})

    @writes(silent=True)
    def delete_page(self, page_id: str) -> Json:
        """Put a page into the trash.

        Raises:
            NotFound: There is none.
            Refused: It is at the top of the workspace.
        """
        return self._call("PATCH", f"pages/{page_id}", {"in_trash": True})

    @writes(silent=True)
    def move_page(self, page_id: str, parent_id: str) -> Json:
        """Put a page into another page.

        Raises:
            NotFound: There is no such page.
            Refused: It would be in itself.
        """
        return self._call("POST", f"pages/{page_id}/move", {"parent": {"type": "page_id", "page_id": parent_id}})

    @reads
    def markdown(self, page_id: str) -> str:
        """What a page or block holds, as Markdown.

        Raises:
            NotFound: There is none.
        """
        return self._try(
            lambda: markdown_of(lambda id: everything(self._client, "GET", f"blocks/{id}/children"), page_id)
        )

    # -- databases ------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def create_database(self, title: str, properties: Json, parent_id: str | None = None) -> Json:
        """Make a database with one data source.

        Args:
            title: Its title.
            properties: Its columns by name, in Notion's form; one of them is the title.
            parent_id: The page that it goes into; default: the session page.

        Raises:
            NotFound: There is no such page.
            Refused: Notion does not take it.
        """
        body = {
            "parent": {"type": "page_id", "page_id": parent_id or self._session},
            "title": of(title),
            "initial_data_source": {"properties": properties},
        }
        return self._call("POST", "databases", body)

    @reads
    def get_database(self, database_id: str) -> Json:
        """A database; its columns are in its data source.

        Raises:
            NotFound: There is none.
        """
        return self._call("GET", f"databases/{database_id}")

    @reads
    def get_data_source(self, database_id: str) -> Json:
        """The first data source of a database, with its columns.

        Args:
            database_id: Of the database, or of the data source itself.

        Raises:
            NotFound: There is none.
        """
        return self._try(lambda: self._client.call("GET", f"data_sources/{source_of(self._client, database_id)}"))

    @writes(silent=True)
    def update_database(self, database_id: str, title: str | None = None, properties: Json | None = None) -> Json:
        """Change title or columns of a database.

        Args:
            database_id: The database.
            title: Its new title.
            properties: Columns by name: settings, `{"name": ...}`, or None to remove one.

        Raises:
            NotFound: There is no such database.
            Refused: Notion does not take it.
        """
        if properties is not None:
            source = self._try(lambda: source_of(self._client, database_id))
            self._call("PATCH", f"data_sources/{source}", {"properties": properties})
        if title is not None:
            return self._call("PATCH", f"databases/{database_id}", {"title": of(title)})
        return self._call("GET", f"databases/{database_id}")

    @writes(silent=True)
    def delete_database(self, database_id: str) -> Json:
        """Put a database into the trash.

        Raises:
            NotFound: There is none.
        """
        return self._call("PATCH", f"databases/{database_id}", {"in_trash": True})

    @writes(notifies="properties")
    def add_database_record(self, database_id: str, properties: Json, children: list[Json] | None = None) -> Json:
        """Make an entry of a database, which is a page; who is mentioned or assigned is told.

        Args:
            database_id: The database, or one of its data sources.
            properties: Values by name, in Notion's form.
            children: Blocks in Notion's form.

        Raises:
            NotFound: There is no such database.
            Refused: Notion does not take it.
        """
        source = self._try(lambda: source_of(self._client, database_id))
        parent = {"type": "data_source_id", "data_source_id": source}
        return self._made({"parent": parent, "properties": properties}, children or [])

    @reads
    def query_database(
        self, database_id: str, filter: Json | None = None, sorts: list[Json] | None = None
    ) -> list[Json]:
        """All entries of a database that a filter lets through.

        Args:
            database_id: The database, or one of its data sources.
            filter: In Notion's form.
            sorts: In Notion's form; default: the newest first.

        Raises:
            NotFound: There is no such database.
            Refused: Notion does not take it.
        """

        def look() -> list[Json]:
            body = {key: value for key, value in {"filter": filter, "sorts": sorts}.items() if value is not None}
            path = f"data_sources/{source_of(self._client, database_id)}/query"
            return everything(self._client, "POST", path, body)

        return self._try(look)

    # -- blocks ---------------------------------------------------------------------------------------------------

    @writes(notifies="children")
    def append_blocks(self, block_id: str, children: list[Json] | str) -> list[Json]:
        """Add blocks at the end of a page or block, and give them; who is mentioned is told.

        Args:
            block_id: The page or block.
            children: Blocks in Notion's form, or Markdown.

        Raises:
            NotFound: There is no such page or block.
            Refused: Notion does not take it.
        """
        return self._append(block_id, blocks_of(children) if isinstance(children, str) else children)

    @reads
    def list_blocks(self, block_id: str) -> list[Json]:
        """The blocks that a page or block holds, without those inside of them.

        Raises:
            NotFound: There is no such page or block.
        """
        return self._try(lambda: everything(self._client, "GET", f"blocks/{block_id}/children"))

    @reads
    def get_block(self, block_id: str) -> Json:
        """A block.

        Raises:
            NotFound: There is none.
        """
        return self._call("GET", f"blocks/{block_id}")

    @writes(notifies="content")
    def update_block(self, block_id: str, **content: Any) -> Json:
        """Change a block: `update_block(id, to_do={"checked": True})`; who is newly mentioned is told.

        Args:
            block_id: The block.
            content: Under the name of its type, in Notion's form.

        Raises:
            NotFound: There is no such block.
            Refused: Notion does not take it.
        """
        return self._call("PATCH", f"blocks/{block_id}", content)

    @writes(silent=True)
    def delete_block(self, block_id: str) -> Json:
        """Put a block into the trash.

        Raises:
            NotFound: There is none.
        """
        return self._call("DELETE", f"blocks/{block_id}")

    # -- people ---------------------------------------------------------------------------------------------------

    @reads
    def users(self) -> list[Json]:
        """Everybody in the workspace, integrations too."""
        return self._try(lambda: everything(self._client, "GET", "users"))

    @reads
    def comments(self, block_id: str) -> list[Json]:
        """The comments on a page or block, oldest first.

        Raises:
            NotFound: There is no such page or block.
        """

        def look() -> list[Json]:
            found: list[Json] = []
            cursor = None
            while True:
                asked = {"block_id": block_id, "page_size": _BATCH, "start_cursor": cursor}
                answer = self._client.call("GET", "comments", asked)
                found += answer["results"]
                cursor = answer["next_cursor"]
                if cursor is None:
                    return found

        return self._try(look)

    @writes(notifies="text")
    def add_comment(self, page_id: str, text: str | list[Json]) -> Json:
        """Comment on a page; who is mentioned is told.

        Args:
            page_id: The page.
            text: Plain, or rich text in Notion's form.

        Raises:
            NotFound: There is no such page.
            Refused: Notion does not take it.
        """
        items = of(text) if isinstance(text, str) else text
        return self._call("POST", "comments", {"parent": {"page_id": page_id}, "rich_text": items})

    # -- inside ---------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        return self._try(lambda: self._client.call(method, path, None, body))

    def _try(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except ApiError as error:
            raise told(error) from None

    def _made(self, body: Json, children: list[Json]) -> Json:
        page = self._call("POST", "pages", {**body, "children": children[:_BATCH]} if children else body)
        self._append(page["id"], children[_BATCH:])
        return page

    def _append(self, id: str, children: list[Json]) -> list[Json]:
        made: list[Json] = []
        for at in range(0, len(children), _BATCH):
            body = {"children": children[at : at + _BATCH]}
            made += self._call("PATCH", f"blocks/{id}/children", body)["results"]
        return made
