"""What capabilities that are databases have in common: their life, and the statements of the admin face."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from terrarium.capability.database.house import LARGEST, House
from terrarium.capability.database.keyed import TooHeavy
from terrarium.capability.database.kind import Kind
from terrarium.capability.database.relay import Relay
from terrarium.capability.database.session import Result, Session, checked_text
from terrarium.capability.database.settings import checked
from terrarium.core.capability import Site, Traits, reads
from terrarium.core.capability import writes as changes
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.rows import Change, Row
from terrarium.core.values import Value

ROWS_LIMIT = 1_000_000
HEAVY_LIMIT = 20  # tables that cannot be read row by row: each costs one more look at the whole database
Params = list[Any] | tuple[Any, ...] | dict[str, Any] | None


class Database:
    """A database server of the world's own; `KIND` says of which kind."""

    KIND: ClassVar[Kind]
    traits: ClassVar[Traits] = Traits(deterministic=False, sees_writes=False)

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """What may be claimed of it: of somebody else's server, nothing."""
        return Traits(False, False, False, False) if {"dsn", "dsn_env"} & set(config) else type(self).traits

    async def open(self, site: Site) -> None:
        """Check the configuration and open the port; no process is started.

        Raises:
            ConfigError: An unknown key or a bad value.
        """
        self._settings = checked(site, self.KIND)
        self._site, self._loop, self._thread = site, asyncio.get_running_loop(), threading.get_ident()
        self.traits = self.claims(site.config)  # type: ignore[misc]
        self._house = House(site, self._settings)
        self._relay = Relay(site, self.KIND, self._house.server, partial(self._settings.lets_in, site))
        self._service = None
        if self._settings.dsn is None:
            self._service = await site.network.serve(self._settings.host, self._settings.port, self._relay.serve)

    def _rows_there(self) -> Iterator[Row]:
        if self._house.untouched:
            return iter(())
        if threading.get_ident() == self._thread:
            raise CapabilityFault(f"{self._site.name}: rows are read on another thread than the engine's")
        found = asyncio.run_coroutine_threadsafe(self._rows(), self._loop).result()
        return iter(sorted(found, key=lambda row: (row.table, row.key)))

    async def _rows(self) -> list[Row]:
        raise NotImplementedError

    async def _read(self, rows: Callable[..., Coroutine[Any, Any, list[Row]]], database: str) -> list[Row]:
        """What `rows` tells, called with a session and `heavy`: of tables that cannot be read, how large they are.

        Raises:
            CapabilityFault: There are too many of those.
        """
        heavy: set[str] = set()
        while True:
            try:
                return list(await self._house.of_engine(lambda one: rows(one, heavy=heavy), database))
            except TooHeavy as error:
                if error.table in heavy or len(heavy) >= HEAVY_LIMIT:
                    raise CapabilityFault(
                        f"{self._site.name}: {error.table} in {database} cannot be read: {error.reason}"
                    ) from error
                heavy.add(error.table)

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
            Refused: The server says no; `code` is its own for that.
        """
        result = self._run(lambda session: session.run(*asked(sql, params), **self._bounds))
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
            Refused: The server says no; `code` is its own for that.
        """
        self._run(lambda session: session.run(*asked(sql, params), **{**self._bounds, "limit": 0}), told=True)

    @changes(silent=True)
    def executemany(self, sql: str, rows: list[Any]) -> None:
        """Run a statement once for each of several lists of values, as one transaction.

        Args:
            sql: A statement with `%s` or `%(name)s` where values go.
            rows: The values of each.

        Raises:
            Refused: The server says no, and nothing was changed; `code` is its own for that.
        """
        asked(sql, None)
        if not isinstance(rows, (list, tuple)):
            raise Refused(f"rows must be a list of lists of values, not {type(rows).__name__}")
        limits = {"seconds": self._site.command_timeout, "largest": LARGEST}
        self._run(lambda session: session.many(sql, [asked(sql, row)[1] or () for row in rows], **limits), told=True)  # type: ignore[arg-type]

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _bounds(self) -> dict[str, Any]:
        return {"seconds": self._site.command_timeout, "limit": ROWS_LIMIT, "largest": LARGEST}

    def _run(self, work: Callable[[Session], Coroutine[Any, Any, Result]], told: bool = False) -> Result:
        async def go() -> Result:
            return await work(await self._house.session())

        result: Result = self._site.wait(go())
        tags = [tag for tag in result.tags if self.KIND.writes(tag)]
        if tags or told:
            after = {"done": tags[:20], "statements": len(result.tags)}
            self._site.changed(Change(self._site.actor(), "statement", self._settings.database, None, after))
        return result


def asked(sql: object, params: object) -> tuple[str, Any]:
    """A statement and its values, as far as they can be.

    Raises:
        Refused: They cannot.
    """
    if params is not None and not isinstance(params, (list, tuple, dict)):
        raise Refused(f"params must be a list of values, or a dict of them by name, not {type(params).__name__}")
    return checked_text(sql), params
