"""The seat of a simulated person: an agent's seat whose moments take no world time, and cost no agent anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from terrarium.core.clock import Kind
from terrarium.core.errors import ConfigError
from terrarium.core.secrets import Secrets
from terrarium.core.task import Limits
from terrarium.core.tool import Tool
from terrarium.core.user import TOOL
from terrarium.core.values import Value
from terrarium.core.world import World
from terrarium.run.seat import TrialSeat
from terrarium.run.totals import Totals
from terrarium.run.using import call_back


class ResidentSeat(TrialSeat):
    """A seat in which somebody acts while somebody else, who holds the baton, stands still.

    Args:
        name: Whose.
        world: Where.
        limits: What the person may use, apart from all agents.
        secrets: What nobody may write down.
    """

    def __init__(self, name: str, world: World, limits: Limits, secrets: Secrets) -> None:
        self.totals = Totals()
        super().__init__(name, world, limits, self.totals, secrets)
        self.own_tools: list[Tool] = []
        self._others: list[tuple[str | None, int | None]] = []

    def offered(self) -> list[Tool]:
        """Their tools in what people have accounts of, and those of the program."""
        lives = self.name in self._world.residents
        homes = [one for one in self._world.capabilities.values() if lives and getattr(one, "peopled", False)]
        return [*(tool for home in homes for tool in home.tools(self.name)), *self._registered.values()]

    def equip(self, number: int, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Offer the functions of the program that call `number` brought as tools.

        Raises:
            ConfigError: One cannot be a tool.
        """
        for key, function in functions.items():
            if key.startswith(TOOL):
                if key.removeprefix(TOOL) in [tool.name for tool in self.offered()]:
                    raise ConfigError(
                        f"{self.name!r} has a tool {key.removeprefix(TOOL)!r} already; rename the function"
                    )
                tool = Tool.of(function, key.removeprefix(TOOL))
                self._registered[tool.name] = replace(
                    tool, function=call_back(self._world, number, key), signature=function
                )

    def _cost(self, kind: Kind, seconds: float) -> tuple[int, dict[str, Value]]:
        return 0, {}

    async def take_moment(self, cost: int) -> None:
        """Act in the place of who holds the baton."""
        await self.moment.acquire()
        baton, callbacks = self._world.baton, self._world.callbacks
        self._others.append((baton.holder, callbacks.cause))
        baton.holder, self.time = self.name, self._world.clock.micros

    def leave_moment(self) -> None:
        """Who held the baton before holds it again."""
        self._world.baton.holder, self._world.callbacks.cause = self._others.pop()
        self.moment.release()
