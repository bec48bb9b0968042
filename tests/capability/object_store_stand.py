"""An object store in this process, with its host on the machine's loopback, for Amazon's own client."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from live import Live

from terrarium.capability.object_store.object_store import ObjectStore
from terrarium.core.clock import Clock


class StoreStand(Live):
    """Open on a folder; world time is the machine's, which addresses that were signed are compared with."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        self.store = ObjectStore()
        now = Clock(datetime.now(UTC).replace(microsecond=0))
        super().__init__(self.store, folder, "object_store", config=config, clock=now)

    def port(self, port: int = 80, agent: str = "agent", host: str = "s3.amazonaws.com") -> int:
        """Where on the machine a port of the store is for an agent."""
        return super().port(port, agent, host)

    def client(self, agent: str = "agent", *, key_of: str | None = None, **settings: Any) -> Any:
        """Amazon's client in the sandbox of an agent, with the access key of `key_of`."""
        env = self.store.equipment(key_of or agent).env
        made = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port(80, agent)}",
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}, **settings),
        )
        self.clients.append(made)
        return made

    def plain(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """A request that says what it is told to, not signed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
