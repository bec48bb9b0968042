"""A workspace on a site of its own, which tests can use without a world."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from terrarium.capability.workspace import Workspace
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.person import Person
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng
from terrarium.core.tool import Tool
from terrarium.sandbox.memory import MemorySandbox


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class Desk:
    """An open workspace on a site of its own, and what was written there."""

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        name: str = "workspace",
        people: Mapping[str, Person] | None = None,
        **config: Any,
    ) -> None:
        self.clock = clock or Clock()
        self.changes: list[Change] = []
        self.who = "program"
        self.workspace = Workspace()
        self.fs = self.workspace.fs
        self.shell = self.workspace.shell
        self.site = Site(
            name=name,
            folder=folder,
            config=config,
            clock=self.clock,
            rng=Rng(1),
            agents=("agent", "buyer"),
            changed=self.changes.append,
            actor=lambda: self.who,
            wait=run,
            sandbox=lambda: MemorySandbox(Ground(self.clock)),
            people=people or {},
        )
        run(self.workspace.open(self.site))

    def tool(self, verb: str, agent: str = "agent") -> Tool:
        return {tool.name.rpartition("_")[2]: tool for tool in self.workspace.tools(agent)}[verb]

    def use(self, verb: str, **arguments: Any) -> Any:
        tool = self.tool(verb)
        return run(tool.function(**tool.bind(arguments)))

    def rows(self) -> list[Row]:
        return list(self.workspace.rows())
