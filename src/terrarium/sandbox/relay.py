"""A sandbox on the network by a stream of bytes alone: where its sockets cannot be had as descriptors.

`command()` is run in the sandbox; with what it reads and writes, a `Relay` is the sandbox's part of the network.
Services get accepted streams as from everywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import socket
import tempfile
from pathlib import Path

from terrarium.core.errors import NotFound, SandboxFault
from terrarium.sandbox.inside import relayed
from terrarium.sandbox.inside.relayed import DIAL, DONE, HOSTS, LISTEN, NUMBER, OPEN, Broken, Streams

_ANSWER_SECONDS = 10.0


def command(hosts: str = "/etc/hosts") -> list[str]:
    """What is to be run in the sandbox: a program for Python 3.8 or later, which it has to have.

    Args:
        hosts: The hosts file there, which the program must be allowed to write.
    """
    return ["python3", "-c", Path(relayed.__file__).read_text("utf-8"), hosts]


class Relay:
    """A member of a world's network (`core.network.Member`) at the other end of a stream.

    Args:
        reader: What the command in the sandbox writes.
        writer: What it reads.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams = Streams(reader, writer, self._asked)
        # For its owner only; below /tmp, as the paths of sockets must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="relay-", dir="/tmp"))
        self._ports: dict[int, str] = {}
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._dialled: dict[int, socket.socket] = {}
        self._next = 0
        self._running = asyncio.ensure_future(self._run())

    async def listen(self, address: str, port: int) -> socket.socket:
        """A listening, non-blocking socket that gets what connects to that port inside.

        Raises:
            SandboxFault: It cannot be opened there.
        """
        number = self._number()
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.setblocking(False)
            listener.bind(str(self._folder / str(number)))
            listener.listen(128)
            self._ports[number] = str(self._folder / str(number))
            await self._ask(LISTEN, number, f"{address} {port}".encode())
        except BaseException:
            self._ports.pop(number, None)
            listener.close()
            raise
        return listener

    async def dial(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking socket to a port that a process inside listens on.

        Raises:
            NotFound: Nobody listens there.
            SandboxFault: The sandbox cannot connect, or is gone.
        """
        number = self._number()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self._dialled[number] = theirs
        try:
            await self._ask(DIAL, number, f"{address} {port}".encode())
        except BaseException:
            ours.close()
            if self._dialled.pop(number, None) is not None:
                theirs.close()
            raise
        return ours

    async def name_hosts(self, hosts: str) -> None:
        """Replace the hosts file there.

        Raises:
            SandboxFault: It cannot be written, or the sandbox is gone.
        """
        await self._ask(HOSTS, self._number(), hosts.encode())

    async def close(self) -> None:
        """End the stream and every connection in it; idempotent."""
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    # -- inside ---------------------------------------------------------------------------------------------------

    def _number(self) -> int:
        self._next += 2
        return self._next

    async def _ask(self, kind: int, number: int, rest: bytes) -> None:
        if self._running.done():
            raise SandboxFault("the relay of this sandbox has ended")
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._streams.send(kind, number, rest)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                told = await answer
        except TimeoutError:
            raise SandboxFault(f"the relay of this sandbox has not answered for {_ANSWER_SECONDS:g} s") from None
        finally:
            del self._answers[number]
        if told:
            code, _, text = told.decode("utf-8", "replace").partition(" ")
            if kind == DIAL and code == str(errno.ECONNREFUSED):
                raise NotFound(f"nobody listens at {rest.decode()}")
            raise SandboxFault(f"the relay of this sandbox cannot do it: {text[:200]}")

    def _asked(self, kind: int, number: int, rest: bytes) -> None:
        """A frame from inside, where anybody may have written it."""
        if kind == OPEN and number % 2 and len(rest) == NUMBER.size:
            self._accept(number, self._ports.get(NUMBER.unpack(rest)[0]))
            return
        answer = self._answers.get(number)
        if kind != DONE or answer is None or answer.done():
            raise Broken(f"a frame of kind {kind} that nobody asked for")
        end = self._dialled.pop(number, None)
        if end is not None and not rest:
            self._streams.join(number, end)  # before what follows in the stream
        elif end is not None:
            end.close()
        answer.set_result(rest)

    def _accept(self, number: int, path: str | None) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            if path is None or self._streams.full():
                raise ConnectionRefusedError
            connection.connect(path)  # at once, or not at all
        except OSError:  # served no longer, or too many wait
            connection.close()
            self._streams.send(relayed.CLOSE, number)
            return
        self._streams.join(number, connection)

    async def _run(self) -> None:
        try:
            await self._streams.run()
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result(b"0 the stream has ended")
            shutil.rmtree(self._folder, ignore_errors=True)
