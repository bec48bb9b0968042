"""The tools of an agent for the world's MariaDB."""

from __future__ import annotations

from collections.abc import Sequence

from terrarium.capability.database.house import House
from terrarium.capability.database.questions import Questions, shown
from terrarium.capability.database.role import Role
from terrarium.capability.mysql.kind import KIND
from terrarium.core.capability import Site, instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.tool import Tool
from terrarium.core.values import Value

_TABLES = """
SELECT TABLE_NAME AS name, CASE TABLE_TYPE WHEN 'BASE TABLE' THEN 'table' ELSE LOWER(TABLE_TYPE) END AS kind,
    CASE TABLE_TYPE WHEN 'VIEW' THEN '' ELSE TABLE_COMMENT END AS comment
FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 1
"""
_COLUMNS = """
SELECT COLUMN_NAME AS `column`, COLUMN_TYPE AS type, IS_NULLABLE = 'NO' AS required, COLUMN_DEFAULT AS `default`,
    EXTRA AS extra, COLUMN_COMMENT AS comment
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""


class SqlTools:
    """What one agent may do.

    Args:
        site: Of the capability.
        house: Its server.
        role: As whom the agent works.
        database: The usual one.
    """

    def __init__(self, site: Site, house: House, role: Role, database: str) -> None:
        self._site, self._database = site, database
        self._questions = Questions(site, KIND, house, role)

    def tools(self) -> Sequence[Tool]:
        """All of them."""
        name = self._site.name
        return [
            Tool.of(self._query, instance_tool(name, "query"), writes=False),
            Tool.of(self._execute, instance_tool(name, "execute")),
            Tool.of(self._schema, instance_tool(name, "schema"), writes=False),
        ]

    async def _query(self, sql: str, max_rows: int = 100) -> dict[str, Value]:
        """Run one SQL statement of MariaDB that only looks: SELECT, WITH, SHOW, DESCRIBE or EXPLAIN, and show its rows.

        It cannot change anything. Have the database count, sum, sort and filter rather than fetching many rows.

        Args:
            sql: One statement, without parameters.
            max_rows: How many rows are shown, 1 to 1000.

        Returns:
            `rows`, a list of objects by column, and `more`: whether there are further rows, which were not fetched.
        """
        return await self._questions.look(sql, max_rows)

    async def _execute(self, sql: str) -> dict[str, Value]:
        """Run SQL of MariaDB that changes something: INSERT, UPDATE, DELETE, CREATE, GRANT and so on.

        Several statements may stand together, separated by semicolons: when one fails, those behind it are not run, and
        changed rows are put back. What CREATE, ALTER and DROP did before stays, with all that stood in front of them. A
        transaction must be begun and committed within one call.

        Args:
            sql: The statements, without parameters.

        Returns:
            `done`: what each statement did and to how many rows, such as `UPDATE 3`; `rows`: at most 100 that the last
            one gave.
        """
        return await self._questions.change(sql)

    async def _schema(self, table: str = "") -> dict[str, Value]:
        """Show what is in the database: its tables and views, or the columns and the definition of one of them.

        Args:
            table: The name of a table or view, such as `orders` or `sales.orders`; left out: a list of all of them.

        Returns:
            `tables`, each with name, kind and comment; or `columns` and `definition` of one.
        """
        database, _, name = table.rpartition(".")
        database = database or self._database

        async def ask() -> dict[str, Value]:
            if not table:
                return {"tables": [shown(row) for row in await self._questions.every(_TABLES, database)]}
            columns = [shown(row) for row in await self._questions.every(_COLUMNS, database, name)]
            if not columns:
                raise NotFound(f"there is no table {table!r:.200}; without a name, all are listed")
            quoted = ".".join("`" + part.replace("`", "``") + "`" for part in (database, name))
            try:
                [row] = await self._questions.every(f"SHOW CREATE TABLE {quoted}")
            except Refused:
                return {"columns": columns, "definition": None}  # who may see columns need not see all of it
            definition = next((text for key, text in row.items() if key.startswith("Create ")), None)
            return {"columns": columns, **shown({"definition": definition})}

        found: dict[str, Value] = await self._site.running(ask())
        return found
