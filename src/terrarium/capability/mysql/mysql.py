"""MySQL for a world: a real MariaDB server of its own, for the task program and for agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from terrarium.capability.database.database import Database, asked
from terrarium.capability.database.keyed import TooHeavy
from terrarium.capability.database.kind import Kind
from terrarium.capability.database.session import checked_text
from terrarium.capability.mysql.catalog import database_rows, server_rows
from terrarium.capability.mysql.kind import KIND
from terrarium.capability.mysql.session import USER
from terrarium.capability.mysql.tools import SqlTools
from terrarium.core.capability import Equipment, reads
from terrarium.core.capability import writes as changes
from terrarium.core.diff import RowChange
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.rows import Row
from terrarium.core.tool import Tool


class Mysql(Database):
    """A MariaDB server of the world's own, which clients of MySQL know. It is started when it is first used.

    Configuration:
        db_name (text, default "main"): The database that everybody is connected to.
        user (text, default "root"): Who owns it, a superuser: the program, and every agent without a role.
        password (text, default "terrarium"): Theirs. Where there are roles, the default is another one in each trial.
        roles (table, default {}): By agent, or by id of a person: the name of the user as whom they work, or a table
            of `role`, `password` and `superuser` (default false). Such a user may do what the program grants it. The
            default password is the person's, else another one in each trial.
        host (text, default "mysql.world"): Where it is in the world; of an instance, `<instance>.mysql.world`.
        port (port, default 3306): The same.
        resources (table, default {}): Caps of the server together: `cpus`, `memory` (default `"1g"`), `storage`
            (default `"2g"`), `processes`.
        dsn_env (text): The name of an environment variable that holds the address of a server of your own, such as
            `mysql://ann:secret@db.corp.example/shop`, to be used instead.
        dsn (text): The address itself, where it holds no password.
        image (anything, ignored): Configurations written for containers have it.

    Shapes:
        row: A dict by name of column. Values are what Python has for them: `Decimal`, `datetime` (without a zone, which
            is UTC), `date`, `timedelta` of TIME, `bytes` of BLOB, BINARY and BIT; JSON is text.
    """

    KIND: ClassVar[Kind] = KIND

    def tools(self, agent: str) -> Sequence[Tool]:
        """Query, execute and schema, as the agent's user."""
        role = self._settings.role_of(self._site, agent)
        return SqlTools(self._site, self._house, role, self._settings.database).tools()

    def equipment(self, agent: str) -> Equipment:
        """What tells the programs of an agent where the database is, and who they are."""
        if self._settings.dsn is not None:
            return Equipment()
        found, role = self._settings, self._settings.role_of(self._site, agent)
        env = {
            "MYSQL_HOST": found.host,
            "MYSQL_TCP_PORT": str(found.port),
            "MYSQL_USER": role.name,
            "MYSQL_PWD": role.password,
            "MYSQL_DATABASE": found.database,
            "MYSQL_URL": found.url(role),
            "MYSQL_HOME": "/run/secrets",
        }
        secret = role.password.replace("\\", "\\\\").replace('"', '\\"')
        lines = [
            "[client]", f"host = {found.host}", f"port = {found.port}", f"user = {role.name}", f'password = "{secret}"',
            "protocol = TCP", "loose-skip-ssl", "", "[mysql]", f"database = {found.database}", "",
        ]  # fmt: skip
        return Equipment(env, {"my.cnf": "\n".join(lines).encode()})

    def rows(self) -> Iterator[Row]:
        """What differs from a new server. A table of more than 100,000 rows, or 64 MiB, is one row: number and digest.

        Tables:
            database, user, table, view, sequence, procedure, function, trigger, event: What there is, by its name,
                which begins with that of its database: its definition; of a table, also where AUTO_INCREMENT stands; of
                a user, its grants.
            main.orders: The rows of a table of that database, by primary key; without one by a digest of what they
                hold. Of a sequence, where it stands.
        """
        return self._rows_there()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without AUTO_INCREMENT and sequences that have gone on: an insert takes one, even in vain."""
        return [change for change in changes if not _gone_on(change)]

    async def _rows(self) -> list[Row]:
        if self._settings.dsn is not None:
            session = await self._house.session()
            limits = {"seconds": 60.0, "limit": 1, "largest": 1 << 20}
            found = await session.run("SELECT DATABASE() AS n", **limits)  # type: ignore[arg-type]
            try:
                return await database_rows(session, str((found.rows or [{"n": ""}])[0]["n"]), None)
            except TooHeavy as error:
                raise CapabilityFault(f"{self._site.name}: {error.table} cannot be read: {error.reason}") from error
        try:
            rows = await self._read(server_rows, KIND.system)
        except Refused as error:  # an agent has locked everybody out, which is a state too
            return [Row("database", "", {"refuses": error.code})]
        return [row for row in rows if not self._as_made(row)]

    def _as_made(self, row: Row) -> bool:
        """Whether it is what the configuration made, unchanged."""
        if row.table == "database":
            usual = {"charset": "utf8mb4", "collation": "utf8mb4_general_ci", "comment": ""}
            return row.key == self._settings.database and row.fields == usual
        if row.table != "user":
            return False
        if row.key in ("mariadb.sys@localhost", "PUBLIC"):
            return True
        superuser = {role.name: role.superuser for role in self._settings.roles.values()} | {
            self._settings.admin.name: True
        }
        name, _, host = row.key.rpartition("@")
        if (host == "localhost" and name != USER) or (host == "%" and name not in superuser) or row.fields["locked"]:
            return False
        every = host == "localhost" or superuser[name]
        rights = (
            f"ALL PRIVILEGES ON *.* TO `{name}`@`{host}` WITH GRANT OPTION"
            if every
            else f"USAGE ON *.* TO `{name}`@`{host}`"
        )
        grants = row.fields["grants"]
        return grants[:1] == [f"GRANT {rights}"] and not [line for line in grants[1:] if "PROXY" not in line]

    # -- the admin face -------------------------------------------------------------------------------------------

    @changes(silent=True)
    def create_database(self, name: str) -> None:
        """Make a further, empty database.

        Raises:
            Refused: There is one of that name, or the name cannot be one.
        """
        checked_text(name)
        if len(name) > 64:
            raise Refused(f"{name!r:.100} cannot be the name of a database: it is longer than 64 characters")
        quoted = name.replace("`", "``")
        self._run(lambda session: session.run(f"CREATE DATABASE `{quoted}`", **{**self._bounds, "limit": 0}), told=True)

    @reads
    def table_exists(self, name: str, schema: str | None = None) -> bool:
        """Whether there is a table of that name; a view is none.

        Args:
            name: Of the table.
            schema: The database that it is in; default: the usual one.
        """
        return name in self.list_tables(schema)

    @reads
    def list_tables(self, schema: str | None = None) -> list[str]:
        """The names of the tables of a database, sorted.

        Args:
            schema: The database; default: the usual one.
        """
        sql = (
            "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE()) "
            "AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1"
        )
        result = self._run(lambda session: session.run(*asked(sql, [schema]), **self._bounds))
        return sorted(str(row["name"]) for row in result.rows or [])


def _gone_on(change: RowChange) -> bool:
    """Whether a number to be given next is further on than it was, and nothing else differs."""
    before, after = dict(change.before or {}), dict(change.after or {})
    if change.table == "table":
        stood = [int(fields.pop("auto_increment", None) or 0) for fields in (before, after)]
        return before == after and bool(before) and stood[0] <= stood[1]
    if change.key or not before.keys() == after.keys() == {"next", "cycle_count"}:
        return False
    told = [(int(fields["cycle_count"]), int(fields["next"])) for fields in (before, after)]
    return told[0] <= told[1]
