"""Webhooks: an event is delivered to an agent, as a turn and, where it listens, as an HTTP request in its sandbox."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from terrarium.core.errors import CapabilityFault, ConfigError, SandboxFault
from terrarium.core.network import Network
from terrarium.core.values import Value, encode, record

TIMEOUT = 10.0  # seconds of wall time for a receiver to answer
_ANSWER_LIMIT = 64 * 1024  # bytes of an answer that are read
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


@record
@dataclass(frozen=True)
class Delivery:
    """How an HTTP delivery went. `status` is None where there was no answer; then `error` says why."""

    url: str
    status: int | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def body_of(event: Mapping[str, Value]) -> str:
    """An event as the JSON that is delivered.

    Raises:
        ConfigError: It is no mapping.
    """
    if not isinstance(event, Mapping):
        raise ConfigError(f"the event of a webhook is a dict, not {type(event).__name__}")
    return json.dumps(encode(dict(event)), ensure_ascii=False)


def parts_of(url: str) -> tuple[str, int, str]:
    """(host, port, path) of an address inside a world.

    Raises:
        ConfigError: It is not `http://host[:port][/path]`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise ConfigError(f"{url!r} is not the address of a webhook") from None
    if parts.scheme != "http" or not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", url) or not url.isascii():
        raise ConfigError(f"{url!r} is not the address of a webhook; write 'http://localhost:8080/path'")
    path = parts.path or "/"
    return parts.hostname, port, f"{path}?{parts.query}" if parts.query else path


async def deliver(
    network: Network,
    sandbox: str,
    url: str,
    body: str,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
) -> Delivery:
    """POST `body` to an address that a process inside a sandbox serves. Never raises for what the receiver does.

    Args:
        network: Of the world.
        sandbox: The name of the sandbox.
        url: `http://host:port/path`; `localhost` is the sandbox itself.
        body: JSON.
        timeout: Seconds of wall time for the whole exchange.
        headers: Further ones, such as a signature; ASCII, without line breaks.

    Raises:
        ConfigError: `url` is not such an address.
    """
    host, port, path = parts_of(url)
    data = body.encode("utf-8", "replace")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head += f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(timeout):
            answer = await _exchange(network, sandbox, host, port, head.encode("ascii") + data)
    except TimeoutError:
        return Delivery(url, None, f"no answer within {timeout:g} s")
    except (OSError, SandboxFault, CapabilityFault) as error:
        return Delivery(url, None, str(error))
    found = _STATUS.match(answer)
    return Delivery(url, int(found[1])) if found else Delivery(url, None, "the answer is not HTTP")


async def _exchange(network: Network, sandbox: str, host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(sock=await network.dial(sandbox, host, port))
    try:
        writer.write(request)
        await writer.drain()
        answer: Any = b""
        while len(answer) < _ANSWER_LIMIT and (piece := await reader.read(4096)):
            answer += piece
            if b"\r\n" in answer:
                break
        return bytes(answer)
    finally:
        writer.close()
