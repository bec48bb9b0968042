"""An object store in this process, with its host on the machine's loopback, for Amazon's own client."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from loopback import Loopback

from terrarium.capability.object_store.object_store import ObjectStore
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng


class StoreStand:
    """Open on a folder; world time is the machine's, which addresses that were signed are compared with."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        self.store = ObjectStore()
        self.changes: list[Change] = []
        self.failures: list[Exception] = []
        self.actor = "task"
        self._clients: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.boxes = {name: Loopback() for name in ("agent", "other")}
        try:
            self.run(self._open(folder, config or {}))
        except Exception:
            self.close()
            raise

    async def _open(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.network = Network(lambda service, error: self.failures.append(error))
        site = Site(
            name="object_store",
            folder=folder,
            config=config,
            clock=Clock(datetime.now(UTC).replace(microsecond=0)),
            rng=Rng(7),
            agents=("agent", "other"),
            changed=self.changes.append,
            actor=lambda: self.actor,
            wait=self.run,
            block=self.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            network=self.network,
            request=self._request,
        )
        await self.store.open(site)
        for name, box in self.boxes.items():
            await self.network.join(box, Caller(name, name))

    @asynccontextmanager
    async def _request(self, caller: Caller) -> AsyncIterator[None]:
        self.actor = caller.name
        try:
            yield
        finally:
            self.actor = "task"

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def client(self, agent: str = "agent", *, key_of: str | None = None, **settings: Any) -> Any:
        """Amazon's client in the sandbox of an agent, with the access key of `key_of`."""
        env = self.store.equipment(key_of or agent).env
        made = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port(agent)}",
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}, **settings),
        )
        self._clients.append(made)
        return made

    def port(self, agent: str = "agent", host: str = "s3.amazonaws.com") -> int:
        return self.boxes[agent].ports[self.network.name(host), 80]

    def plain(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """A request that says what it is told to, not signed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        async def end() -> None:
            await self.network.close()
            await self.store.close()

        for client in self._clients:
            client.close()
        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
