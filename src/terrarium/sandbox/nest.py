"""The processes of a landlock sandbox, seen from the engine: one keeper, made by the zygote, and what is below it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrarium.core.errors import EngineFault, SandboxFault
from terrarium.sandbox.inside import nest as program
from terrarium.sandbox.zygote import Child, zygote

_LIMIT = 1 << 20
_SECONDS = 20.0


class Nest:
    """Starts commands below one keeper, until they are all ended together.

    Args:
        name: Of the sandbox, for messages.
        confined: With walls.
    """

    def __init__(self, name: str, *, confined: bool = True) -> None:
        self.over = False
        """Everything has ended; another nest is needed."""
        self._name = name
        self._words = [] if confined else ["unconfined"]
        self._child: Child | None = None
        self._link: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._still: asyncio.Future[None] | None = None
        self._count = 0
        self._why = "everything in it was ended"

    async def open(self, folder: Path, caps: Mapping[str, object]) -> None:
        """Start the keeper.

        Raises:
            SandboxFault: It cannot be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for side in (ours, theirs):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LIMIT)
        self._link = ours
        ours.setblocking(False)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._child = await zygote().spawn(
                [sys.executable, "-I", "-S", program.__file__, str(folder), *self._words],
                streams=(theirs.fileno(), null, null),
                env={"PATH": "/usr/bin:/bin"},
            )
        except EngineFault as error:
            raise SandboxFault(str(error)) from error
        finally:
            os.close(null)
            theirs.close()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SECONDS):
                told = json.loads(await loop.sock_recv(ours, _LIMIT) or b'{"fault": "it ended"}')
        except (OSError, TimeoutError) as error:
            told = {"fault": f"it does not answer: {error}"}
        if "fault" in told:
            await self.end()
            raise SandboxFault(f"commands cannot be kept in a folder here: {told['fault']}")
        ours.send(json.dumps({"caps": dict(caps)}).encode())
        loop.add_reader(ours, self._hear)

    def start(self, request: Mapping[str, Any], streams: tuple[int, int, int]) -> asyncio.Future[int]:
        """Start a command; its exit code comes later, or a SandboxFault where everything was ended.

        Raises:
            SandboxFault: It cannot be started.
        """
        if self._link is None or self.over:
            raise SandboxFault(f"the sandbox {self._name}: {self._why}")
        self._count += 1
        data = json.dumps({"id": self._count, **request}).encode()
        try:
            socket.send_fds(self._link, [data], list(streams))
        except OSError as error:
            raise SandboxFault(f"the command cannot be started: {error}") from error
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[self._count] = found
        return found

    async def still(self, wanted: bool) -> None:
        """Stop everything in it, or let it go on."""
        if self._link is None or self.over:
            return
        self._still = asyncio.get_running_loop().create_future()
        self._link.send(json.dumps({"still": wanted}).encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS):
                await self._still

    async def end(self) -> None:
        """End everything; idempotent. Returns when nothing is left."""
        self._over()
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(EngineFault, TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    await asyncio.shield(child.ended)

    def _over(self) -> None:
        self.over = True
        if self._link is not None:
            asyncio.get_running_loop().remove_reader(self._link)
            self._link.close()
            self._link = None
        for found in self._waiting.values():
            if not found.done():
                found.set_exception(SandboxFault(f"the sandbox {self._name}: {self._why}"))
                found.exception()  # whoever gave up waiting need not look
        self._waiting.clear()
        if self._still is not None and not self._still.done():
            self._still.set_result(None)

    def _hear(self) -> None:
        assert self._link is not None
        try:
            try:
                data = self._link.recv(_LIMIT)
            except ConnectionResetError:  # it left a request unread; what it told before that comes behind the error
                data = self._link.recv(_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        told: dict[str, Any] = json.loads(data) if data else {}
        if "exit" in told:
            found = self._waiting.pop(told["id"], None)
            if found is not None and not found.done():
                found.set_result(told["exit"])
        elif "still" in told:
            if self._still is not None and not self._still.done():
                self._still.set_result(None)
        else:
            if "cap" in told:
                self._why = f"the cap on {told['cap']} was passed, and everything in it was ended"
            self._over()
