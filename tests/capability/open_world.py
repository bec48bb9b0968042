"""Several capabilities of one small world in this process, with the ports of each agent on the machine's loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from live import Live

from terrarium.core.capability import Site
from terrarium.core.post import hand_over
from terrarium.core.proxy import Proxy
from terrarium.core.registry import find
from terrarium.core.rows import Row


class OpenWorld(Live):
    """Capabilities by name, with their settings, open on one network, clock and seed.

    Args:
        folder: In which each has its own.
        configs: Settings by name.
        proxy: Who acts for an agent's programs.
    """

    def __init__(
        self,
        folder: Path,
        configs: Mapping[str, Mapping[str, Any]],
        *,
        proxy: Callable[[str], Proxy | None] = lambda agent: None,
    ) -> None:
        self.marker = ""
        """For tests that tell worlds apart."""
        self.capabilities: dict[str, Any] = {}
        self._configs, self._proxy = configs, proxy
        super().__init__(_Together(self), folder, "world")

    async def open_all(self, site: Site) -> None:
        """Open the capabilities, one after the other."""
        for name, config in self._configs.items():
            capability = find("capability", name)()
            more: dict[str, Any] = {"wait": self.run, "block": self.run, "proxy": self._proxy, "stores": []}
            more["post"] = lambda kind, letter: hand_over(self.capabilities, kind, letter)
            await capability.open(replace(site, name=name, folder=site.folder / name, config=config, **more))
            self.capabilities[name] = capability

    def __getitem__(self, name: str) -> Any:
        return self.capabilities[name]

    def rows(self, *names: str) -> dict[str, list[Row]]:
        """The state of these capabilities, or of all."""
        return {name: list(self.capabilities[name].rows()) for name in names or self.capabilities}

    def origin(self, host: str, agent: str = "agent") -> str:
        """Where a host's plain HTTP is for an agent."""
        return f"http://127.0.0.1:{self.port(80, agent, host)}"


class _Together:
    """The capabilities of a world, as one that is opened and closed."""

    def __init__(self, world: OpenWorld) -> None:
        self._world = world

    async def open(self, site: Site) -> None:
        await self._world.open_all(site)

    async def close(self) -> None:
        for capability in self._world.capabilities.values():
            await capability.close()
