"""A place for `Email` to stand in, without a world around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrarium.capability.email import Email
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng


class MailSite:
    """An open `Email` with its clock, its changes, and a hand on who acts."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent",),
        config: Mapping[str, Any] | None = None,
        name: str = "email",
    ) -> None:
        self.clock = Clock()
        self.changes: list[Change] = []
        self.holder = "task"
        self.email = Email()
        site = Site(
            name=name,
            folder=folder / name,
            config=config or {},
            clock=self.clock,
            rng=Rng(seed),
            agents=agents,
            changed=self.changes.append,
            actor=lambda: self.holder,
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
        )
        self.site = site
        asyncio.run(self.email.open(site))

    def pass_time(self, seconds: float) -> None:
        self.clock.move(self.clock.micros + round(seconds * 10**6))

    def use(self, tool: str, agent: str = "agent", **arguments: Any) -> Any:
        """What a seat does: find the tool, check the arguments, call it as that agent."""
        found = {t.name: t for t in self.email.tools(agent)}[f"{self.site.name.replace(':', '_')}_{tool}"]
        self.holder, before = agent, self.holder
        try:
            return found.function(**found.bind(arguments))
        finally:
            self.holder = before
