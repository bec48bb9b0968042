"""The standard input and output of a server in a sandbox, as the SDK's clients want them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from terrarium.core.errors import CapabilityFault
from terrarium.core.sandbox import ExecResult, Sandbox

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared.message import SessionMessage

LINE = 8 * 1024 * 1024  # bytes of one message
MESSAGES = 10_000  # between two requests of ours
BYTES = 4 * LINE  # the same
END_SECONDS = 2.0  # for a server to end once its input has
_FOR_EVER = 10_000_000.0
_SCRIPT = 'exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1; shift; exec "$@" <&3 >&3 3>&-'


class Stdio:
    """A server that runs as a command in a sandbox; an async context manager that gives its two streams.

    What it writes is read only while a request of ours is open, so one that floods its output waits in its own
    sandbox. What it writes to its standard error is kept for the message that says how it ended.

    Args:
        sandbox: Where it runs; open.
        argv: Program and arguments.
        env: Its variables.
        cwd: Where it starts.
        seconds: It must have started within.
    """

    def __init__(
        self, sandbox: Sandbox, argv: Sequence[str], env: Mapping[str, str], cwd: str | None, seconds: float
    ) -> None:
        self._sandbox = sandbox
        self._argv, self._env, self._cwd = list(argv), env, cwd
        self._seconds = seconds
        self._running: asyncio.Task[ExecResult] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._asked: set[str | int] = set()
        self._open = asyncio.Event()
        self._bytes = self._count = 0
        self._writer: asyncio.StreamWriter | None = None
        self.reason = ""
        """Why it ended, where that is known."""

    @property
    def ended(self) -> bool:
        """Whether the server has ended."""
        return self._running is not None and self._running.done()

    async def __aenter__(self) -> tuple[Any, Any]:
        """Start it.

        Raises:
            CapabilityFault: It ended at once.
            SandboxFault: The sandbox cannot run it.
        """
        import anyio

        reader = await self._started()
        into: MemoryObjectSendStream[SessionMessage | Exception]
        out: MemoryObjectReceiveStream[SessionMessage]
        into, read_stream = anyio.create_memory_object_stream[Any](0)
        write_stream, out = anyio.create_memory_object_stream[Any](0)
        self._tasks = [asyncio.ensure_future(self._read(reader, into)), asyncio.ensure_future(self._write(out))]
        return read_stream, write_stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._writer is not None:
            self._writer.close()
        await self._finished()

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _started(self) -> asyncio.StreamReader:
        """Start it with a connection for both streams, which the engine accepts inside the sandbox."""
        listener = await self._sandbox.listen("127.0.0.1", 0)
        try:
            argv = ["/bin/bash", "-c", _SCRIPT, "mcp", str(listener.getsockname()[1]), *self._argv]
            work = self._sandbox.exec(argv, timeout=_FOR_EVER, cwd=self._cwd, env=self._env)
            self._running = asyncio.ensure_future(work)
            connection = await self._accepted(listener)
        except BaseException:
            await self._finished()
            raise
        finally:
            listener.close()
        reader, self._writer = await asyncio.open_connection(sock=connection, limit=LINE)
        return reader

    async def _accepted(self, listener: socket.socket) -> socket.socket:
        assert self._running is not None
        accepting = asyncio.ensure_future(asyncio.get_running_loop().sock_accept(listener))
        try:
            await asyncio.wait({accepting, self._running}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if accepting.done():
                connection, _ = accepting.result()
                connection.setblocking(False)
                return connection
        finally:
            if not accepting.done():
                accepting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await accepting
        if self._running.done():
            raise CapabilityFault(f"the MCP server {self._argv[0]} {_told(self._running.result())}")
        raise CapabilityFault(f"the MCP server {self._argv[0]} did not start within {self._seconds:g} s")

    async def _finished(self) -> None:
        """Its input has ended: give it a moment, then end it and all that it started."""
        running = self._running
        if running is None:
            return
        await asyncio.wait({running}, timeout=END_SECONDS if self._writer is not None else 0.0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            self.reason = self.reason or _told(await running)

    async def _read(
        self, reader: asyncio.StreamReader, into: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        """Hand over message by message; whatever is wrong with them ends the connection."""
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        async with into:
            while True:
                await self._open.wait()
                try:
                    line = await reader.readline()
                except ValueError:
                    self.reason = f"sent a message of more than {LINE} bytes"
                    return
                except OSError:
                    return
                self._bytes, self._count = self._bytes + len(line), self._count + 1
                if not line:
                    if self._running is not None:
                        await asyncio.wait({self._running}, timeout=1.0)
                        self.reason = _told(self._running.result()) if self._running.done() else "closed its output"
                    return
                if self._bytes > BYTES or self._count > MESSAGES:
                    self.reason = f"sent more than {BYTES} bytes or {MESSAGES} messages for one request"
                    return
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    continue  # servers print; it is counted
                answered = getattr(message, "id", None) if not hasattr(message, "method") else None
                await into.send(SessionMessage(message))
                if answered is not None:
                    self._settle(answered)

    async def _write(self, out: MemoryObjectReceiveStream[SessionMessage]) -> None:
        assert self._writer is not None
        async with out:
            async for sent in out:
                message = sent.message
                method, number = getattr(message, "method", None), getattr(message, "id", None)
                if method is not None and number is not None:
                    self._asked.add(number)
                    self._bytes = self._count = 0
                    self._open.set()
                elif method == "notifications/cancelled":
                    self._settle((getattr(message, "params", None) or {}).get("requestId"))
                data = message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    self._writer.write(data.encode() + b"\n")
                    await self._writer.drain()
                except OSError:
                    return  # the reader finds out why

    def _settle(self, number: Any) -> None:
        self._asked.discard(number)
        if not self._asked:
            self._open.clear()


def _told(result: ExecResult) -> str:
    said = result.stderr.strip()[-1000:]
    return f"ended with code {result.exit_code}" + (f": {said}" if said else "")
