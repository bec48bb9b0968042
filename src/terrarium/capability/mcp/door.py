"""The door by which programs of agents come in: one HTTP endpoint, a token for each agent."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from terrarium.capability.mcp.desk import Desk
from terrarium.core.capability import Site
from terrarium.core.errors import ConfigError
from terrarium.core.network import Caller
from terrarium.core.seeds import child_seed

PATH = "/mcp"
_NO_SDK = -32603
_WRONG = -32600

Message = MutableMapping[str, Any]


class Door:
    """An ASGI application: whoever shows an agent's token is let through to the tools of that agent, and to no others.

    Where a connection comes from the sandbox of one agent, the token must be that agent's.

    Args:
        site: Where the capability stands.
    """

    def __init__(self, site: Site) -> None:
        self.tokens: Mapping[str, str] = {agent: _token(site, agent) for agent in site.agents}
        self._desks = {agent: self._desk(site, agent) for agent in site.agents}

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """One request.

        Raises:
            NotImplementedError: It is about a lifespan, which this has not.
        """
        if scope["type"] != "http":
            raise NotImplementedError
        if scope["path"].rstrip("/") != PATH:
            await _refuse(send, 404, _WRONG, f"MCP is at {PATH}")
            return
        agent = self._who(scope["headers"])
        caller: Caller = scope["extensions"]["terrarium"]["caller"]
        if agent is None:
            told = "a token is needed: Authorization: Bearer, with the value of the variable TERRARIUM_MCP_TOKEN"
            await _refuse(send, 401, _WRONG, told, (b"www-authenticate", b'Bearer realm="mcp"'))
            return
        if caller.agent not in (None, agent):
            await _refuse(send, 403, _WRONG, "the token is not of the agent whose sandbox this is")
            return
        try:
            await self._desks[agent].serve(scope, receive, send)
        except ConfigError as error:
            await _refuse(send, 501, _NO_SDK, str(error))

    async def close(self) -> None:
        """End every session; idempotent."""
        for desk in self._desks.values():
            await desk.close()

    def _who(self, headers: list[tuple[bytes, bytes]]) -> str | None:
        shown = next((value for name, value in headers if name.lower() == b"authorization"), b"")
        scheme, _, token = shown.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return next(
            (agent for agent, known in self.tokens.items() if hmac.compare_digest(known.encode(), token.strip())), None
        )

    def _desk(self, site: Site, agent: str) -> Desk:
        return Desk(f"terrarium-{agent}", lambda: site.proxy(agent))


def _token(site: Site, agent: str) -> str:
    """The same whenever the world is opened again: no stream is drawn from."""
    return f"mcp_{child_seed(site.rng.seed, site.name, 'token', agent):032x}"


async def _refuse(
    send: Callable[[Message], Awaitable[None]], status: int, code: int, message: str, *headers: tuple[bytes, bytes]
) -> None:
    """An answer in the words of JSON-RPC."""
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}).encode()
    head = [(b"content-type", b"application/json"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
