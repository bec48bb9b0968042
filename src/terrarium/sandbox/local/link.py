"""The engine's line to the first process of a sandbox, `terrarium.sandbox.inside.init`."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.core.errors import SandboxFault

_ROOM = 160 * 1024
_DESCRIPTORS = 253


@dataclass
class Answer:
    """What came back: words, bytes, and descriptors that the receiver owns."""

    words: dict[str, Any]
    content: bytes = b""
    descriptors: list[int] = field(default_factory=list)

    def all_content(self) -> bytes:
        """The bytes, also where they came as a file in memory; its descriptor is closed."""
        if not self.words.get("memory"):
            return self.content
        file = self.descriptors.pop()
        try:
            return os.pread(file, os.fstat(file).st_size, 0)
        finally:
            os.close(file)

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


class Link:
    """Requests and their answers. Lives on the engine's event loop.

    Args:
        told: Called with what the sandbox says of itself.
    """

    def __init__(self, told: Callable[[dict[str, Any]], None]) -> None:
        self._told = told
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._count = 0
        self._held: list[int] = []
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Answer] = self._loop.create_future()
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._loop.add_reader(self._ours, self._hear)
        self.open = True

    async def ask(self, op: str, content: bytes = b"", descriptors: Sequence[int] = (), **words: Any) -> Answer:
        """Have something done inside.

        Raises:
            OSError: It went wrong inside; with its errno.
            SandboxFault: The sandbox is gone.
        """
        if not self.open:
            raise SandboxFault("the sandbox is gone")
        self._count += 1
        number = self._count
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[number] = future
        data = json.dumps({"id": number, "op": op, **words}).encode() + b"\n" + content
        while True:
            try:
                socket.send_fds(self._ours, [data], descriptors)
                break
            except BlockingIOError:
                await asyncio.sleep(0.001)
            except OSError as error:
                self._waiting.pop(number, None)
                raise SandboxFault(f"the sandbox is gone: {error.strerror}") from error
        answer = await future
        if "errno" in answer.words:
            raise OSError(answer.words["errno"], os.strerror(answer.words["errno"]))
        return answer

    def close(self) -> None:
        """Let go: the sandbox ends."""
        self.theirs.close()
        if self.open:
            self.open = False
            self._loop.remove_reader(self._ours)
            self._ours.close()
        for future in [self.ready, *self._waiting.values()]:
            if not future.done():
                future.set_exception(SandboxFault("the sandbox is gone"))
                future.exception()  # nobody need ask
        self._waiting.clear()
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()

    def _hear(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._ours, _ROOM, _DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.close()
            return
        head, _, content = data.partition(b"\n")
        words: dict[str, Any] = json.loads(head)
        self._held += descriptors
        if words.get("more"):
            return
        answer, self._held = Answer(words, content, self._held), []
        if "id" in words:
            waiting: asyncio.Future[Answer] | None = self._waiting.pop(words["id"], None)
        elif "ready" in words or "failed" in words:
            waiting = self.ready
        else:
            self._told(words)
            waiting = None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        else:
            answer.close()
