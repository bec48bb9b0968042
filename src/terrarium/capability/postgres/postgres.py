"""PostgreSQL for a world: a real server of its own, for the task program and for agents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from terrarium.capability.postgres.catalog import TooHeavy, cluster_rows, database_rows, databases
from terrarium.capability.postgres.house import LARGEST, House
from terrarium.capability.postgres.relay import Relay, writes
from terrarium.capability.postgres.session import Result, Session, checked_text
from terrarium.capability.postgres.settings import checked
from terrarium.capability.postgres.template import USER
from terrarium.capability.postgres.tools import SqlTools
from terrarium.core.capability import Equipment, Site, Traits, reads
from terrarium.core.capability import writes as changes
from terrarium.core.diff import RowChange
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.rows import Change, Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value

ROWS_LIMIT = 1_000_000
HEAVY_LIMIT = 20  # tables that cannot be read row by row: each costs one more look at the whole database
Params = list[Any] | tuple[Any, ...] | dict[str, Any] | None


class Postgres:
    """A PostgreSQL server of the world's own. It is started when it is first used.

    Configuration:
        db_name (text, default "main"): The database that everybody is connected to.
        user (text, default "postgres"): Who owns it, a superuser: the program, and every agent without a role.
        password (text, default "terrarium"): Theirs. Where there are roles, the default is another one in each trial.
        roles (table, default {}): By agent, or by id of a person: the name of the role as which they work, or a table
            of `role`, `password` and `superuser` (default false). A role may do what the program grants it. The default
            password is the person's, else another one in each trial.
        host (text, default "db.world"): Where it is in the world; of an instance, `<instance>.db.world`.
        port (port, default 5432): The same.
        resources (table, default {}): Caps of the server together: `cpus`, `memory` (default `"1g"`), `storage`
            (default `"2g"`), `processes`.
        dsn_env (text): The name of an environment variable that holds the address of a server of your own, such as
            `postgresql://ann:secret@db.corp.example/shop`, to be used instead.
        dsn (text): The address itself, where it holds no password.
        image (anything, ignored): Configurations written for containers have it.

    Shapes:
        row: A dict by name of column. Values are what Python has for them: `Decimal`, `datetime`, `date`, `timedelta`,
            `UUID`, `bytes`, lists of arrays, dicts and lists of JSON; everything else is text, as PostgreSQL writes it.
    """

    traits: ClassVar[Traits] = Traits(deterministic=False, sees_writes=False)

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """What may be claimed of it: of somebody else's server, nothing."""
        return Traits(False, False, False, False) if {"dsn", "dsn_env"} & set(config) else type(self).traits

    async def open(self, site: Site) -> None:
        """Check the configuration and open the port; no process is started.

        Raises:
            ConfigError: An unknown key or a bad value.
        """
        self._settings = checked(site)
        self._site, self._loop, self._thread = site, asyncio.get_running_loop(), threading.get_ident()
        self.traits = self.claims(site.config)  # type: ignore[misc]
        self._house = House(site, self._settings)
        lets_in = partial(self._settings.lets_in, site)
        self._relay = Relay(site, self._house.server, lets_in)
        self._service = None
        if self._settings.dsn is None:
            self._service = await site.network.serve(self._settings.host, self._settings.port, self._relay.serve)

    def tools(self, agent: str) -> Sequence[Tool]:
        """Query, execute and schema, as the agent's role."""
        return SqlTools(self._site, self._house, self._settings.role_of(self._site, agent)).tools()

    def equipment(self, agent: str) -> Equipment:
        """What tells the programs of an agent where the database is, and who they are: what psql and libraries read."""
        if self._settings.dsn is not None:
            return Equipment()
        role = self._settings.role_of(self._site, agent)
        env = {
            "PGHOST": self._settings.host,
            "PGPORT": str(self._settings.port),
            "PGUSER": role.name,
            "PGPASSWORD": role.password,
            "PGDATABASE": self._settings.database,
            "DATABASE_URL": self._settings.url(role),
        }
        return Equipment(env)

    def rows(self) -> Iterator[Row]:
        """What differs from a new server. A table of more than 100,000 rows, or 64 MiB, is one row: number and digest.

        Tables:
            database, role, schema, extension, table, view, sequence, function, type: What there is, by its name, which
                begins with that of its database: owner, definition, columns, constraints, indexes, grants.
            main.public.orders: The rows of a table of that database and schema, by primary key; without one by a digest
                of what they hold. Of a sequence, where it stands.
        """
        if self._house.untouched:
            return iter(())
        if threading.get_ident() == self._thread:
            raise CapabilityFault(f"{self._site.name}: rows are read on another thread than the engine's")
        return iter(asyncio.run_coroutine_threadsafe(self._rows(), self._loop).result())

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without sequences that have gone on: an insert takes a number, even where it fails."""
        return [change for change in changes if not _gone_on(change)]

    async def _rows(self) -> list[Row]:
        if self._settings.dsn is not None:
            session = await self._house.session()
            try:
                return _sorted(await database_rows(session, await self._database(session)))
            except TooHeavy as error:
                raise CapabilityFault(f"{self._site.name}: {error.table} cannot be read: {error.reason}") from error
        try:
            found = [row for row in await self._house.of_engine(cluster_rows, "postgres") if not self._as_made(row)]
            names = await self._house.of_engine(databases, "postgres")
        except Refused as error:  # an agent has locked everybody out, which is a state too
            return [Row("database", "", {"refuses": error.code})]
        for name in names:
            found += await self._content(name)
        return _sorted(found)

    async def _content(self, name: str) -> list[Row]:
        """What is in one database; of tables that cannot be read, how large they are.

        Raises:
            CapabilityFault: There are too many of those.
        """
        heavy: set[str] = set()
        while True:
            try:
                return list(await self._house.of_engine(lambda one: database_rows(one, name, heavy), name))
            except TooHeavy as error:
                if error.table in heavy or len(heavy) >= HEAVY_LIMIT:
                    raise CapabilityFault(
                        f"{self._site.name}: {error.table} of {name} cannot be read: {error.reason}"
                    ) from error
                heavy.add(error.table)

    async def _database(self, session: Session) -> str:
        found = await session.run("SELECT current_database()::text AS n", seconds=60, limit=1, largest=LARGEST)
        return str((found.rows or [{"n": ""}])[0]["n"])

    def _as_made(self, row: Row) -> bool:
        """Whether it is what the configuration made, unchanged."""
        admin = self._settings.admin.name
        if row.table == "database":
            usual = {"owner": admin, "encoding": "UTF8", "connections": -1, "template": False}
            nothing = ("acl", "settings", "comment")
            same = all(row.fields[key] == value for key, value in usual.items())
            return row.key == self._settings.database and same and not any(row.fields[key] for key in nothing)
        if row.table != "role":
            return False
        superuser = {role.name: role.superuser for role in self._settings.roles.values()} | {USER: True, admin: True}
        rights = ("superuser", "create_role", "create_database")
        if row.key not in superuser or row.fields["superuser"] != superuser[row.key]:
            return False
        usual_rights = row.key in (USER, admin)
        return all(row.fields[right] == usual_rights for right in rights[1:]) and row.fields == {
            **row.fields, "inherits": True, "login": True, "replication": row.key == USER,
            "bypass_rls": row.key == USER, "connections": -1, "until": None, "member_of": None, "settings": None,
            "comment": None,
        }  # fmt: skip

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`: connections and open transactions are no part of it.

        Raises:
            Unsupported: It is somebody else's server.
        """
        await self._house.save(to)

    async def close(self) -> None:
        """End the server, if one was started; idempotent."""
        if hasattr(self, "_house"):
            if self._service is not None:
                await self._site.network.withdraw(self._service)
            await self._relay.close()
            await self._house.close()

    # -- the admin face -------------------------------------------------------------------------------------------

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """How clients in the world connect as its owner; of a server of your own, nothing that is secret."""
        found = self._settings
        if found.dsn is not None:
            return {"host": "", "port": 0, "dbname": "", "user": "", "password": ""}
        return {
            "host": found.host,
            "port": found.port,
            "dbname": found.database,
            "user": found.admin.name,
            "password": found.admin.password,
        }

    @reads
    def query(self, sql: str, params: Params = None) -> list[dict[str, Value]]:
        """The rows that a statement gives, at most a million and 256 MiB; none where it gives none.

        Args:
            sql: Any statement, with `%s` or `%(name)s` where values go.
            params: The values; then a percent sign is written `%%`.

        Raises:
            Refused: PostgreSQL says no; `code` is its SQLSTATE.
        """
        result = self._run(lambda session: session.run(*_asked(sql, params), **self._bounds))
        if result.more:
            raise Refused(f"the statement gives more than {ROWS_LIMIT:,} rows: ask for less", code="54000")
        return result.rows or []

    @changes(silent=True)
    def execute(self, sql: str, params: Params = None) -> None:
        """Run a statement; without params, several separated by semicolons, as one transaction.

        Args:
            sql: Any statement, with `%s` or `%(name)s` where values go.
            params: The values; then a percent sign is written `%%`.

        Raises:
            Refused: PostgreSQL says no; `code` is its SQLSTATE.
        """
        self._run(lambda session: session.run(*_asked(sql, params), **{**self._bounds, "limit": 0}), told=True)

    @changes(silent=True)
    def executemany(self, sql: str, rows: list[Any]) -> None:
        """Run a statement once for each of several lists of values, as one transaction.

        Args:
            sql: A statement with `%s` or `%(name)s` where values go.
            rows: The values of each.

        Raises:
            Refused: PostgreSQL says no, and nothing was changed; `code` is its SQLSTATE.
        """
        _asked(sql, None)
        if not isinstance(rows, (list, tuple)):
            raise Refused(f"rows must be a list of lists of values, not {type(rows).__name__}")
        limits = {"seconds": self._site.command_timeout, "largest": LARGEST}
        self._run(lambda session: session.many(sql, [_asked(sql, row)[1] or () for row in rows], **limits), told=True)  # type: ignore[arg-type]

    @changes(silent=True)
    def create_database(self, name: str) -> None:
        """Make a further, empty database.

        Raises:
            Refused: There is one of that name, or the name cannot be one.
        """
        checked_text(name)
        if len(name.encode("utf-8", "replace")) > 63:
            raise Refused(f"{name!r:.100} cannot be the name of a database: it is longer than 63 bytes")
        quoted = name.replace('"', '""')
        self._run(lambda session: session.run(f'CREATE DATABASE "{quoted}"', **{**self._bounds, "limit": 0}), told=True)

    @reads
    def table_exists(self, name: str, schema: str = "public") -> bool:
        """Whether there is a table of that name; a view is none."""
        sql = "SELECT FROM pg_catalog.pg_tables WHERE (schemaname, tablename) = (%s, %s)"
        result = self._run(lambda session: session.run(*_asked(sql, [schema, name]), **self._bounds))
        return bool(result.rows)

    @reads
    def list_tables(self, schema: str = "public") -> list[str]:
        """The names of the tables of a schema, sorted."""
        sql = "SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = %s ORDER BY 1"
        result = self._run(lambda session: session.run(*_asked(sql, [schema]), **self._bounds))
        return [str(row["name"]) for row in result.rows or []]

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _bounds(self) -> dict[str, Any]:
        return {"seconds": self._site.command_timeout, "limit": ROWS_LIMIT, "largest": LARGEST}

    def _run(self, work: Callable[[Session], Coroutine[Any, Any, Result]], told: bool = False) -> Result:
        async def go() -> Result:
            return await work(await self._house.session())

        result: Result = self._site.wait(go())
        tags = [tag for tag in result.tags if writes(tag)]
        if tags or told:
            after = {"done": tags[:20], "statements": len(result.tags)}
            self._site.changed(Change(self._site.actor(), "statement", self._settings.database, None, after))
        return result


def _asked(sql: object, params: object) -> tuple[str, Any]:
    """A statement and its values, as far as they can be.

    Raises:
        Refused: They cannot.
    """
    if params is not None and not isinstance(params, (list, tuple, dict)):
        raise Refused(f"params must be a list of values, or a dict of them by name, not {type(params).__name__}")
    return checked_text(sql), params


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.table, row.key))


def _gone_on(change: RowChange) -> bool:
    """Whether a sequence stands further on than it did, and nothing else about it differs."""
    before, after = change.before or {}, change.after or {}
    told = {"last_value", "is_called"}
    if not before.keys() == after.keys() == told:
        return False
    return (int(before["last_value"]), before["is_called"]) <= (int(after["last_value"]), after["is_called"])
