"""The engine's own sessions with MariaDB: statements in, plain values out, every error typed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from datetime import time as dtime
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from terrarium.capability.database.kind import Reached
from terrarium.capability.database.link import Link
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import CONNECT_SECONDS, Lost, Params, Result
from terrarium.capability.mysql.statement import keywords, only_looks, tag
from terrarium.core.errors import ConfigError, Refused, TerrariumError
from terrarium.core.values import Value

Connection: TypeAlias = Any
Cursor: TypeAlias = Any  # of pymysql, which has no types
T = TypeVar("T")

USER = "root"
_KILL_SECONDS = 5.0
_SMALL = 1 << 20
_STATISTICS = 9  # the number of a command that answers with a line of text
_LOST = (1053, 1077, 1078, 1079, 1152, 1153, 1184, 1927, 1928, 2002, 2003, 2006, 2013, 2014, 2055)
_SEVERAL = re.compile(r";\s*[^\s;]")
_OPENS = re.compile(r"\s*(BEGIN|START|SET|LOCK|XA)\b", re.IGNORECASE)


class MysqlSession:
    """One session. The client library blocks, so it works on a thread of its own.

    Args:
        connection: Open, in autocommit mode.
        link: What it goes through; None for a server of somebody else's.
        kill: Ends the statement of a connection of that number.
    """

    def __init__(
        self, connection: Connection, thread: ThreadPoolExecutor, link: Link | None, kill: Callable[[int], Any]
    ) -> None:
        self._connection, self._thread, self._link, self._kill = connection, thread, link, kill
        self._turn = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether it can still be used, as far as can be told without asking the server."""
        found: socket.socket | None = self._connection._sock
        if found is None:
            return False
        try:
            found.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False  # it has ended, or has said a last word that nobody asked for

    async def responds(self, seconds: float) -> bool:
        """See `Session`."""
        if not self.alive:
            return False

        def ask() -> None:  # a ping would set ROW_COUNT() back
            self._connection._execute_command(_STATISTICS, b"")
            self._connection._read_packet()

        try:
            await self._do(ask, seconds, _SMALL)
        except TerrariumError:
            return False
        return True

    async def run(self, sql: str, params: Params = None, *, seconds: float, limit: int, largest: int) -> Result:
        """See `Session`. Several statements without parameters are one transaction, as far as MariaDB has it."""

        def work() -> Result:
            result, number, text = Result(), 0, sql if params is None else _filled(self._connection, sql, params)
            words = keywords(text)
            together = params is None and bool(_SEVERAL.search(sql)) and not self._open and not _OPENS.match(sql)
            with self._connection.cursor() as cursor, self._together(together):
                cursor.execute(text)
                while True:
                    if cursor.description is None:
                        result.tags.append(tag(words, number, max(cursor.rowcount, 0)))
                    else:
                        result.rows, result.more = _named(cursor, limit)
                    if not cursor.nextset():
                        return result
                    number += 1

        return await self._do(work, seconds, largest)

    async def many(self, sql: str, rows: Sequence[Params], *, seconds: float, largest: int) -> Result:
        """See `Session`."""

        def work() -> Result:
            affected = 0
            with self._connection.cursor() as cursor, self._together(not self._open):
                for params in rows:
                    affected += max(cursor.execute(_filled(self._connection, sql, params)), 0)
            return Result(tags=[tag(keywords(sql), 0, affected)])

        return await self._do(work, seconds, largest)

    async def first(self, sql: str, *, seconds: float, limit: int, largest: int) -> Result:
        """See `Session`."""
        if not only_looks(sql):
            raise Refused("only statements that look are run here, such as SELECT, WITH, SHOW, DESCRIBE and EXPLAIN")

        def work() -> Result:
            with self._connection.cursor() as cursor:
                cursor.execute(f"SET sql_select_limit = {limit + 1}, lock_wait_timeout = 10")
                cursor.execute("START TRANSACTION READ ONLY")
                # What is prepared is one statement and no more, whatever stands behind it.
                cursor.execute(_filled(self._connection, "PREPARE terrarium FROM %s", [sql]))
                cursor.execute("EXECUTE terrarium")
                rows, more = _named(cursor, limit) if cursor.description is not None else ([], False)
                return Result(rows=rows, more=more)

        return await self._do(work, seconds, largest)

    async def begin_anew(self, seconds: float) -> bool:
        """See `Session`. It ends; a fresh one costs no more than cleaning this one up."""
        left = self._open
        await self.close()
        return left

    @property
    def _open(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._connection.server_status & 1)

    @contextlib.contextmanager
    def _together(self, wanted: bool) -> Any:
        if not wanted:
            yield
            return
        self._connection.begin()
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                self._connection.rollback()
            raise
        self._connection.commit()

    async def _do(self, work: Callable[[], T], seconds: float, largest: int) -> T:
        async with self._turn:
            if self._link is not None:
                self._link.received, self._link.limit = 0, largest
            running = asyncio.get_running_loop().run_in_executor(self._thread, work)
            try:
                done, _ = await asyncio.wait({running}, timeout=seconds)
                if not done:
                    raise Refused(f"the statement took more than {seconds:g} s and was cancelled", code="1317")
                return running.result()
            except TerrariumError:
                raise
            except Exception as error:
                if self._link is not None and self._link.passed:
                    raise Refused(f"the answer is larger than {largest >> 20} MiB: ask for less", code="1153") from None
                raise told(error) from None
            finally:
                if self._link is not None:
                    self._link.limit = None
                if not running.done():
                    await self._cancel(running)

    async def _cancel(self, running: asyncio.Future[Any]) -> None:
        """End what the server does for us; where it does not listen, the connection ends."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_KILL_SECONDS):
                await self._kill(self._connection.thread_id())
        await asyncio.wait({running}, timeout=_KILL_SECONDS)
        if not running.done():
            self._cut()
            await asyncio.wait({running}, timeout=_KILL_SECONDS)
        if running.done():
            running.exception()

    def _cut(self) -> None:
        if self._link is not None:
            self._link.close()
        found: socket.socket | None = self._connection._sock
        if found is not None:
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """End it; idempotent."""
        self._cut()
        self._connection._force_close()
        self._thread.shutdown(wait=False)


async def connect(server: Reached, role: Role, database: str) -> MysqlSession:
    """A session with one of our servers; without the database where the role may do nothing there.

    Raises:
        Refused: There is no such user or database.
        Lost: It does not take connections.
    """
    password = "" if role.name == USER else role.password  # from its own socket the first user has none

    async def kill(number: int) -> None:
        other = await _linked(server, USER, "", None)
        try:
            await other.run(f"KILL QUERY {int(number)}", seconds=_KILL_SECONDS, limit=0, largest=_SMALL)
        finally:
            await other.close()

    try:
        return await _linked(server, role.name, password, database, kill)
    except Refused as error:
        if error.code != "1044":
            raise
        return await _linked(server, role.name, password, None, kill)


async def _linked(
    server: Reached, user: str, password: str, database: str | None, kill: Callable[[int], Any] | None = None
) -> MysqlSession:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    link = Link()
    link.run(theirs, server.dial)
    words = {"user": user, "password": password.encode(), "database": database, "unix_socket": "server"}
    return await _connected(words, link, ours, kill)


async def connect_to(dsn: str) -> MysqlSession:
    """A session with a server of somebody else's.

    Raises:
        ConfigError: The address is none.
        Refused: It does not let us in.
        Lost: It cannot be reached.
    """
    try:
        url = urlsplit(dsn)
        port = url.port or 3306
    except ValueError as error:
        raise ConfigError(f"the address of the database cannot be read: {error}") from None
    if url.scheme not in ("mysql", "mariadb"):
        raise ConfigError("the address of the database must look like mysql://ann:secret@db.corp.example:3306/shop")
    words: dict[str, Any] = {
        "host": url.hostname or "localhost",
        "port": port,
        "user": unquote(url.username or ""),
        "password": unquote(url.password or "").encode(),
        "database": unquote(url.path.lstrip("/")) or None,
    }
    path = parse_qs(url.query).get("unix_socket")
    if path:
        words["unix_socket"] = "\0" + path[0][1:] if path[0].startswith("@") else path[0]

    async def kill(number: int) -> None:
        other = await _connected(words, None, None, None)
        try:
            await other.run(f"KILL QUERY {int(number)}", seconds=_KILL_SECONDS, limit=0, largest=_SMALL)
        finally:
            await other.close()

    return await _connected(words, None, None, kill)


async def _connected(
    words: dict[str, Any], link: Link | None, sock: socket.socket | None, kill: Callable[[int], Any] | None
) -> MysqlSession:
    try:
        import pymysql  # type: ignore[import-untyped]
        from pymysql.constants import CLIENT  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(f"MySQL needs a client library ({error}): pip install 'terrarium[mysql]'") from None
    connection = pymysql.Connection(
        **words,
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
        connect_timeout=int(CONNECT_SECONDS),
        program_name="terrarium",
        defer_connect=True,
    )
    thread = ThreadPoolExecutor(1, thread_name_prefix="mysql")
    if sock is not None:
        sock.settimeout(CONNECT_SECONDS)

    def open_it() -> None:
        connection.connect(sock)
        if sock is not None:
            sock.settimeout(None)

    try:
        await asyncio.get_running_loop().run_in_executor(thread, open_it)
    except BaseException as error:
        if link is not None:
            link.close()
        if sock is not None:
            sock.close()
        thread.shutdown(wait=False)
        if isinstance(error, Exception):
            raise told(error) from None
        raise
    return MysqlSession(connection, thread, link, kill or _no_kill)


async def _no_kill(number: int) -> None:
    """Who kills is not killed."""


def told(error: Exception) -> TerrariumError:
    """An error of the client library as one of ours: what the server, or the library, says no to is `Refused`."""
    import pymysql

    if isinstance(error, TerrariumError):
        return error
    found = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error).strip() or type(error).__name__
    if isinstance(error, pymysql.err.MySQLError) and found in _LOST:
        return Lost(f"the database server ended the session: {text}", code=str(found))
    if isinstance(error, (pymysql.err.InterfaceError, OSError, EOFError, struct.error)):
        return Lost(f"the database server went away: {text}")
    return Refused(text, code=str(found) if found else None)


# -- values -------------------------------------------------------------------------------------------------------


def _named(cursor: Cursor, limit: int) -> tuple[list[dict[str, Value]], bool]:
    """(The first rows, whether there are more)."""
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(limit)] if limit else []
    return rows, cursor.rowcount > limit


def _filled(connection: Connection, sql: str, params: Params) -> str:
    """The statement with its values.

    Raises:
        Refused: They do not fit, or cannot be values.
    """
    try:
        if params is None:
            return sql
        given = (
            {str(name): _given(value) for name, value in params.items()}
            if isinstance(params, dict)
            else tuple(_given(value) for value in params)
        )
        with connection.cursor() as cursor:
            text: str = cursor.mogrify(sql, given)
        return text
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"the values do not fit the statement: {error}") from None


def _given(value: Any) -> Any:
    """A value as the client library takes it: dicts and lists are JSON, a tuple is what `IN %s` wants."""
    if isinstance(value, tuple):
        return tuple(_given(item) for item in value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, UUID):
        return str(value)
    if value is not None and not isinstance(value, (str, bytes, bool, int, float, Decimal, date, dtime, timedelta)):
        raise Refused(f"a value cannot be {type(value).__name__}")
    return value
