"""A database as canonical rows: what is in it besides what a new one has, in one order, with nothing volatile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from terrarium.capability.postgres.catalog_sql import CLUSTER, LOCKED, SCHEMA, TABLES
from terrarium.capability.postgres.session import Session
from terrarium.core.errors import CapabilityFault, TerrariumError
from terrarium.core.rows import Row
from terrarium.core.values import Value, encode, sorted_dumps

ROWS_LIMIT = 100_000
"""Rows of one table that are given one by one; of a larger one there is their number and a digest over all."""
SECONDS = 300.0
LARGEST = 1 << 30


async def _all(session: Session, sql: str, params: Any = None, limit: int = 10_000_000) -> list[dict[str, Value]]:
    found = await session.run(sql, params, seconds=SECONDS, limit=limit, largest=LARGEST)
    return found.rows or []


async def databases(session: Session) -> list[str]:
    """Names of the databases that people use."""
    rows = await _all(
        session, "SELECT datname::text FROM pg_database WHERE datallowconn AND datname NOT LIKE 'template_' ORDER BY 1"
    )
    return [str(row["datname"]) for row in rows]


async def cluster_rows(session: Session) -> list[Row]:
    """Databases and roles."""
    return [Row(str(row["kind"]), str(row["key"]), row["fields"]) for row in await _all(session, CLUSTER)]


async def database_rows(session: Session, name: str) -> list[Row]:
    """All that is in one database, as it is at one moment.

    Args:
        session: With that database, as a superuser.
        name: What it is called in the rows.
    """
    await _all(session, "SET search_path = ''; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        locked = (await _all(session, LOCKED))[0]["locked"]
        # What an agent has locked cannot be read without waiting for the agent.
        oids = "'{" + ",".join(str(oid) for oid in locked) + "}'::oid[]"
        found = [
            Row(str(row["kind"]), f"{name}.{row['key']}", row["fields"])
            for row in await _all(session, SCHEMA.replace("%(locked)s", oids))
        ]
        for table in await _all(session, TABLES.replace("%(locked)s", oids)):
            found += await _content(session, name, table) if table["free"] else [
                Row(f"{name}.{table['name']}", "", {"locked": True})
            ]  # fmt: skip
        return found
    except TerrariumError as error:
        raise CapabilityFault(f"the rows of the database {name} cannot be read: {error}") from error
    finally:
        await _all(session, "ROLLBACK; RESET search_path")


async def _content(session: Session, database: str, table: dict[str, Value]) -> list[Row]:
    where, quoted = f"{database}.{table['name']}", str(table["quoted"])
    if table["relkind"] == "S":
        [state] = await _all(session, f"SELECT last_value, is_called FROM {quoted}")
        return [Row(where, "", state)]
    rows = await _all(session, f"SELECT * FROM ONLY {quoted}", limit=ROWS_LIMIT + 1)
    if len(rows) > ROWS_LIMIT:
        return [Row(where, "", await _digest(session, quoted))]
    return _keyed(where, rows, [str(name) for name in table["primary_key"]])


def _keyed(where: str, rows: Sequence[dict[str, Value]], primary: Sequence[str]) -> list[Row]:
    """Rows by their primary key; without one by what they hold, so that an insert moves no other row."""
    found: list[Row] = []
    seen: dict[str, int] = {}
    for row in rows:
        if primary:
            values = [row[name] for name in primary]
            key = str(values[0]) if len(values) == 1 else json.dumps([str(value) for value in values])
        else:
            key = hashlib.sha256(sorted_dumps(encode(row)).encode("ascii")).hexdigest()[:32]
        seen[key] = seen.get(key, 0) + 1
        found.append(Row(where, key if seen[key] == 1 else f"{key}/{seen[key]}", row))
    return found


async def _digest(session: Session, quoted: str) -> dict[str, Value]:
    sql = f"SELECT count(*) AS rows, sum(hashtextextended(t::text, 0)::numeric)::text AS digest FROM ONLY {quoted} t"
    return (await _all(session, sql))[0]
