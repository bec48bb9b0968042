"""The engine's own sessions with a server: statements in, plain values out, every error typed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from terrarium.capability.database.kind import Reached
from terrarium.capability.database.link import Link
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import CONNECT_SECONDS, Lost, Params, Result
from terrarium.core.errors import ConfigError, Refused, TerrariumError
from terrarium.core.values import Value

if TYPE_CHECKING:
    from psycopg import AsyncConnection

PORT = 5432
_CHUNK = 500  # rows made between two looks of the event loop
_SMALL = 1 << 20
_GONE = ("08", "57P")  # SQLSTATE of connections that have ended


class PostgresSession:
    """One session; statements come one after the other.

    Args:
        connection: Open, in autocommit mode.
        link: What it goes through; None for a server of somebody else's.
    """

    def __init__(self, connection: AsyncConnection[Any], link: Link | None) -> None:
        self._connection = connection
        self._link = link
        self._turn = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether it can still be used, as far as can be told without asking the server."""
        raw = self._connection.pgconn
        with contextlib.suppress(Exception):
            raw.consume_input()  # the server's last word, where there was one
        return not self._connection.closed and raw.status == 0

    async def responds(self, seconds: float) -> bool:
        """Whether there is still a server at its other end; asked with a statement that does nothing."""
        if not self.alive:
            return False
        try:
            async with self._turn, self._bounded(seconds, _SMALL):
                await self._connection.execute(b"")
        except TerrariumError:
            return False
        return True

    async def run(self, sql: str, params: Params = None, *, seconds: float, limit: int, largest: int) -> Result:
        """Run statements, separated by semicolons; the rows are those of the last one that gives any.

        Args:
            sql: With `%s` or `%(name)s` where parameters go, if there are any.
            params: Values.
            seconds: Of wall time, after which it is cancelled.
            limit: How many rows are given.
            largest: Bytes of the whole answer.

        Raises:
            Refused: The server said no, with its SQLSTATE; or it takes too long, or too much comes back.
            Lost: The server went away.
        """
        async with self._turn, self._bounded(seconds, largest):
            result = Result()
            cursor = self._connection.cursor()
            await cursor.execute(sql.encode() if params is None else sql, params)
            while True:
                if cursor.statusmessage is not None:
                    result.tags.append(cursor.statusmessage)
                if cursor.description is not None:
                    result.rows = await _fetched(cursor, limit)
                    result.more = cursor.rowcount > limit
                if not cursor.nextset():
                    return result

    async def many(self, sql: str, rows: Sequence[Params], *, seconds: float, largest: int) -> Result:
        """Run one statement for each of `rows`; all of it is one transaction.

        Raises:
            Refused, Lost: As `run`.
        """
        async with self._turn, self._bounded(seconds, largest):
            cursor = self._connection.cursor()
            async with self._connection.transaction():
                for params in rows:
                    await cursor.execute(sql, params)
            return Result(tags=[cursor.statusmessage] if cursor.statusmessage else [])

    async def first(self, sql: str, *, seconds: float, limit: int, largest: int) -> Result:
        """Run one statement that only looks, in a transaction that cannot write, and give its first rows.

        Raises:
            Refused, Lost: As `run`.
        """
        async with self._turn, self._bounded(seconds, largest):
            result = Result(rows=[])
            assert result.rows is not None
            await self._connection.execute("BEGIN READ ONLY")
            try:
                cursor = self._connection.cursor()
                rows: Any = cursor.stream(sql.encode(), size=_CHUNK)
                async with contextlib.aclosing(rows):
                    async for row in rows:
                        if len(result.rows) == limit:
                            result.more = True
                            break
                        result.rows.append(_named(cursor, row))
            finally:
                with contextlib.suppress(Exception):
                    await self._connection.execute("ROLLBACK")
            return result

    async def begin_anew(self, seconds: float) -> bool:
        """Undo what a call left open: a transaction (True where there was one), settings, temporary tables.

        Raises:
            Refused, Lost: As `run`.
        """
        async with self._turn, self._bounded(seconds, _SMALL):
            left = self._connection.pgconn.transaction_status != 0
            if left:
                await self._connection.execute("ROLLBACK")
            await self._connection.execute("DISCARD ALL")
            return left

    @contextlib.asynccontextmanager
    async def _bounded(self, seconds: float, largest: int) -> AsyncIterator[None]:
        import psycopg

        if self._link is not None:
            self._link.received, self._link.limit = 0, largest
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise Refused(f"the statement took more than {seconds:g} s and was cancelled", code="57014") from None
        except (psycopg.Error, UnicodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
            if self._link is not None and self._link.passed:
                raise Refused(f"the answer is larger than {largest >> 20} MiB: ask for less", code="54000") from None
            raise told(error) from None
        finally:
            if self._link is not None:
                self._link.limit = None

    async def close(self) -> None:
        """End it; idempotent."""
        with contextlib.suppress(Exception):
            await self._connection.close()
        if self._link is not None:
            self._link.close()


async def connect(server: Reached, role: Role, database: str) -> PostgresSession:
    """A session with one of our servers, which may still be coming up.

    Raises:
        Refused: There is no such user or database.
        Lost: It does not take connections.
    """
    began = time.monotonic()
    while True:
        try:
            connection = await _connected(
                host=server.door.host, port=PORT, user=role.name, dbname=database, sslmode="disable"
            )
            return PostgresSession(connection, server.door.last)
        except TerrariumError as error:
            coming = CONNECT_SECONDS if error.code in ("57P03", "53300") else 1.0 if isinstance(error, Lost) else 0.0
            if time.monotonic() - began >= coming:
                raise
            await asyncio.sleep(0.05)


async def connect_to(dsn: str) -> PostgresSession:
    """A session with a server of somebody else's.

    Raises:
        Refused: It does not let us in.
        Lost: It cannot be reached.
    """
    return PostgresSession(await _connected(conninfo=dsn), None)


async def _connected(conninfo: str = "", **words: Any) -> AsyncConnection[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError(f"PostgreSQL needs a client library ({error}): pip install 'terrarium[postgres]'") from None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await psycopg.AsyncConnection.connect(
                conninfo,
                autocommit=True,
                cursor_factory=psycopg.AsyncClientCursor,
                context=_adapted(),
                application_name="terrarium",
                **words,
            )
    except TimeoutError:
        raise Lost(f"the database server does not answer within {CONNECT_SECONDS:g} s") from None
    except (psycopg.Error, OSError, UnicodeError, ValueError) as error:
        raise told(error) from None


def told(error: Exception) -> TerrariumError:
    """An error of the client library as one of ours: what the server, or the library, says no to is `Refused`."""
    import psycopg

    code = getattr(error, "sqlstate", None)
    text = str(error).strip() or type(error).__name__
    if code is None and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        # A refused log-in has no SQLSTATE, but the server's words.
        if "FATAL:" in text:
            starting = "starting up" in text or "recovery mode" in text or "shutting down" in text
            return Refused(text, code="57P03" if starting else "53300" if "too many clients" in text else "28000")
        return Lost(f"the database server went away: {text}")
    if code is not None and code.startswith(_GONE) and code != "57P03":
        return Lost(f"the database server ended the session: {text}", code=code)
    return Refused(text, code=code)


# -- values -------------------------------------------------------------------------------------------------------


async def _fetched(cursor: Any, limit: int) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = []
    while len(rows) < limit:
        part = await cursor.fetchmany(min(_CHUNK, limit - len(rows)))
        if not part:
            break
        rows += [_named(cursor, row) for row in part]
        await asyncio.sleep(0)
    return rows


def _named(cursor: Any, row: Sequence[Value]) -> dict[str, Value]:
    return {column.name: value for column, value in zip(cursor.description, row, strict=True)}


@functools.cache
def _adapted() -> Any:
    """How values go in and out: what the journal cannot hold, and what Python's types cannot, is text."""
    import psycopg
    from psycopg.adapt import AdaptersMap, Dumper, Transformer
    from psycopg.types import datetime as moments
    from psycopg.types.json import JsonbDumper
    from psycopg.types.string import TextLoader

    held = SimpleNamespace(adapters=AdaptersMap(psycopg.adapters), connection=None)

    def or_text(loader: Any) -> Any:
        class Lenient(loader):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except Exception:  # infinity, a year before 1 or after 9999
                    return bytes(data).decode()

        return Lenient

    class List(Dumper):
        """A tuple as what `IN %s` wants."""

        def dump(self, obj: Any) -> bytes:
            return b"(" + b", ".join(self._quoted(item) for item in obj) + b")"

        quote = dump

        def _quoted(self, item: Any) -> bytes:
            return Transformer.from_context(self.connection or held).as_literal(item)

    for name, loader in (
        ("timestamp", moments.TimestampLoader),
        ("timestamptz", moments.TimestamptzLoader),
        ("date", moments.DateLoader),
        ("interval", moments.IntervalLoader),
    ):
        held.adapters.register_loader(name, or_text(loader))
    ranges = ("int4", "int8", "num", "ts", "tstz", "date")
    kinds = [*(f"{kind}range" for kind in ranges), *(f"{kind}multirange" for kind in ranges)]
    for name in ("time", "timetz", "inet", "cidr", *kinds):
        held.adapters.register_loader(name, TextLoader)
    held.adapters.register_dumper(dict, JsonbDumper)
    held.adapters.register_dumper(tuple, List)
    return held
