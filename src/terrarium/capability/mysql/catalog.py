"""MariaDB's databases as canonical rows: what is in them besides what new ones have, with nothing volatile."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from typing import Any

from terrarium.capability.database.keyed import ALL_LIMIT, BYTES_LIMIT, DIGEST_LIMIT, ROWS_LIMIT, TooHeavy, keyed
from terrarium.capability.database.session import Session
from terrarium.capability.mysql.kind import SYSTEM
from terrarium.core.errors import CapabilityFault, Refused, TerrariumError
from terrarium.core.rows import Row
from terrarium.core.values import Value

SECONDS = 300.0
LARGEST = 2 * BYTES_LIMIT
_LOCKED = ("1205", "1213", "1969")
_AUTO_INCREMENT = re.compile(r"^(\).*?) AUTO_INCREMENT=\d+", re.MULTILINE)
_SECRET = re.compile(r" IDENTIFIED (?:BY PASSWORD|VIA \S+ USING) '[^']*'")
_DATABASES = """SELECT SCHEMA_NAME AS name, DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation,
    SCHEMA_COMMENT AS comment FROM information_schema.SCHEMATA ORDER BY 1"""
_TABLES = """SELECT TABLE_NAME AS name, TABLE_TYPE AS kind, AUTO_INCREMENT AS next FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW', 'SEQUENCE') ORDER BY 1"""
_UNSAFE = """SELECT TABLE_SCHEMA AS base, TABLE_NAME AS name FROM information_schema.TABLES
    WHERE ENGINE IN ('MyISAM', 'Aria') AND TABLE_TYPE = 'BASE TABLE'
    AND TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')"""
_PRIMARY = """SELECT TABLE_NAME AS tab, COLUMN_NAME AS name FROM information_schema.KEY_COLUMN_USAGE
    WHERE TABLE_SCHEMA = %s AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY TABLE_NAME, ORDINAL_POSITION"""
_COLUMNS = """SELECT TABLE_NAME AS tab, COLUMN_NAME AS name FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION"""
_ROUTINES = """SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS kind FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA = %s ORDER BY 2, 1"""
_TRIGGERS = "SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s ORDER BY 1"
_EVENTS = (
    "SELECT EVENT_NAME AS name, STATUS AS status FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1"
)
_USERS = """SELECT User AS user, Host AS host, COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) AS role,
    COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) AS locked FROM mysql.global_priv ORDER BY 1, 2"""


async def server_rows(session: Session, heavy: Collection[str] = ()) -> list[Row]:
    """All that is in a server, as it is at one moment.

    Args:
        session: As a superuser.
        heavy: Tables of which only the size is to be told.

    Raises:
        CapabilityFault: It cannot be read.
        TooHeavy: One table cannot.
    """
    await _all(session, "SET sql_mode = '', sql_quote_show_create = 1, lock_wait_timeout = 1")
    for table in await _all(session, _UNSAFE):
        with contextlib.suppress(Refused):  # after a crash such a table is repaired by whoever opens it
            await _all(session, f"SELECT 1 FROM {_quoted(str(table['base']))}.{_quoted(str(table['name']))} LIMIT 0")
    await _all(session, "SET lock_wait_timeout = 0")
    await _all(session, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        found = await _users(session)
        for about in await _all(session, _DATABASES):
            if about["name"] not in SYSTEM:
                found += await database_rows(session, str(about.pop("name")), about, heavy)
        return found
    except TerrariumError as error:
        raise CapabilityFault(f"the rows of the database cannot be read: {error}") from error
    finally:
        with contextlib.suppress(TerrariumError):  # it may have ended, which has been told
            await _all(session, "ROLLBACK")


async def database_rows(
    session: Session, name: str, about: dict[str, Value] | None, heavy: Collection[str] = ()
) -> list[Row]:
    """All that is in one database.

    Args:
        session: As somebody who may see it.
        name: Its name.
        about: What is said of the database itself; None: nothing.
        heavy: Tables of which only the size is to be told.

    Raises:
        TooHeavy: One table cannot be read.
    """
    found = [Row("database", name, about)] if about is not None else []
    primary: dict[str, list[str]] = {}
    for row in await _all(session, _PRIMARY, [name]):
        primary.setdefault(str(row["tab"]), []).append(str(row["name"]))
    columns: dict[str, list[str]] = {}
    for row in await _all(session, _COLUMNS, [name]):
        columns.setdefault(str(row["tab"]), []).append(str(row["name"]))
    left = ALL_LIMIT
    for table in await _all(session, _TABLES, [name]):
        own = str(table["name"])
        about_table = {**table, "primary": primary.get(own, []), "columns": columns.get(own, [])}
        rows, size = await _table(session, name, about_table, f"{name}.{own}" in heavy, left)
        found += rows
        left -= size
    for row in await _all(session, _ROUTINES, [name]):
        kind = str(row["kind"])
        found.append(Row(kind.lower(), f"{name}.{row['name']}", await _made(session, kind, name, str(row["name"]))))
    for row in await _all(session, _TRIGGERS, [name]):
        found.append(Row("trigger", f"{name}.{row['name']}", await _made(session, "TRIGGER", name, str(row["name"]))))
    for row in await _all(session, _EVENTS, [name]):
        fields = await _made(session, "EVENT", name, str(row["name"]))
        found.append(Row("event", f"{name}.{row['name']}", {**fields, "status": row["status"]}))
    return found


async def _table(
    session: Session, database: str, table: dict[str, Any], heavy: bool, left: int
) -> tuple[list[Row], int]:
    """What a table is and holds, and how many bytes of it are given row by row."""
    name, kind = str(table["name"]), str(table["kind"])
    where, quoted = f"{database}.{name}", f"{_quoted(database)}.{_quoted(name)}"
    if kind == "VIEW":
        return [Row("view", where, await _made(session, "VIEW", database, name))], 0
    try:
        if kind == "SEQUENCE":
            made = await _made(session, "SEQUENCE", database, name)
            [state] = await _all(session, f"SELECT next_not_cached_value AS next, cycle_count FROM {quoted}")
            return [Row("sequence", where, made), Row(where, "", state)], 0
        made = await _made(session, "TABLE", database, name)
        made["definition"] = _AUTO_INCREMENT.sub(r"\1", str(made["definition"]))
        found = [Row("table", where, {**made, "auto_increment": table["next"]})]
        one = " + ".join(f"COALESCE(LENGTH({_quoted(column)}), 0) + 1" for column in table["columns"]) or "0"
        sizes = f"COUNT(*) AS n, COALESCE(SUM({one}), 0) AS bytes, COALESCE(MAX({one}), 0) AS largest"
        [told] = await _all(session, f"SELECT {sizes} FROM {quoted}")
        count, size = told["n"], int(told["bytes"])
        if heavy or told["largest"] > BYTES_LIMIT or size > DIGEST_LIMIT:
            return [*found, Row(where, "", {"rows": count, "bytes": size})], 0
        if count > ROWS_LIMIT or size > min(BYTES_LIMIT, left):
            [digest] = await _all(session, f"CHECKSUM TABLE {quoted} EXTENDED")
            return [*found, Row(where, "", {"rows": count, "digest": digest["Checksum"]})], 0
        rows = await _all(session, f"SELECT * FROM {quoted} LIMIT {ROWS_LIMIT}")
        return found + keyed(where, rows, table["primary"]), size
    except TerrariumError as error:
        if error.code in _LOCKED:  # it cannot be read without waiting for who has locked it
            return [Row(where, "", {"locked": True})], 0
        if heavy and isinstance(error, Refused):  # such as a column that is calculated, and cannot be
            return [Row(where, "", {"broken": error.code})], 0
        raise TooHeavy(where, error) from error


async def _made(session: Session, kind: str, database: str, name: str) -> dict[str, Value]:
    """How it was made."""
    try:
        [row] = await _all(session, f"SHOW CREATE {kind} {_quoted(database)}.{_quoted(name)}")
    except Refused as error:
        if error.code in _LOCKED:
            raise
        return {"definition": None, "broken": error.code}  # such as a view of a table that is gone
    keys = [key for key in row if key.startswith(("Create ", "SQL Original"))]
    return {"definition": row[keys[0]] if keys else None}


async def _users(session: Session) -> list[Row]:
    found: list[Row] = []
    for row in await _all(session, _USERS):
        name = f"{row['user']}@{row['host']}" if str(row["role"]) in ("0", "false") else str(row["user"])
        try:
            if "@" in name:
                grants = await _all(session, "SHOW GRANTS FOR %s@%s", [row["user"], row["host"]])
            else:
                grants = await _all(session, "SHOW GRANTS FOR " + _quoted(name))
            told: list[Any] = [_SECRET.sub("", str(next(iter(grant.values())))) for grant in grants]
        except Refused as error:
            told = [{"refuses": error.code}]
        found.append(Row("user", name, {"grants": told, "locked": str(row["locked"]) not in ("0", "false")}))
    return found


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


async def _all(session: Session, sql: str, params: Any = None) -> list[dict[str, Value]]:
    found = await session.run(sql, params, seconds=SECONDS, limit=10_000_000, largest=LARGEST)
    return found.rows or []
