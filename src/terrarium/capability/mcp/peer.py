"""Another MCP server, connected at its first use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from terrarium.capability.mcp import sdk
from terrarium.capability.mcp.stdio import Stdio
from terrarium.core.errors import CapabilityFault, CommandTimeout, Refused, TerrariumError

if TYPE_CHECKING:
    from mcp.client.client import Client

T = TypeVar("T")


class Peer:
    """A connection to one server, made again where it has broken.

    Args:
        name: Of the capability, for messages.
        reach: Makes the SDK's transport: a `Stdio`, or one over HTTP.
        mode: How the version is agreed on; see the SDK's `Client`.
        seconds: For a request.
        start_seconds: For the connection, the server's start included.
    """

    def __init__(
        self,
        name: str,
        reach: Callable[[], Any],
        *,
        mode: Literal["auto", "legacy"],
        seconds: float,
        start_seconds: float,
    ) -> None:
        self._name = name
        self._reach = reach
        self._mode: Literal["auto", "legacy"] = mode
        self._seconds, self._start_seconds = seconds, start_seconds
        self._client: Client | None = None
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._connecting = asyncio.Lock()

    async def ask(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """What the server answers.

        Raises:
            ConfigError: The SDK is not installed.
            CapabilityFault: The server cannot be had.
            Refused: It said no, answered nonsense, or broke off; at the next request it is started again.
            CommandTimeout: It did not answer in time.
        """
        client = await self._connected()
        transport = self._transport
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED

        try:
            async with asyncio.timeout(self._seconds):
                return await work(client)
        except TimeoutError:
            why = f"{self._name}: the MCP server did not answer within {self._seconds:g} s"
            if isinstance(transport, Stdio):  # it may be stuck for good
                await self._drop(client)
                why += "; it is started again when it is used"
            raise CommandTimeout(why) from None
        except MCPError as error:
            if error.error.code != CONNECTION_CLOSED:
                raise Refused(f"{error.error.message[:2000]}", code=str(error.error.code)) from None
        except (TerrariumError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise Refused(f"{self._name}: the MCP server's answer cannot be used: {str(error)[:500]}") from None
        await self._drop(client)
        why = _reason(transport) or "broke off"
        raise Refused(f"{self._name}: the MCP server {why}; it is started again when it is used")

    async def close(self) -> None:
        """End the connection, and a server that was started for it; idempotent."""
        task, connected = self._task, self._client is not None
        self._task = self._client = None
        if task is None:
            return
        self._end.set()
        if connected:
            await asyncio.wait({task}, timeout=10.0)
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _drop(self, client: Client) -> None:
        """Let go of a connection that has failed, unless another caller has done so."""
        if self._client is client:
            await self.close()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is not None and isinstance(self._transport, Stdio) and self._transport.ended:
                await self.close()
            if self._client is None:
                await self.close()
                await sdk.load(sdk.CLIENT)
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Client:
        self._end = asyncio.Event()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._transport = None
        self._task = asyncio.ensure_future(self._run(ready, self._end))
        try:
            async with asyncio.timeout(self._start_seconds):
                return await asyncio.shield(ready)
        except TimeoutError:
            why = f"did not greet back within {self._start_seconds:g} s"
        except TerrariumError:
            await self.close()
            raise
        except Exception as error:
            why = f"cannot be used: {_innermost(error)}"
        except BaseException:
            await self.close()
            raise
        await self.close()
        raise CapabilityFault(f"{self._name}: the MCP server {_reason(self._transport) or why}")

    async def _run(self, ready: asyncio.Future[Client], end: asyncio.Event) -> None:
        """Hold the connection: the SDK's groups of tasks must end in the task in which they began."""
        from mcp.client.client import Client
        from mcp_types import Implementation

        self._transport = self._reach()
        client = Client(
            self._transport, mode=self._mode, client_info=Implementation(name="terrarium", version="1"), cache=None
        )
        try:
            async with client:
                ready.set_result(client)
                await end.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
                ready.exception()
        finally:
            if not ready.done():
                ready.set_exception(CapabilityFault(f"{self._name}: it was closed"))
                ready.exception()


def _reason(transport: Any) -> str:
    """Why a command ended, where it is one and that is known."""
    return transport.reason if isinstance(transport, Stdio) else ""


def _innermost(error: BaseException) -> str:
    """What a group of exceptions is about."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error)[:500]}"
