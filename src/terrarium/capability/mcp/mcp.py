"""MCP both ways: the tools of the world's agents as an MCP server, and other MCP servers as capabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from terrarium.capability.mcp.desk import BODY_BYTES
from terrarium.capability.mcp.door import PATH, Door
from terrarium.capability.mcp.listing import tools_of
from terrarium.capability.mcp.settings import Settings, settings_of
from terrarium.core.capability import Equipment, Site, Traits, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost
from terrarium.http.limits import HttpLimits

if TYPE_CHECKING:
    from terrarium.capability.mcp.outside import Outside


class Mcp:
    """MCP, both ways.

    Without `command` and `url` it is the world's own server: programs in an agent's sandbox use the agent's tools. With
    one of the two it is another server, whose tools become the agents' tools.

    Configuration:
        host (text, default "mcp.world"): Of the world's own server; of an instance, `<instance>.mcp.world`.
        command (text): Another server: the program that is started, in a sandbox of its own, at the first use.
        args (list): Its arguments.
        env (table): Its variables.
        cwd (path): Where it starts; /root where nothing is said.
        files (table): Path to text or bytes: what lies in its sandbox.
        files_are_state (true or false, default no): All that it knows is in its files: it can be saved.
        sandbox (text or table, default what the job says): Must come to `local`.
        packages (list): Python packages that it can import, as of a workspace's.
        resources (table): Caps of its sandbox, as of a workspace's.
        url (text): Another server, reached by streamable HTTP.
        headers (table): What is sent to it with each request, such as `Authorization`.
        agents (list, default all): Names of the agents that get its tools.
        tools (list): Its tools as its `tools/list` has them: then it is not asked before the first use.
        timeout (seconds, default the task's limit of a command): For one request.
        start_seconds (seconds, default 30 s): For its start and the first greeting.

    Shapes:
        tool: `name`, `description` and `inputSchema`, as the server says.
    """

    traits: ClassVar[Traits] = Traits()

    def __init__(self) -> None:
        self._door: Door | None = None
        self._web: WebHost | None = None
        self._outside: Outside | None = None

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """What may be claimed where it is configured so; of the world's own server, everything."""
        if config.get("url") is not None:
            return Traits(owned=False, deterministic=False, snapshots=False, sees_writes=False)
        if config.get("command") is not None:
            kept = config.get("files_are_state") is True
            return Traits(deterministic=False, snapshots=kept, sees_writes=False)
        return Traits()

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds; starts nothing.

        Raises:
            ConfigError: An unknown key or a bad value.
            Refused: Its host is served already.
            SandboxFault: A command has no sandbox here.
        """
        self._settings: Settings = settings_of(site)
        self._site = site
        self._store = site.rows()
        self.traits = self.claims(site.config)  # type: ignore[misc]  # only the instance knows
        if self._settings.external:
            from terrarium.capability.mcp.outside import Outside

            self._outside = Outside(site, self._settings, self._store)
            await self._outside.open()
            return
        self._door = Door(site)
        limits = HttpLimits(body_bytes=BODY_BYTES)
        self._web = WebHost(site, [self._settings.host], self._door, limits=limits)
        await self._web.open()

    async def ready(self) -> None:
        """Before a turn: another server is asked for its tools, once.

        Raises:
            CapabilityFault: It cannot be had.
        """
        if self._outside is not None:
            await self._outside.ready()

    def tools(self, agent: str) -> Sequence[Tool]:
        """Those of the other server that are known, for the agents that are served."""
        served = self._settings.agents
        if self._outside is None or (served is not None and agent not in served):
            return []
        return tools_of(self._site.name, self._outside.known(), self._use)

    def equipment(self, agent: str) -> Equipment:
        """Where the agent's programs find its tools, with which token, and the bridge for clients that use stdio."""
        if self._door is None:
            return Equipment()
        url = self._url
        env = {"MCP_URL": url, "TERRARIUM_MCP_URL": url, "TERRARIUM_MCP_TOKEN": self._door.tokens[agent]}
        return Equipment(env, {"mcp_bridge.py": Path(__file__).with_name("bridge.py").read_bytes()})

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            tool: By number: a tool of the other server, as it says.
        """
        return self._store.all()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """None: which tools the other server has is its own doing."""
        return []

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: The other server cannot be saved.
        """
        if self._outside is not None:
            await self._outside.save(to)
        self._store.save(to)

    async def close(self) -> None:
        """Serve nobody any more, and end a server that was started; idempotent."""
        if self._web is not None:
            await self._web.close()
        if self._door is not None:
            await self._door.close()
        if self._outside is not None:
            await self._outside.close()
        self._store.close()

    # -- the admin face -------------------------------------------------------------------------------------------

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where the world's own server is (`mcp_url`), or which other server this is (`mcp_url` or `command`)."""
        if self._settings.url is not None:
            return {"mcp_url": self._settings.url}
        if self._settings.command is not None:
            return {"command": [self._settings.command, *self._settings.args]}
        return {"mcp_url": self._url}

    @reads
    def token(self, agent: str) -> str:
        """What programs of an agent show the world's own server.

        Raises:
            NotFound: There is no such agent.
            Refused: This is another server.
        """
        if self._door is None:
            raise Refused(f"{self._site.name} is another server; tokens are for the world's own")
        if agent not in self._door.tokens:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._door.tokens)}")
        return self._door.tokens[agent]

    @writes(silent=True)
    def list_tools(self) -> list[dict[str, Value]]:
        """Ask the other server for its tools (each a `tool`); agents have them from their next turn on.

        Raises:
            Refused: This is the world's own server; or the other one says no.
        """
        outside = self._other()
        found: list[dict[str, Value]] = outside.wait(outside.ask_tools())
        outside.learn(found)
        return found

    @writes(silent=True)
    def call(self, tool: str, arguments: dict[str, Value] | None = None) -> Value:
        """Use a tool of the other server, by the server's own name for it.

        Args:
            tool: Its name.
            arguments: By name.

        Returns:
            Its data where it gives some; else its text, or a list of blocks where there is more than text.

        Raises:
            Refused: It says no, or broke off. This is the world's own server.
            CommandTimeout: It did not answer in time.
        """
        outside = self._other()
        return outside.wait(outside.call(tool, arguments or {}))

    @writes(silent=True)
    def list_resources(self) -> list[dict[str, Value]]:
        """The other server's resources: each `uri`, `name`, and `description` and `mimeType` where it says.

        Raises:
            Refused: It says no. This is the world's own server.
        """
        outside = self._other()
        found: list[dict[str, Value]] = outside.wait(outside.resources())
        return found

    @writes(silent=True)
    def read_resource(self, uri: str) -> list[dict[str, Value]]:
        """The contents of one of the other server's resources: each `uri`, and `text` or `blob` (base64).

        Raises:
            Refused: It says no. This is the world's own server.
        """
        outside = self._other()
        found: list[dict[str, Value]] = outside.wait(outside.resource(uri))
        return found

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _url(self) -> str:
        return f"http://{self._settings.host}{PATH}"

    def _other(self) -> Outside:
        if self._outside is None:
            raise Refused(f"{self._site.name} is the world's own server: its tools are those of the agents")
        return self._outside

    async def _use(self, tool: str, arguments: dict[str, Value]) -> Value:
        return await self._site.running(self._other().call(tool, arguments))
