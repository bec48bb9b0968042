"""Another MCP server as a part of a world: a command in a sandbox of its own, or a URL."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from terrarium.capability.mcp.listing import TOOLS, listed
from terrarium.capability.mcp.peer import Peer
from terrarium.capability.mcp.received import content_of, value_of
from terrarium.capability.mcp.settings import Settings
from terrarium.capability.mcp.stdio import LINE, Stdio
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault, Refused, SandboxFault, TerrariumError, Unsupported
from terrarium.core.rows import Rows
from terrarium.core.sandbox import Sandbox
from terrarium.core.values import Value

_PAGES = 50


class Outside:
    """One other server; nothing is started or connected before it is first used.

    Args:
        site: Where the capability stands.
        settings: What the task says.
        store: Where the known tools are: rows of the table `tool`, in the server's order.
    """

    def __init__(self, site: Site, settings: Settings, store: Rows) -> None:
        self._site, self._settings, self._store = site, settings, store
        self._sandbox: Sandbox | None = None
        self._peer = Peer(
            site.name,
            self._reach,
            mode="auto" if settings.url is not None else "legacy",
            seconds=settings.timeout,
            start_seconds=settings.start_seconds,
        )

    async def open(self) -> None:
        """Get ready; starts no process.

        Raises:
            SandboxFault: There is no sandbox for a command here.
        """
        settings, site = self._settings, self._site
        if settings.command is not None:
            sandbox = site.sandbox()
            if "network" not in sandbox.supports or "descriptor" not in sandbox.supports:
                raise SandboxFault(
                    f"{site.name}: an MCP server that is a command runs in a sandbox of its own, which must be `local`"
                )
            fresh = not (site.folder / "sandbox").exists()
            await sandbox.open(site.folder / "sandbox")
            self._sandbox = sandbox
            for path, content in sorted(settings.files.items()) if fresh else ():
                await sandbox.write(path, content.encode() if isinstance(content, str) else content)
        if settings.tools is not None and not self._store.count("tool"):
            self._know(settings.tools)

    def known(self) -> list[dict[str, Value]]:
        """The tools that are known, without asking the server."""
        return [dict(row.fields) for row in self._store.table("tool")]

    async def ready(self) -> None:
        """Ask the server for its tools, where nobody has yet.

        Raises:
            CapabilityFault: It cannot be had.
        """
        if self._settings.tools is None and not self._store.count("tool"):
            try:
                found = await self._site.running(self.ask_tools())
            except TerrariumError as error:
                raise CapabilityFault(f"{self._site.name}: its tools are not known: {error}") from error
            self._know(found)

    def learn(self, definitions: list[dict[str, Value]]) -> None:
        """Keep what the server has just said of its tools."""
        if definitions != self.known():
            self._know(definitions)

    async def ask_tools(self) -> list[dict[str, Value]]:
        """The server's tools, every page of them, at most a thousand.

        Raises:
            Refused: It says no, or something else than a list of tools.
        """
        found: list[dict[str, Value]] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await self._peer.ask(_tools_after(cursor))
            for tool in page.tools:
                one = listed(tool.model_dump(mode="json", by_alias=True, exclude_none=True))
                if one is not None and one["name"] not in {other["name"] for other in found}:
                    found.append(one)
            cursor = page.next_cursor
            if not cursor or len(found) >= TOOLS:
                break
        return found[:TOOLS]

    async def call(self, tool: str, arguments: dict[str, Value]) -> Value:
        """Use one of its tools.

        Raises:
            Refused: It says no, or broke off; a command cannot be started any more.
            CommandTimeout: It did not answer in time.
            CapabilityFault: Nobody is at its URL any more.
        """
        try:
            return value_of(await self._peer.ask(lambda client: client.call_tool(tool, arguments)))
        except CapabilityFault as error:
            if self._settings.url is not None or type(error) is not CapabilityFault or not self._store.count("tool"):
                raise
            # It ran before: what an agent did to it is no failure of the machinery.
            raise Refused(str(error)) from None

    async def resources(self) -> list[dict[str, Value]]:
        """Its resources, the first page."""
        page = await self._peer.ask(lambda client: client.list_resources())
        found = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in page.resources[:TOOLS]]
        return [{key: one[key] for key in ("uri", "name", "description", "mimeType") if key in one} for one in found]

    async def resource(self, uri: str) -> list[dict[str, Value]]:
        """The contents of one of its resources."""
        return content_of(await self._peer.ask(lambda client: client.read_resource(uri)))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """From the program: have it done while others may act."""
        return self._site.wait(work)

    async def save(self, to: Path) -> None:
        """Copy its files.

        Raises:
            Unsupported: It has state elsewhere than in its files.
        """
        if self._sandbox is None or not self._settings.files_are_state:
            raise Unsupported(f"{self._site.name}: what the server knows besides its files cannot be saved")
        await self._sandbox.save(to / "sandbox")

    async def close(self) -> None:
        """End it; idempotent."""
        await self._peer.close()
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.close()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _know(self, definitions: list[dict[str, Value]]) -> None:
        actor = self._site.actor()
        for row in list(self._store.table("tool")):
            self._store.delete(actor, "tool", row.key)
        for number, definition in enumerate(definitions):
            self._store.insert(actor, "tool", f"{number:04d}", definition)

    def _reach(self) -> Any:
        settings = self._settings
        if settings.url is None:
            if self._sandbox is None or settings.command is None:
                raise CapabilityFault(f"{self._site.name} is closed")
            argv = [settings.command, *settings.args]
            return Stdio(self._sandbox, argv, settings.env, settings.cwd, settings.start_seconds)
        return _over_http(settings.url, settings)


@contextlib.asynccontextmanager
async def _over_http(url: str, settings: Settings) -> AsyncIterator[Any]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(
            headers=dict(settings.headers),
            timeout=httpx2.Timeout(settings.start_seconds, read=settings.timeout),
            event_hooks={"response": [_bounded]},
            trust_env=False,
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LINE) as streams,
    ):
        yield streams


async def _bounded(response: Any) -> None:
    declared = response.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > LINE:
        raise ValueError(f"an answer of {declared} bytes; {LINE} are taken")


def _tools_after(cursor: str | None) -> Callable[[Any], Awaitable[Any]]:
    return lambda client: client.list_tools(cursor=cursor)
