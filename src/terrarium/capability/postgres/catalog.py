"""A database as canonical rows: what is in it besides what a new one has, in one order, with nothing volatile."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from terrarium.capability.database.keyed import ALL_LIMIT, BYTES_LIMIT, DIGEST_LIMIT, ROWS_LIMIT, TooHeavy, keyed
from terrarium.capability.database.session import Session
from terrarium.capability.postgres.catalog_sql import CLUSTER, LOCKED, SCHEMA, TABLES
from terrarium.core.errors import CapabilityFault, TerrariumError
from terrarium.core.rows import Row
from terrarium.core.values import Value

SECONDS = 300.0
LARGEST = 2 * BYTES_LIMIT  # values of types whose size nobody knows before they are unpacked may be more than they say


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


async def database_rows(session: Session, name: str, heavy: Collection[str] = ()) -> list[Row]:
    """All that is in one database, as it is at one moment.

    Args:
        session: With that database, as a superuser.
        name: What it is called in the rows.
        heavy: Tables of which only the size is to be told.

    Raises:
        CapabilityFault: It cannot be read.
        TooHeavy: One table cannot.
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
        left = ALL_LIMIT
        for table in await _all(session, TABLES.replace("%(locked)s", oids)):
            where = f"{name}.{table['name']}"
            if not table["free"]:
                found.append(Row(where, "", {"locked": True}))
                continue
            try:
                rows, size = await _content(session, where, table, table["name"] in heavy, left)
            except TerrariumError as error:
                raise TooHeavy(str(table["name"]), error) from error
            found += rows
            left -= size
        return found
    except TerrariumError as error:
        raise CapabilityFault(f"the rows of the database {name} cannot be read: {error}") from error
    finally:
        with contextlib.suppress(TerrariumError):  # it may have ended, which has been told
            await _all(session, "ROLLBACK; RESET search_path")


async def _content(
    session: Session, where: str, table: dict[str, Value], heavy: bool, left: int
) -> tuple[list[Row], int]:
    """What a table holds, and how many bytes of it are given row by row."""
    quoted = str(table["quoted"])
    if table["relkind"] == "S":
        [state] = await _all(session, f"SELECT last_value, is_called FROM {quoted}")
        return [Row(where, "", state)], 0
    one = " + ".join(f"coalesce({size}, 0)::bigint" for size in table["sizes"]) or "0"
    [told] = await _all(
        session,
        "SELECT count(*) AS rows, coalesce(sum(s), 0)::bigint AS bytes, coalesce(max(s), 0)::bigint AS largest "
        f"FROM (SELECT {one} AS s FROM ONLY {quoted}) t",
    )
    size = int(told["bytes"])
    if heavy or told["largest"] > BYTES_LIMIT or size > DIGEST_LIMIT:
        return [Row(where, "", {"rows": told["rows"], "bytes": size})], 0
    if told["rows"] > ROWS_LIMIT or size > min(BYTES_LIMIT, left):
        return [Row(where, "", await _digest(session, quoted))], 0
    rows = await _all(session, f"SELECT * FROM ONLY {quoted}", limit=ROWS_LIMIT)
    return keyed(where, rows, [str(name) for name in table["primary_key"]]), size


async def _digest(session: Session, quoted: str) -> dict[str, Value]:
    sql = f"SELECT count(*) AS rows, sum(hashtextextended(t::text, 0)::numeric)::text AS digest FROM ONLY {quoted} t"
    return (await _all(session, sql))[0]
