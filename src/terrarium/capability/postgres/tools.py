"""The tools of an agent for the world's database."""

from __future__ import annotations

from collections.abc import Sequence

from terrarium.capability.database.house import House
from terrarium.capability.database.questions import Questions, shown
from terrarium.capability.database.role import Role
from terrarium.capability.postgres.kind import KIND
from terrarium.core.capability import Site, instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.tool import Tool
from terrarium.core.values import Value

_TABLES = """
SELECT n.nspname || '.' || c.relname AS name, CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
    ELSE 'table' END AS kind, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT relispartition AND has_schema_privilege(n.oid, 'USAGE') ORDER BY 1
"""
_COLUMNS = """
SELECT attname::text AS column, format_type(atttypid, atttypmod) AS type, attnotnull AS required,
    pg_get_expr(adbin, adrelid) AS default, col_description(attrelid, attnum) AS comment
FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_RULES = """
SELECT conname::text AS name, pg_get_constraintdef(oid) AS rule FROM pg_constraint
WHERE conrelid = %s::regclass ORDER BY 1
"""
_INDEXES = "SELECT pg_get_indexdef(indexrelid) AS index FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1"


class SqlTools:
    """What one agent may do.

    Args:
        site: Of the capability.
        house: Its server.
        role: As whom the agent works.
    """

    def __init__(self, site: Site, house: House, role: Role) -> None:
        self._site, self._questions = site, Questions(site, KIND, house, role)

    def tools(self) -> Sequence[Tool]:
        """All of them."""
        name = self._site.name
        return [
            Tool.of(self._query, instance_tool(name, "query"), writes=False),
            Tool.of(self._execute, instance_tool(name, "execute")),
            Tool.of(self._schema, instance_tool(name, "schema"), writes=False),
        ]

    async def _query(self, sql: str, max_rows: int = 100) -> dict[str, Value]:
        """Run one SQL statement of PostgreSQL that only looks, such as SELECT or EXPLAIN, and show its rows.

        It cannot change anything. Have the database count, sum, sort and filter rather than fetching many rows.

        Args:
            sql: One statement, without parameters.
            max_rows: How many rows are shown, 1 to 1000.

        Returns:
            `rows`, a list of objects by column, and `more`: whether there are further rows, which were not fetched.
        """
        return await self._questions.look(sql, max_rows)

    async def _execute(self, sql: str) -> dict[str, Value]:
        """Run SQL of PostgreSQL that changes something: INSERT, UPDATE, DELETE, CREATE, GRANT and so on.

        Several statements may stand together, separated by semicolons; either all of them take effect or, when one
        fails, none. A transaction must be begun and committed within one call. Use RETURNING to see what was changed.

        Args:
            sql: The statements, without parameters.

        Returns:
            `done`: what each statement did, such as `UPDATE 3`; `rows`: at most 100 that the last one gave.
        """
        return await self._questions.change(sql)

    async def _schema(self, table: str = "") -> dict[str, Value]:
        """Show what is in the database: its tables and views, or the columns, constraints and indexes of one of them.

        Args:
            table: The name of a table or view, such as `orders` or `sales.orders`; left out: a list of all of them.

        Returns:
            `tables`, each with name, kind and comment; or `columns`, `constraints` and `indexes` of one.
        """

        async def ask() -> dict[str, Value]:
            if not table:
                return {"tables": [shown(row) for row in await self._questions.every(_TABLES)]}
            try:
                columns = [shown(row) for row in await self._questions.every(_COLUMNS, table)]
                constraints = {str(row["name"]): row["rule"] for row in await self._questions.every(_RULES, table)}
                indexes = [row["index"] for row in await self._questions.every(_INDEXES, table)]
            except Refused as error:
                if error.code in ("42P01", "42602", "3F000"):
                    raise NotFound(f"there is no table {table!r:.200}; without a name, all are listed") from None
                raise
            return {"columns": columns, "constraints": constraints, "indexes": indexes}

        found: dict[str, Value] = await self._site.running(ask())
        return found
