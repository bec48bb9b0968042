"""The tools of an agent for the world's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from terrarium.capability.postgres.house import House
from terrarium.capability.postgres.relay import writes
from terrarium.capability.postgres.session import checked_text
from terrarium.capability.postgres.settings import Role
from terrarium.core.capability import Site, instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Change
from terrarium.core.tool import Tool
from terrarium.core.values import Value

LARGEST = 32 * 1024**2  # bytes of an answer
STATEMENT_LIMIT = 4 * 1024**2  # characters of what one call runs
_CELL = 20_000  # characters of one value that are shown
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
        self._site, self._house, self._role = site, house, role

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
        _checked(sql)
        if not 1 <= max_rows <= 1000:
            raise Refused(f"max_rows is a number from 1 to 1000, not {max_rows}")
        seconds = self._site.command_timeout

        async def ask() -> dict[str, Value]:
            result, _ = await self._house.asked_by_agent(
                lambda session: session.first(sql, seconds=seconds, limit=max_rows, largest=LARGEST), self._role
            )
            return {"rows": [_shown(row) for row in result.rows or []], "more": result.more}

        found: dict[str, Value] = await self._site.running(ask())
        return found

    async def _execute(self, sql: str) -> dict[str, Value]:
        """Run SQL of PostgreSQL that changes something: INSERT, UPDATE, DELETE, CREATE, GRANT and so on.

        Several statements may stand together, separated by semicolons; either all of them take effect or, when one
        fails, none. A transaction must be begun and committed within one call. Use RETURNING to see what was changed.

        Args:
            sql: The statements, without parameters.

        Returns:
            `done`: what each statement did, such as `UPDATE 3`; `rows`: at most 100 that the last one gave.
        """
        _checked(sql)
        seconds = self._site.command_timeout

        async def ask() -> dict[str, Value]:
            result, left = await self._house.asked_by_agent(
                lambda session: session.run(sql, seconds=seconds, limit=100, largest=LARGEST), self._role
            )
            tags = [tag for tag in result.tags if writes(tag)]
            if tags:
                after = {"done": tags[:20], "statements": len(result.tags)}
                self._site.changed(Change(self._site.actor(), "statement", self._role.name, None, after))
            if left:
                raise Refused("a transaction was left open, and was rolled back: begin and commit it within one call")
            told: dict[str, Value] = {"done": result.tags[:1000]}
            if result.rows is not None:
                told |= {"rows": [_shown(row) for row in result.rows], "more": result.more}
            return told

        found: dict[str, Value] = await self._site.running(ask())
        return found

    async def _schema(self, table: str = "") -> dict[str, Value]:
        """Show what is in the database: its tables and views, or the columns, constraints and indexes of one of them.

        Args:
            table: The name of a table or view, such as `orders` or `sales.orders`; left out: a list of all of them.

        Returns:
            `tables`, each with name, kind and comment; or `columns`, `constraints` and `indexes` of one.
        """

        async def ask() -> dict[str, Value]:
            if not table:
                return {"tables": [_shown(row) for row in await self._all(_TABLES)]}
            try:
                columns = [_shown(row) for row in await self._all(_COLUMNS, table)]
                constraints = {str(row["name"]): row["rule"] for row in await self._all(_RULES, table)}
                indexes = [row["index"] for row in await self._all(_INDEXES, table)]
            except Refused as error:
                if error.code in ("42P01", "42602", "3F000"):
                    raise NotFound(f"there is no table {table!r:.200}; without a name, all are listed") from None
                raise
            return {"columns": columns, "constraints": constraints, "indexes": indexes}

        found: dict[str, Value] = await self._site.running(ask())
        return found

    async def _all(self, sql: str, *params: Any) -> list[dict[str, Value]]:
        seconds = self._site.command_timeout
        values = list(params) if params else None
        result, _ = await self._house.asked_by_agent(
            lambda session: session.run(sql, values, seconds=seconds, limit=1000, largest=LARGEST), self._role
        )
        return result.rows or []


def _checked(sql: str) -> None:
    """Refuse what is no statement, or too long.

    Raises:
        Refused: It is.
    """
    if len(checked_text(sql)) > STATEMENT_LIMIT:
        raise Refused(f"a call may run {STATEMENT_LIMIT:,} characters of SQL: make several calls", code="54000")


def _shown(row: dict[str, Value]) -> dict[str, Value]:
    """A row with values of a bearable length."""
    return {name: _cut(value) for name, value in row.items()}


def _cut(value: Value) -> Value:
    if isinstance(value, (str, bytes)) and len(value) > _CELL:
        unit = "characters" if isinstance(value, str) else "bytes"
        shown = value[:_CELL] if isinstance(value, str) else value[:_CELL].hex()
        return f"{shown}[cut: {len(value) - _CELL} more {unit}]"
    return value
