"""What the tools of an agent ask a database, and what they show of its rows."""

from __future__ import annotations

from typing import Any

from terrarium.capability.database.house import House
from terrarium.capability.database.kind import Kind
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import checked_text
from terrarium.core.capability import Site
from terrarium.core.errors import Refused
from terrarium.core.rows import Change
from terrarium.core.values import Value

ANSWER = 32 * 1024**2
"""Bytes of an answer of the server to a tool."""
STATEMENT_LIMIT = 4 * 1024**2
"""Characters of what one call runs."""
_CELL = 20_000  # characters of one value that are shown


class Questions:
    """What one agent asks.

    Args:
        site: Of the capability.
        kind: Of the database.
        house: Its server.
        role: As whom the agent works.
    """

    def __init__(self, site: Site, kind: Kind, house: House, role: Role) -> None:
        self._site, self._kind, self._house, self._role = site, kind, house, role

    async def look(self, sql: str, max_rows: int) -> dict[str, Value]:
        """The first rows of a statement that only looks: `rows` and `more`.

        Raises:
            Refused: The server says no, or `max_rows` is no number from 1 to 1000.
        """
        _checked(sql)
        if not 1 <= max_rows <= 1000:
            raise Refused(f"max_rows is a number from 1 to 1000, not {max_rows}")
        seconds = self._site.command_timeout

        async def ask() -> dict[str, Value]:
            result, _ = await self._house.asked_by_agent(
                lambda session: session.first(sql, seconds=seconds, limit=max_rows, largest=ANSWER), self._role
            )
            return {"rows": [shown(row) for row in result.rows or []], "more": result.more}

        found: dict[str, Value] = await self._site.running(ask())
        return found

    async def change(self, sql: str) -> dict[str, Value]:
        """Run statements: `done`, and `rows` and `more` where the last one gives any. What was changed is told.

        Raises:
            Refused: The server says no, or a transaction was left open.
        """
        _checked(sql)
        seconds = self._site.command_timeout

        asking = self._house.asked_by_agent(
            lambda session: session.run(sql, seconds=seconds, limit=100, largest=ANSWER), self._role
        )
        result, left = await self._site.running(asking)
        tags = [tag for tag in result.tags if self._kind.writes(tag)]
        if tags:  # told only now: while the statement ran, the baton was somebody else's
            after = {"done": tags[:20], "statements": len(result.tags)}
            self._site.changed(Change(self._site.actor(), "statement", self._role.name, None, after))
        if left:
            raise Refused("a transaction was left open, and was rolled back: begin and commit it within one call")
        told: dict[str, Value] = {"done": result.tags[:1000]}
        if result.rows is not None:
            told |= {"rows": [shown(row) for row in result.rows], "more": result.more}
        return told

    async def every(self, sql: str, *params: Any) -> list[dict[str, Value]]:
        """The rows of a statement of the engine's own, at most 1000. The caller is within `site.running`."""
        seconds = self._site.command_timeout
        values = list(params) if params else None
        result, _ = await self._house.asked_by_agent(
            lambda session: session.run(sql, values, seconds=seconds, limit=1000, largest=ANSWER), self._role
        )
        return result.rows or []


def _checked(sql: str) -> None:
    """Refuse what is no statement, or too long.

    Raises:
        Refused: It is.
    """
    if len(checked_text(sql)) > STATEMENT_LIMIT:
        raise Refused(f"a call may run {STATEMENT_LIMIT:,} characters of SQL: make several calls", code="54000")


def shown(row: dict[str, Value]) -> dict[str, Value]:
    """A row with values of a bearable length."""
    return {name: _cut(value) for name, value in row.items()}


def _cut(value: Value) -> Value:
    if isinstance(value, (str, bytes)) and len(value) > _CELL:
        unit = "characters" if isinstance(value, str) else "bytes"
        shown = value[:_CELL] if isinstance(value, str) else value[:_CELL].hex()
        return f"{shown}[cut: {len(value) - _CELL} more {unit}]"
    return value
