"""Real Notion clients against a workspace in this process: its port is on the machine's own loopback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from live import Live

from terrarium.capability.notion.notion import HOST, Notion


class LiveNotion(Live):
    """An open `Notion`, with a sandbox called after each agent."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent", "other"),
        config: Mapping[str, Any] | None = None,
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.notion = Notion()
        super().__init__(self.notion, folder, "notion", seed=seed, agents=agents, config=config, people=people)

    def url(self, agent: str = "agent") -> str:
        """Where an agent's clients find it."""
        return f"http://127.0.0.1:{self.port(80, agent, HOST)}"

    def token(self, agent: str = "agent") -> str:
        """The token in an agent's sandbox."""
        return self.notion.equipment(agent).env["NOTION_TOKEN"]

    def client(self, agent: str = "agent", version: str = "2025-09-03", **options: Any) -> Any:
        """The official Python client."""
        import notion_client

        made = {"auth": self.token(agent), "base_url": self.url(agent), "notion_version": version, "retry": False}
        self.clients.append(notion_client.Client(**{**made, **options}))
        return self.clients[-1]

    def http(self, agent: str = "agent", version: str = "2025-09-03") -> Any:
        """Plain requests, logged in."""
        headers = {"authorization": f"Bearer {self.token(agent)}", "notion-version": version}
        self.clients.append(httpx.Client(base_url=f"{self.url(agent)}/v1/", headers=headers, timeout=30))
        return self.clients[-1]
