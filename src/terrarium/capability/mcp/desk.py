"""The MCP server of one agent: the SDK's, over the agent's tools."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from terrarium.capability.mcp import sdk
from terrarium.capability.mcp.answer import as_answer, as_listed
from terrarium.core.errors import TerrariumError
from terrarium.core.proxy import Proxy
from terrarium.core.tool import ToolCall, failure

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server
    from mcp.server.session import ServerSession
    from mcp.server.subscriptions import InMemorySubscriptionBus

SESSIONS = 128  # of one agent at a time
IDLE_SECONDS = 300.0  # of wall time, after which a session that nobody uses ends
END_SECONDS = 5.0
LISTENERS = 16  # streams of one agent that wait for news
BODY_BYTES = 4 * 1024 * 1024

Message = MutableMapping[str, Any]


class Desk:
    """Serves the tools of one agent over streamable HTTP, answers in JSON. Nothing is imported before `serve`.

    Args:
        name: Of the server, as clients are told.
        proxy: Gives who acts for the agent; None: nobody does.
    """

    def __init__(self, name: str, proxy: Callable[[], Proxy | None]) -> None:
        self._name = name
        self._proxy = proxy
        self._app: Callable[..., Awaitable[None]] | None = None
        self._opening = asyncio.Lock()
        self._run: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._end = asyncio.Event()
        self._calls: set[asyncio.Future[Any]] = set()
        self._sessions: deque[ServerSession] = deque(maxlen=SESSIONS)
        self._bus: InMemorySubscriptionBus | None = None

    async def serve(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """One request.

        Raises:
            ConfigError: The SDK is not installed.
        """
        async with self._opening:
            if self._app is None:
                await self._open()
        assert self._app is not None
        await self._app(scope, receive, send)

    async def close(self) -> None:
        """End every session and every call; idempotent."""
        self._end.set()
        for call in self._calls:
            call.cancel()
        if self._run is not None and not self._run.done():
            await asyncio.wait({self._run}, timeout=END_SECONDS)
            self._run.cancel()

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        await sdk.load(sdk.SERVER)
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        manager = StreamableHTTPSessionManager(
            self._server(),
            json_response=True,
            session_idle_timeout=IDLE_SECONDS,
            max_sessions=SESSIONS,
            max_request_body_size=BODY_BYTES,
        )

        async def run() -> None:  # the SDK's groups of tasks must end in the task in which they began
            async with manager.run():
                self._ready.set()
                await self._end.wait()

        self._run = asyncio.ensure_future(run())
        await self._ready.wait()
        proxy = self._proxy()
        if proxy is not None:
            proxy.watch(self._changed)
        self._app = manager.handle_request

    def _server(self) -> Server[Any]:
        import mcp_types as types
        from mcp.server.lowlevel.server import NotificationOptions, Server
        from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

        async def tools(ctx: Any, params: Any) -> types.ListToolsResult:
            proxy = self._proxy()
            return types.ListToolsResult(tools=[as_listed(tool) for tool in (await proxy.tools() if proxy else ())])

        async def call(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
            wanted = ToolCall(params.name, params.arguments or {}, str(ctx.request_id)[:100])
            return as_answer(await self._kept(wanted))

        async def greeted(ctx: Any, params: Any) -> None:
            self._sessions.append(ctx.session)

        self._bus = InMemorySubscriptionBus()
        server: Server[Any] = Server(
            self._name,
            instructions="The tools of the agent whose token this is. Using one costs it a tool call of its turn.",
            on_list_tools=tools,
            on_call_tool=call,
            on_subscriptions_listen=ListenHandler(self._bus, max_subscriptions=LISTENERS),
        )
        server.add_notification_handler("notifications/initialized", types.NotificationParams, greeted)
        options = server.create_initialization_options(NotificationOptions(tools_changed=True))
        server.create_initialization_options = lambda *_: options  # type: ignore[method-assign]  # no other way to say it
        return server

    async def _kept(self, wanted: ToolCall) -> Any:
        """The result of a call, which goes on to its end where the client leaves: it stands in the journal."""
        proxy = self._proxy()
        if proxy is None:
            return failure(TerrariumError("nobody acts in this world"))
        running = asyncio.ensure_future(proxy.call(wanted))
        self._calls.add(running)
        running.add_done_callback(self._calls.discard)
        return await asyncio.shield(running)

    def _changed(self) -> None:
        """The agent has other tools now: those who asked for news are told."""
        telling = asyncio.ensure_future(self._tell())
        self._calls.add(telling)
        telling.add_done_callback(self._calls.discard)

    async def _tell(self) -> None:
        from mcp.server.subscriptions import ToolsListChanged

        assert self._bus is not None
        await self._bus.publish(ToolsListChanged())
        for session in list(self._sessions):
            try:
                async with asyncio.timeout(5.0):
                    await session.send_tool_list_changed()
            except Exception:  # that session has ended
                self._sessions.remove(session)
