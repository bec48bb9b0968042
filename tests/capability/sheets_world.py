"""Google's own clients against the emulator in this process: its names lead to ports of the machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from loopback import Loopback
from requests.adapters import HTTPAdapter

from terrarium.capability.google_sheets.google_sheets import GoogleSheets
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network, Service
from terrarium.core.person import declared
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng


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


class SheetsWorld:
    """An open `GoogleSheets` served on a loop of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: tuple[str, ...] = ("agent", "other"),
        config: Mapping[str, Any] | None = None,
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.changes: list[Change] = []
        self.failures: list[tuple[Service, Exception]] = []
        self.told: list[tuple[str, str]] = []
        self.holder = "task"
        self.clock = Clock()
        self.boxes = {agent: Loopback() for agent in agents}
        self.sheets = GoogleSheets()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._sessions: list[requests.Session] = []

        async def go() -> None:
            self._baton = asyncio.Lock()
            self.network = Network(lambda service, error: self.failures.append((service, error)))
            self.site = Site(
                name="google_sheets",
                folder=folder / "google_sheets",
                config=config or {},
                clock=self.clock,
                rng=Rng(7),
                agents=agents,
                changed=self.changes.append,
                actor=lambda: self.holder,
                wait=asyncio.run,
                sandbox=lambda: None,  # type: ignore[arg-type, return-value]
                network=self.network,
                request=self._request,
                notify=lambda agent, text: self.told.append((agent, text)),
                people=declared(people or {}, agents),
            )
            await self.sheets.open(self.site)
            for agent, box in self.boxes.items():
                await self.network.join(box, Caller(agent, agent))

        self.run(go())

    def __enter__(self) -> SheetsWorld:
        return self

    def __exit__(self, *exc: object) -> None:
        for session in self._sessions:
            session.close()

        async def end() -> None:
            await self.network.close()
            await self.sheets.close()

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not self.failures, self.failures

    @contextlib.asynccontextmanager
    async def _request(self, caller: Caller) -> AsyncIterator[None]:
        async with self._baton:
            self.holder = caller.name
            try:
                yield
            finally:
                self.holder = "task"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have the loop do something."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def port(self, host: str, agent: str = "agent") -> int:
        """Where on the machine a host's port 80 is for an agent."""
        return self.boxes[agent].ports[self.network.name(host), 80]

    def session(self, agent: str = "agent") -> requests.Session:
        """A plain session that knows the world's names."""
        session = requests.Session()
        session.mount("https://", Detour(self, agent))
        self._sessions.append(session)
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
        self._sessions.append(session)
        return session

    def gspread(self, agent: str = "agent") -> Any:
        """gspread as the agent."""
        import gspread

        session = self.authorized(agent)
        return gspread.Client(auth=session.credentials, session=session)
