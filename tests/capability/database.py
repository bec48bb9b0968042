"""A database of a world without a program: a site, its network, and sandboxes of agents on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from terrarium.capability.mysql.kind import KIND as MYSQL
from terrarium.capability.mysql.mysql import Mysql
from terrarium.capability.postgres.kind import KIND as POSTGRES
from terrarium.capability.postgres.postgres import Postgres
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.errors import ConfigError
from terrarium.core.network import Caller, Network
from terrarium.core.person import declared
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import ExecResult, Ground
from terrarium.core.seeds import Rng
from terrarium.run.runtime import runtime
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.tier import tier


@functools.cache
def lacking(kind: str) -> str:
    """Why no server can be started here; nothing where one can."""
    if tier().number != 1:
        return f"no namespaces here: {' '.join(tier().reasons)}"
    try:
        {"postgres": POSTGRES, "mysql": MYSQL}[kind].find()
    except ConfigError as error:
        return str(error)
    return ""


needs_postgres = pytest.mark.skipif(bool(lacking("postgres")), reason=lacking("postgres") or "it is there")
needs_mysql = pytest.mark.skipif(bool(lacking("mysql")), reason=lacking("mysql") or "it is there")
PACKAGES = {"postgres": ("psycopg", "psycopg-binary"), "mysql": ("pymysql",)}


class Database:
    """An open `Postgres` or `Mysql`; each agent has a sandbox of its own once it runs a command."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: tuple[str, ...] = ("agent", "other"),
        clock: Clock | None = None,
        seed: int = 7,
        name: str = "postgres",
        people: Mapping[str, Any] | None = None,
        **config: Any,
    ) -> None:
        self.folder, self.clock = folder, clock or Clock()
        self.changes: list[Change] = []
        self.failures: list[Exception] = []
        self.holder = "task"
        self.boxes: dict[str, LocalSandbox] = {}
        self.packages = PACKAGES[name.partition(":")[0]]
        self.postgres, self.mysql = Postgres(), Mysql()
        self.it: Any = self.mysql if name.startswith("mysql") else self.postgres

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append(error))
            self.site = Site(
                name=name,
                folder=folder / "site",
                config=config,
                clock=self.clock,
                rng=Rng(seed),
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=run,
                block=run,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                people=declared(people or {}, agents),
                command_timeout=20.0,
            )
            await self.it.open(self.site)

        run(go())

    @contextlib.asynccontextmanager
    async def _request(self, caller: Caller) -> AsyncIterator[None]:
        async with self._baton:
            self.holder = caller.name
            try:
                yield
            finally:
                self.holder = "task"

    def use(self, verb: str, agent: str = "agent", **arguments: Any) -> Any:
        """A tool of an agent."""
        [tool] = [tool for tool in self.it.tools(agent) if tool.name.endswith(f"_{verb}")]

        async def go() -> Any:
            return await tool.function(**tool.bind(arguments))  # type: ignore[misc]

        return run(go())

    def command(self, command: str, agent: str = "agent", stdin: bytes | None = None, **env: str) -> ExecResult:
        """A command in an agent's sandbox, which is equipped for the database."""

        async def go() -> ExecResult:
            box = self.boxes.get(agent)
            if box is None:
                ground = Ground(self.clock, agent, agent, self.network, packages=self.packages, keep=False)
                box = LocalSandbox(ground)
                await box.open(self.folder / agent)
                self.boxes[agent] = box
            known = {**self.it.equipment(agent).env, **env}
            return await box.exec(command, env=known, timeout=60, stdin=stdin)

        return run(go())

    def rows(self) -> list[Row]:
        return list(self.it.rows())

    def content(self, table: str) -> list[Any]:
        """The rows of a table of the usual database."""
        return [row.fields for row in self.rows() if row.table in (f"main.public.{table}", f"main.{table}")]

    def close(self) -> None:
        async def go() -> None:
            await self.network.close()
            for box in self.boxes.values():
                await box.close()
            await self.it.close()

        run(go())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What the engine's loop makes of it."""
    return runtime().submit(work).result(120)


@contextlib.contextmanager
def database(folder: Path, **config: Any) -> Iterator[Database]:
    found = Database(folder, **config)
    try:
        yield found
        assert found.failures == []
    finally:
        found.close()
