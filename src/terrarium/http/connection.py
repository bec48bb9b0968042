"""One HTTP/1.1 connection: requests in, answers out, one after the other. The protocol itself is h11's."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import h11

from terrarium.core.network import Caller
from terrarium.http.limits import HttpLimits

_PIECE = 64 * 1024


class Gone(OSError):
    """The client left, hangs, or sent what is not HTTP; what an application's `send` raises then."""


class Front(Protocol):
    """What a connection needs of its server."""

    app: Callable[..., Awaitable[None]]
    limits: HttpLimits

    @property
    def state(self) -> dict[str, Any]:
        """What the application's lifespan left for its requests."""
        ...

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers every answer has."""
        ...


class Connection:
    """One client.

    Args:
        server: Whose application and limits these are.
        reader: What the client sends.
        writer: Where the answers go.
        caller: Who it is.
        peer: Its address, where it has one.
        secure: Whether it speaks TLS.
    """

    def __init__(
        self,
        server: Front,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
        peer: tuple[str, int] | None,
        secure: bool,
    ) -> None:
        self._server = server
        self._limits = server.limits
        self._reader = reader
        self._writer = writer
        self._caller = caller
        self._peer = peer
        self._secure = secure
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.header_bytes)
        self._method = b""

    async def run(self) -> None:
        """Serve requests until the client leaves, or does what ends a connection.

        Raises:
            Exception: What the application raised.
        """
        try:
            while await self._one():
                if self._wire.our_state is h11.DONE and self._wire.their_state is h11.DONE:
                    self._wire.start_next_cycle()
                else:
                    return
        except Gone:
            return

    async def _one(self) -> bool:
        try:
            event = await self._next(asyncio.get_running_loop().time() + self._limits.idle_seconds)
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, "this is not HTTP/1.1 as RFC 9112 has it")
            return False
        except TimeoutError:
            return False
        if not isinstance(event, h11.Request):
            return False
        self._method = event.method
        exchange = _Exchange(self, event)
        size = len(event.target) + sum(len(name) + len(value) + 4 for name, value in event.headers)
        if size > self._limits.header_bytes:  # h11 counts only what is incomplete
            await self._refuse(431, f"a request's head may have {self._limits.header_bytes} bytes")
            return False
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
            await self._refuse(400, "a body has a length or chunks, not both")  # else two readers may see two requests
            return False
        declared = next((value for name, value in event.headers if name == b"content-length"), b"0")
        if int(declared) > self._limits.body_bytes:
            await self._refuse(413, f"a body may have {self._limits.body_bytes} bytes")
            return False
        try:
            await self._server.app(self._scope(event), exchange.receive, exchange.send)
        except Gone:
            return False
        except Exception:
            await self._refuse(500, "the service failed")
            raise
        if self._wire.our_state not in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            if self._wire.our_state is h11.SEND_RESPONSE:
                await self._refuse(500, "the service gave no answer")
            return False
        return await exchange.drain()

    def _scope(self, request: h11.Request) -> dict[str, Any]:
        path, _, query = request.target.partition(b"?")
        if b"://" in path:  # absolute form, as proxies are sent it
            path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.http_version.decode("ascii"),
            "method": request.method.decode("ascii"),
            "scheme": "https" if self._secure else "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(bytes(name), bytes(value)) for name, value in request.headers],
            "client": list(self._peer) if self._peer else None,
            "server": None,
            "state": dict(self._server.state),
            "extensions": {"terrarium": {"caller": self._caller}},
        }

    # -- the wire -------------------------------------------------------------------------------------------------

    async def _next(self, until: float) -> Any:
        """The next event of the client's; h11's errors are the caller's.

        Raises:
            TimeoutError: It did not come in time.
        """
        loop = asyncio.get_running_loop()
        begun = False
        while True:
            event = self._wire.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._wire.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(max(0.0, until - loop.time())):
                data = await self._reader.read(_PIECE)
            self._wire.receive_data(data)
            if not begun:  # the rest of what has begun must come in time, however slowly it drips
                begun, until = True, min(until, loop.time() + self._limits.request_seconds)

    async def _write(self, *events: Any) -> None:
        """Send events in one piece, which a small answer then is on the wire too."""
        data = b"".join(self._wire.send(event) or b"" for event in events)
        if data:
            self._writer.write(data)
            try:
                async with asyncio.timeout(self._limits.idle_seconds):
                    await self._writer.drain()
            except (OSError, TimeoutError) as error:
                raise Gone("the client left, or does not read") from error

    async def _refuse(self, status: int, reason: str) -> None:
        """Answer in the application's place and say that the connection ends; nothing where it has begun to answer."""
        if self._wire.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        text = f"{reason}\n".encode()
        headers = [
            *self._server.headers(),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            (b"connection", b"close"),
        ]
        try:
            body = [] if self._method == b"HEAD" else [h11.Data(data=text)]
            head = h11.Response(status_code=status, headers=headers, reason=reason_of(status))
            await self._write(head, *body, h11.EndOfMessage())
            await self._linger()
        except (Gone, h11.LocalProtocolError):
            pass

    async def _linger(self) -> None:
        """Take in what the client still sends for a moment: closing on it would make it lose the answer."""
        try:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(1.0):
                left = 16 * _PIECE
                while left > 0 and (data := await self._reader.read(_PIECE)):
                    left -= len(data)
        except (OSError, TimeoutError):
            pass


def reason_of(status: int) -> bytes:
    """The phrase beside a status code, which people read."""
    try:
        return http.HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


class _Exchange:
    """One request and its answer: what an application's `receive` and `send` do."""

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self._connection = connection
        self._wire = connection._wire
        self._head = request.method == b"HEAD"
        self._received = 0
        self._complete = False
        self._deadline = asyncio.get_running_loop().time() + connection._limits.request_seconds
        self._planned: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._ended = False
        self._expecting = any(name == b"expect" for name, _ in request.headers)
        self._reading = False

    async def receive(self) -> dict[str, Any]:
        if self._complete:
            return await self._departure()
        event = await self._piece()
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self._complete = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _piece(self) -> Any:
        connection, loop = self._connection, asyncio.get_running_loop()
        self._reading = True
        try:
            event = await connection._next(min(self._deadline, loop.time() + connection._limits.idle_seconds))
        except h11.RemoteProtocolError as error:
            await connection._refuse(error.error_status_hint, "the body is broken")
            raise Gone("the body is broken") from None
        except TimeoutError:
            await connection._refuse(408, "the body did not come")
            raise Gone("the body did not come") from None
        if isinstance(event, h11.Data):
            self._received += len(event.data)
            if self._received > connection._limits.body_bytes:
                await connection._refuse(413, f"a body may have {connection._limits.body_bytes} bytes")
                raise Gone("the body is too large")
        elif not isinstance(event, h11.EndOfMessage):
            raise Gone("the client left in the middle of a body")
        return event

    async def _departure(self) -> dict[str, Any]:
        """Wait until the client leaves, or has had its answer; what it sends meanwhile is kept for its turn."""
        connection = self._connection
        kept = 0
        while not self._ended:
            if kept > connection._limits.header_bytes:
                await asyncio.sleep(0.05)
                continue
            try:
                async with asyncio.timeout(0.5):
                    data = await connection._reader.read(_PIECE)
            except TimeoutError:
                continue
            except OSError:
                break
            connection._wire.receive_data(data)
            kept += len(data)
            if not data:
                break
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            if self._planned is not None:
                raise RuntimeError("an answer was begun twice")
            given = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            names = {name for name, _ in given}
            added = [header for header in self._connection._server.headers() if header[0] not in names]
            self._planned = (message["status"], [*added, *given])
        elif kind == "http.response.body":
            if self._planned is None and not self._ended:
                raise RuntimeError("a body came before its `http.response.start`")
            await self._body(bytes(message.get("body", b"")), bool(message.get("more_body", False)))
        else:
            raise RuntimeError(f"there is no message {kind!r}")

    async def _body(self, body: bytes, more: bool) -> None:
        if self._ended:
            raise RuntimeError("the answer has ended already")
        connection, events = self._connection, list[Any]()
        if self._wire.our_state is h11.SEND_RESPONSE and self._planned is not None:
            status, headers = self._planned
            framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)
            bodiless = status < 200 or status in (204, 304) or (self._head and not body)
            if not (more or framed or bodiless):
                headers = [*headers, (b"content-length", str(len(body)).encode())]
            events.append(h11.Response(status_code=status, headers=headers, reason=reason_of(status)))
        if body and not self._head:
            events.append(h11.Data(data=body))
        if not more:
            self._ended = True
            events.append(h11.EndOfMessage())
        await connection._write(*events)

    async def drain(self) -> bool:
        """Read what the application left of the body; False where the connection cannot go on."""
        wire = self._wire
        if self._complete or wire.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            return wire.their_state is h11.DONE or wire.their_state is h11.MUST_CLOSE
        if self._expecting and not self._reading:
            return False  # it was never asked for its body, and may send it or not
        try:
            while not self._complete:
                self._complete = isinstance(await self._piece(), h11.EndOfMessage)
        except Gone:
            return False
        return True
