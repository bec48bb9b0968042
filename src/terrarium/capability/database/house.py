"""The database of one world: its server, started when it is first needed, and the engine's sessions with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from terrarium.capability.database.pool import pool
from terrarium.capability.database.role import Role
from terrarium.capability.database.server import CAPS, Server
from terrarium.capability.database.session import Lost, Result, Session
from terrarium.capability.database.settings import Settings
from terrarium.capability.database.template import restored, template
from terrarium.core.aside import aside
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault, ConfigError, Refused, Unsupported
from terrarium.core.removal import try_remove_tree
from terrarium.core.sharing import SEALED, share_tree

_STATE, _CLUSTER, _TEMPLATE = "database.json", "cluster", f"{SEALED}/template"
SETUP_SECONDS = 60.0
LARGEST = 256 * 1024**2


class House:
    """The server of one world, or the way to somebody else's.

    Args:
        site: Of the capability.
        settings: Its configuration.
    """

    def __init__(self, site: Site, settings: Settings) -> None:
        self._site, self._settings, self._kind = site, settings, settings.kind
        self._first = Role(self._kind.user, self._kind.password, True)
        self._server: Server | None = None
        self._sessions: dict[tuple[str, str, bool], Session] = {}
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def untouched(self) -> bool:
        """Nobody has used it, now or before."""
        return self._server is None and not (self._site.folder / _STATE).exists() and self._settings.dsn is None

    # -- the server -----------------------------------------------------------------------------------------------

    async def server(self) -> Server:
        """The server, started, and ready for connections.

        Raises:
            ConfigError: This machine has no such database.
            CapabilityFault: It does not come up.
            SandboxFault: This machine gives no sandbox.
        """
        async with self._starting:
            if self._closed:
                raise CapabilityFault(f"{self._site.name} is closed")
            if self._server is None:
                self._server = await self._begun()
            else:
                await self._server.start()  # again, where it has ended
            return self._server

    async def _begun(self) -> Server:
        kind, clock = self._kind, self._site.clock
        state = self._site.folder / _STATE
        if not state.exists() and self._settings.caps is None:
            server, session = await pool(kind, kind.find()).take(clock)
            self._sessions[kind.user, kind.database, False] = session
        else:
            server = await self._own(state)
            server.follow(clock)
        try:
            if not state.exists():
                await self._prepare(server)
        except BaseException:
            await server.close()
            self._sessions.clear()
            raise
        return server

    async def _own(self, state: Path) -> Server:
        """A server with caps of its own, or one that continues a state."""
        kind, binaries, saved = self._kind, self._kind.find(), None
        base = None
        if state.exists():
            told = json.loads(state.read_text("ascii"))
            if told["series"] != binaries.series:
                raise ConfigError(
                    f"{self._site.name}: its state is of {kind.label} {told['series']}, and here is {binaries.series}: "
                    f"name the folder of the programs in {kind.variable}"
                )
            base = await restored(kind, binaries, told["template"], self._site.folder / _TEMPLATE)
            saved = self._site.folder / _CLUSTER
        base = base or await template(kind, binaries)
        server = Server(kind, binaries, base, self._site.clock.micros, self._settings.caps or CAPS, saved)
        try:
            await server.start()
        except BaseException:
            await server.close()
            raise
        return server

    async def _prepare(self, server: Server) -> None:
        """Make an untouched server what the task says."""
        if self._settings.plain:
            return
        session = await self._session_with(server, self._first, self._kind.database)
        settings = self._settings
        others = list({role.name: role for role in settings.roles.values()}.values())
        await self._kind.prepare(server, session, settings.admin, others, settings.database)
        await session.close()
        self._sessions.clear()

    # -- sessions -------------------------------------------------------------------------------------------------

    async def session(self, role: Role | None = None, database: str | None = None, agent: bool = False) -> Session:
        """A session that lasts, of a role (None: of who owns the database) with a database (None: the usual one).

        The program's and those of agents' tools are not the same: neither sees what the other has left open.

        Raises:
            Refused: There is no such role or database any more.
            CapabilityFault: The server does not come up.
        """
        if self._settings.dsn is not None:
            found = self._sessions.get(("", "", agent))
            if found is None or not found.alive:
                found = self._sessions["", "", agent] = await self._kind.connect_to(self._settings.dsn)
            return found
        who, where = role or self._settings.admin, database or self._settings.database
        found = self._sessions.get((who.name, where, agent))
        # A server that was killed since must not cost whoever comes next a statement.
        if self._server is not None and found is not None and await found.responds(self._site.command_timeout):
            return found
        return await self._session_with(await self.server(), who, where, agent)

    async def _session_with(self, server: Server, who: Role, where: str, agent: bool = False) -> Session:
        found = self._sessions.get((who.name, where, agent))
        if found is None or not found.alive:
            if found is not None:
                await found.close()
            found = self._sessions[who.name, where, agent] = await self._connected(server, who, where)
        return found

    async def _connected(self, server: Server, who: Role, where: str) -> Session:
        try:
            return await self._kind.connect(server, who, where)
        except CapabilityFault as error:
            if error.code != "57P03" and not isinstance(error, Lost):
                raise
        await server.start(afresh=True)  # it was told to end and waits for everybody to leave, or was ended meanwhile
        return await self._kind.connect(server, who, where)

    async def drop(self, database: str) -> None:
        """Let go of the sessions with a database."""
        for key in [key for key in self._sessions if key[1] == database]:
            await self._sessions.pop(key).close()

    async def of_engine(self, work: Callable[[Session], Coroutine[Any, Any, Any]], database: str) -> Any:
        """Do something as the server's first user, whom tasks do not use, in a session that ends with it."""
        server = await self.server()
        session = await self._connected(server, self._first, database)
        try:
            return await work(session)
        finally:
            await session.close()

    async def asked_by_agent(
        self, work: Callable[[Session], Coroutine[Any, Any, Result]], role: Role
    ) -> tuple[Result, bool]:
        """Do something for an agent's tool; what it leaves open is undone (True where it left a transaction).

        Raises:
            Refused: The server said no, or the agent has ended it.
        """
        session = await self.session(role, agent=True)
        try:
            result = await work(session)
            left = await session.begin_anew(SETUP_SECONDS)
        except Lost as lost:
            await session.close()
            full = self._server is not None and await self._ended_full()
            why = "it used more of the disk than it may, and is read-only now" if full else "it is started again"
            raise Refused(f"{lost}; {why}", code=lost.code or "57P02") from None
        except Refused:
            await session.close()
            raise
        return result, left

    async def _ended_full(self) -> bool:
        try:
            return (await self.server()).full
        except CapabilityFault:
            return False

    # -- state ----------------------------------------------------------------------------------------------------

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: It is somebody else's server.
        """
        if self._settings.dsn is not None:
            raise Unsupported(f"{self._site.name}: somebody else's server has no snapshots")
        if self._server is None:
            if (self._site.folder / _STATE).exists():
                await aside(lambda: share_tree(self._site.folder, to))
            return
        kind = self._kind
        with contextlib.suppress(CapabilityFault):  # an agent can lock everybody out; it can be copied all the same
            if kind.checkpoint:
                await self.of_engine(
                    lambda one: one.run(kind.checkpoint, seconds=120, limit=0, largest=LARGEST), kind.system
                )
        server = self._server
        sharing = aside(lambda: share_tree(server.template.saved, to / _TEMPLATE, sealed=True))
        # Both are awaited: neither may write once this has ended.
        for error in await asyncio.gather(sharing, server.save(to / _CLUSTER), return_exceptions=True):
            if isinstance(error, BaseException):
                raise error
        state = {"series": server.binaries.series, "template": server.template.key}
        (to / _STATE).write_text(json.dumps(state), "ascii")

    async def close(self) -> None:
        """End everything; where the folder is kept, the state is in it. Idempotent."""
        if self._closed:
            return
        self._closed = True
        async with self._starting:
            pass
        server = self._server
        try:
            if server is not None and self._site.keep and self._settings.dsn is None:
                await self._keep()
        finally:
            for session in self._sessions.values():
                await session.close()
            self._sessions.clear()
            if server is not None:
                await server.close()

    async def _keep(self) -> None:
        folder = self._site.folder
        fresh = folder.with_name(f".{folder.name}.saving")
        await aside(lambda: try_remove_tree(fresh))
        self._closed = False  # it still works, until this is done
        try:
            await self.save(fresh)
        finally:
            self._closed = True
        await aside(lambda: try_remove_tree(folder))
        await aside(lambda: shutil.move(fresh, folder))
