"""Chromium's DevTools protocol over its debugging pipe: JSON messages that end with NUL, both ways on one stream."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from terrarium.core.errors import Refused

MESSAGE_LIMIT = 64 * 1024 * 1024  # bytes of one message

NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of an answer of another shape than Chromium gives."""

Hear = Callable[[str, Mapping[str, Any]], None]


class Gone(Refused):
    """The browser has ended: it crashed, or passed a cap of its sandbox."""


class Silent(Refused):
    """A page gives no answer; its browser is ended."""


class Denied(Refused):
    """Chromium says no to one call."""


class _Prompt(asyncio.StreamReaderProtocol):
    """Acknowledges at once what comes: Chromium sends the NUL behind a message only then, which took 40 ms each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        with contextlib.suppress(OSError):  # it is no TCP connection
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Devtools:
    """A connection to one Chromium; messages of its pages carry the session of the page. Made by `over`.

    What comes in was written by Chromium, and may have been chosen by a page: texts are cut and cleaned by who uses
    them.

    Attributes:
        seconds: How long an answer may take, of wall time.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        self.seconds = seconds
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hearing: dict[str, Hear] = {}
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def over(cls, connection: socket.socket, seconds: float) -> Devtools:
        """Talk over a connected stream socket."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MESSAGE_LIMIT)
        transport, protocol = await loop.create_connection(lambda: _Prompt(reader), sock=connection)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), seconds)

    @property
    def open(self) -> bool:
        """Whether Chromium is still there."""
        return not self._reading.done()

    def hear(self, hear: Hear, session: str = "") -> None:
        """Have `hear` told of the events of a session, or of the browser itself, as (method, parameters).

        It takes note and returns: nothing else is read meanwhile.
        """
        self._hearing[session] = hear

    def forget(self, session: str) -> None:
        """Tell nobody of a session any more."""
        self._hearing.pop(session, None)

    async def call(
        self, method: str, session: str = "", *, seconds: float | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """What a method gives.

        Raises:
            Denied: Chromium says no; with its message.
            Silent: It gave no answer for `seconds` of wall time, by default those of this connection.
            Gone: It has ended.
        """
        number, seconds = next(self._numbers), seconds or self.seconds
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        if not self.open:
            raise Gone(_GONE)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(json.dumps(message).encode() + b"\0")
            async with asyncio.timeout(seconds):
                await self._writer.drain()
                found = await answer
        except TimeoutError:
            raise Silent(f"the page gave no answer to {method} for {seconds:g} s") from None
        except OSError:
            raise Gone(_GONE) from None
        finally:
            self._waiting.pop(number, None)
        if "error" in found:
            raise Denied(str(found["error"].get("message", "no reason given"))[:300])
        result = found.get("result")
        return result if isinstance(result, dict) else {}

    async def close(self) -> None:
        """Hang up; Chromium ends. Idempotent."""
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if "id" in message:
                    waiting = self._waiting.get(message["id"])
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                    continue
                hear = self._hearing.get(message.get("sessionId", ""))
                if hear is not None:
                    hear(message["method"], message.get("params", {}))
        except (OSError, EOFError, RecursionError, asyncio.LimitOverrunError, *NONSENSE):
            pass  # it has ended, or says what nobody can take: it is of no use any more
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Gone(_GONE))


_GONE = "the browser has ended: it crashed or used more memory than it may; your next use of it starts another one"
