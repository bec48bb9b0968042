"""PostgreSQL for a world: a real server of its own, for the task program and for agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar

from terrarium.capability.database.database import Database, asked
from terrarium.capability.database.house import LARGEST
from terrarium.capability.database.keyed import TooHeavy
from terrarium.capability.database.session import Session, checked_text
from terrarium.capability.postgres.catalog import cluster_rows, database_rows, databases
from terrarium.capability.postgres.kind import KIND, USER
from terrarium.capability.postgres.tools import SqlTools
from terrarium.core.capability import Equipment, reads
from terrarium.core.capability import writes as changes
from terrarium.core.diff import RowChange
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.rows import Row
from terrarium.core.tool import Tool


class Postgres(Database):
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

    KIND: ClassVar = KIND

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
        return self._rows_there()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without sequences that have gone on: an insert takes a number, even where it fails."""
        return [change for change in changes if not _gone_on(change)]

    async def _rows(self) -> list[Row]:
        if self._settings.dsn is not None:
            session = await self._house.session()
            try:
                return await database_rows(session, await self._database(session))
            except TooHeavy as error:
                raise CapabilityFault(f"{self._site.name}: {error.table} cannot be read: {error.reason}") from error
        try:
            found = [row for row in await self._house.of_engine(cluster_rows, "postgres") if not self._as_made(row)]
            names = await self._house.of_engine(databases, "postgres")
        except Refused as error:  # an agent has locked everybody out, which is a state too
            return [Row("database", "", {"refuses": error.code})]
        for name in names:
            found += await self._read(partial(database_rows, name=name), name)
        return found

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
        result = self._run(lambda session: session.run(*asked(sql, [schema, name]), **self._bounds))
        return bool(result.rows)

    @reads
    def list_tables(self, schema: str = "public") -> list[str]:
        """The names of the tables of a schema, sorted."""
        sql = "SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = %s ORDER BY 1"
        result = self._run(lambda session: session.run(*asked(sql, [schema]), **self._bounds))
        return [str(row["name"]) for row in result.rows or []]


def _gone_on(change: RowChange) -> bool:
    """Whether a sequence stands further on than it did, and nothing else about it differs."""
    before, after = change.before or {}, change.after or {}
    told = {"last_value", "is_called"}
    if not before.keys() == after.keys() == told:
        return False
    return (int(before["last_value"]), before["is_called"]) <= (int(after["last_value"]), after["is_called"])
