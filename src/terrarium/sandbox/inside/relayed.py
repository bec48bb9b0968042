"""Many connections over one stream of bytes, and the end of it that runs inside a sandbox.

For sandboxes whose sockets cannot be had as descriptors, such as containers on another machine: a process started there
with `python3 -c` of this file has a stream to the engine, by attaching or executing, and nothing else. Standard library
only, and Python 3.8, because it runs in whatever image there is.

A frame is a head (kind, channel, length of the rest: 9 bytes, big-endian) and the rest. Each channel is one connection.
Of each, at most `WINDOW` bytes are on the way in one direction, so that one that nobody reads holds up no other. What
comes from a sandbox may come from its agent: whoever breaks these rules ends the whole stream, and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

HEAD = struct.Struct(">BII")
NUMBER = struct.Struct(">I")
DATA, END, CLOSE, CREDIT, OPEN, LISTEN, DIAL, HOSTS, DONE = range(9)
WINDOW = 256 * 1024
PIECE = 32 * 1024  # bytes of one frame of data
LONGEST = 4 * 1024 * 1024  # bytes of any other: a hosts file
CHANNELS = 1000


class Broken(Exception):
    """The other end does not keep to the rules."""


class Streams:
    """One end of the stream.

    Args:
        reader: What comes.
        writer: Where to write.
        asked: Told of every frame that is not of a channel: kind, number, rest. May raise `Broken`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Callable[[int, int, bytes], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = asked
        self._channels: dict[int, _Channel] = {}

    async def run(self) -> None:
        """Take frames until the stream ends; then every connection is closed."""
        try:
            while True:
                kind, number, length = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                if length > (PIECE if kind == DATA else LONGEST):
                    raise Broken(f"a frame of {length} bytes")
                self._take(kind, number, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, Broken):
            pass
        finally:
            for channel in list(self._channels.values()):
                channel.close()
            self._writer.close()

    def send(self, kind: int, number: int, rest: bytes = b"") -> None:
        """Write one frame."""
        if not self._writer.is_closing():
            self._writer.write(HEAD.pack(kind, number, len(rest)) + rest)

    async def drain(self) -> None:
        """Wait until there is room for more."""
        await self._writer.drain()

    def join(self, number: int, connection: socket.socket) -> None:
        """Make a connected, non-blocking socket the end of a channel; it is closed with it.

        Raises:
            Broken: There is such a channel already.
        """
        if number in self._channels:
            raise Broken(f"channel {number} is open already")
        self._channels[number] = _Channel(self, number, connection)

    def part(self, number: int) -> None:
        """Forget a channel."""
        self._channels.pop(number, None)

    def full(self) -> bool:
        """Whether there are as many channels as there may be."""
        return len(self._channels) >= CHANNELS

    def _take(self, kind: int, number: int, rest: bytes) -> None:
        if kind > CREDIT:
            self._asked(kind, number, rest)
        elif number in self._channels:  # else it was closed here a moment ago
            self._channels[number].take(kind, rest)


class _Channel:
    def __init__(self, streams: Streams, number: int, connection: socket.socket) -> None:
        self._streams = streams
        self._number = number
        self._socket = connection
        self._left = WINDOW
        self._room = asyncio.Event()
        self._coming: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting = 0
        self._ended = 0
        self._tasks = [asyncio.ensure_future(self._guard(work)) for work in (self._away(), self._in())]

    def take(self, kind: int, rest: bytes) -> None:
        if kind == DATA:
            self._waiting += len(rest)
            if self._waiting > WINDOW:
                raise Broken("more than the window")
            self._coming.put_nowait(rest)
        elif kind == END:
            self._coming.put_nowait(b"")
        elif kind == CLOSE:
            self.close()
        else:
            if len(rest) != NUMBER.size:
                raise Broken("no credit")
            self._left = min(WINDOW, self._left + NUMBER.unpack(rest)[0])
            self._room.set()

    def close(self) -> None:
        self._streams.part(self._number)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._socket.close()

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except OSError:  # who was at the socket left
            self._streams.send(CLOSE, self._number)
            self.close()
            return
        self._ended += 1
        if self._ended == 2:
            self.close()

    async def _away(self) -> None:
        """From the socket to the stream."""
        loop = asyncio.get_event_loop()
        while True:
            while self._left == 0:
                self._room.clear()
                await self._room.wait()
            data = await loop.sock_recv(self._socket, min(PIECE, self._left))
            if not data:
                self._streams.send(END, self._number)
                return
            self._left -= len(data)
            self._streams.send(DATA, self._number, data)
            await self._streams.drain()

    async def _in(self) -> None:
        """From the stream to the socket."""
        loop = asyncio.get_event_loop()
        while True:
            data = await self._coming.get()
            if not data:
                self._socket.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(self._socket, data)
            self._waiting -= len(data)
            self._streams.send(CREDIT, self._number, NUMBER.pack(len(data)))


class Inside:
    """What runs in the sandbox: opens ports there, and connects to them, as the engine says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hosts: str) -> None:
        self._streams = Streams(reader, writer, self._asked)
        self._hosts = hosts
        self._next = 1  # odd: the engine's are even
        self._tasks: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Serve until the stream ends."""
        await self._streams.run()

    def _asked(self, kind: int, number: int, rest: bytes) -> None:
        task = asyncio.ensure_future(self._answer(kind, number, rest))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, kind: int, number: int, rest: bytes) -> None:
        told = b""
        try:
            if kind == LISTEN:
                self._listen(number, _place(rest))
            elif kind == DIAL:
                await self._dial(number, _place(rest))
            elif kind == HOSTS:
                with open(self._hosts, "wb") as file:
                    file.write(rest)
        except OSError as error:
            told = f"{error.errno} {error.strerror or error}".encode()
        self._streams.send(DONE, number, told)

    def _listen(self, number: int, place: tuple[str, int]) -> None:
        listener = _socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
        task = asyncio.ensure_future(self._accept(listener, number))
        self._tasks.add(task)

    async def _accept(self, listener: socket.socket, number: int) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_event_loop().sock_accept(listener)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._streams.full():
                connection.close()
                continue
            channel, self._next = self._next, self._next + 2
            self._streams.send(OPEN, channel, NUMBER.pack(number))
            self._streams.join(channel, connection)

    async def _dial(self, number: int, place: tuple[str, int]) -> None:
        connection = _socket()
        try:
            await asyncio.get_event_loop().sock_connect(connection, place)
        except OSError:
            connection.close()
            raise
        self._streams.join(number, connection)


def _place(rest: bytes) -> tuple[str, int]:
    address, port = rest.decode().split()
    return address, int(port)


def _socket() -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    return made


async def _main(hosts: str) -> None:
    loop = asyncio.get_event_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, sys.stdin.buffer)
    transport, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout.buffer)
    writer = asyncio.StreamWriter(transport, flow, None, loop)
    await Inside(reader, writer, hosts).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else "/etc/hosts"))
