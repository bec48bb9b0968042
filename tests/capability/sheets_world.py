"""Google's own clients against the emulator in this process: its names lead to ports of the machine's loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from live import Live
from requests.adapters import HTTPAdapter

from terrarium.capability.google_sheets.google_sheets import GoogleSheets


class Detour(HTTPAdapter):
    """Sends requests for the world's names to where its ports are; TLS is tried elsewhere."""

    def __init__(self, world: SheetsWorld, agent: str) -> None:
        super().__init__()
        self._world, self._agent = world, agent

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        if parts.hostname != "127.0.0.1":
            request.headers["Host"] = parts.hostname
            request.url = parts._replace(
                scheme="http", netloc=f"127.0.0.1:{self._world.port(parts.hostname or '', self._agent)}"
            ).geturl()
        kwargs["verify"] = False
        return super().send(request, *args, **kwargs)


class SheetsWorld(Live):
    """An open `GoogleSheets`, with a sandbox called after each agent."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: tuple[str, ...] = ("agent", "other"),
        config: Mapping[str, Any] | None = None,
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.sheets = GoogleSheets()
        super().__init__(self.sheets, folder, "google_sheets", agents=agents, config=config, people=people)

    def port(self, host: str, agent: str = "agent") -> int:
        """Where on the machine a host's port 80 is for an agent."""
        return super().port(80, agent, host)

    def session(self, agent: str = "agent") -> requests.Session:
        """A plain session that knows the world's names."""
        session = requests.Session()
        session.mount("https://", Detour(self, agent))
        self.clients.append(session)
        return session

    def info(self, agent: str = "agent") -> dict[str, Any]:
        """What an agent's key says."""
        return json.loads(self.sheets.equipment(agent).files["google_credentials"])

    def authorized(self, agent: str = "agent", scopes: tuple[str, ...] = ("spreadsheets", "drive")) -> Any:
        """A session of Google's library with the agent's service account."""
        from google.auth.transport.requests import AuthorizedSession, Request
        from google.oauth2.service_account import Credentials

        credentials = Credentials.from_service_account_info(
            self.info(agent), scopes=[f"https://www.googleapis.com/auth/{scope}" for scope in scopes]
        )
        session = AuthorizedSession(credentials, auth_request=Request(session=self.session(agent)))
        session.mount("https://", Detour(self, agent))
        self.clients.append(session)
        return session

    def gspread(self, agent: str = "agent") -> Any:
        """gspread as the agent."""
        import gspread

        session = self.authorized(agent)
        return gspread.Client(auth=session.credentials, session=session)
