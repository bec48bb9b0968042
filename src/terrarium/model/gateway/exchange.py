"""One request at the gateway and its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.model import Completion, Forwarding, Model
from terrarium.core.secrets import Secrets
from terrarium.model.gateway.reading import aside, completion_of, plain, received_of
from terrarium.model.gateway.wires import wire
from terrarium.model.wire.wire import Asked, Wire

ANSWER_BYTES = 32 * 1024 * 1024
"""Of one answer; a model that says more is cut off."""
_ERROR_BYTES = 64 * 1024
_SSE = b"text/event-stream; charset=utf-8"
_ASIDE = (401, 403)  # answers that speak of the engine's own key


class Left(Exception):
    """Whoever asked is gone; never leaves this room."""


class Exchange:
    """Answers one request.

    Args:
        spoken: The wire format in which errors are told.
        send: Of the ASGI connection.
    """

    def __init__(self, spoken: str, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        self._spoken = spoken
        self._send = send
        self._begun = self._done = False

    # -- asking the model -----------------------------------------------------------------------------------------

    async def generate(self, model: Model, asked: Asked, content: bytes) -> Completion:
        """Ask by the model's client, whatever API the request is in.

        Raises:
            ModelFault: As `Model.generate`.
        """
        completion = await model.generate(asked.messages, asked.tools)
        return plain(completion if completion.request else replace(completion, request=_digest(content)))

    async def forward(
        self,
        model: Forwarding,
        spoken: Wire,
        body: Mapping[str, Any],
        path: str,
        headers: Mapping[str, str],
        content: bytes,
    ) -> Completion:
        """Send the request on as it is, and its answer back as it comes; what it says is read besides.

        Raises:
            ModelFault: There was none, or it broke off, or cannot be read; what came has been passed on.
        """
        received = bytearray()
        async with model.forward(body, path, headers) as answer:
            stream = "event-stream" in answer.media_type or "stream" in path
            if answer.status >= 400:
                await self._pass_error(answer.status, answer.media_type, answer.chunks)
            await self._start(answer.status, answer.media_type.encode("latin-1", "replace"))
            async for chunk in answer.chunks:
                received += chunk
                if len(received) > ANSWER_BYTES:
                    raise ModelFault(f"the model's answer is over {ANSWER_BYTES >> 20} MiB")
                try:
                    await self._write(chunk)
                except Left:  # it still was a step, and what had come is what the agent's program has seen
                    part = await aside(len(received), received_of, spoken, bytes(received))
                    return plain(replace(part, request=_digest(content)))
        whole = stream or body.get("stream") is True
        completion = await aside(len(received), completion_of, spoken, bytes(received), whole)
        return replace(completion, request=_digest(content))

    async def _pass_error(self, status: int, media_type: str, chunks: Any) -> None:
        """Pass on an answer that is an error.

        Raises:
            ModelFault: Always.
        """
        told = bytearray()
        async for chunk in chunks:
            told += chunk[: max(0, _ERROR_BYTES - len(told))]
        told = bytearray(Secrets.of({}).scrub_bytes(bytes(told)))  # some providers quote the key that they refuse
        if status not in _ASIDE:
            await self._whole(status, bytes(told), media_type.encode("latin-1", "replace"))
        kind = ModelRefused if 400 <= status < 500 and status not in (408, 409, 429) else ModelFault
        raise kind(f"the model's provider answers with {status}: {told[:500].decode('utf-8', 'replace')}")

    # -- answering ------------------------------------------------------------------------------------------------

    async def completion(self, spoken: Wire, completion: Completion, asked: Asked, *, listed: bool) -> None:
        """Answer in a wire format.

        Args:
            spoken: Which.
            completion: The answer.
            asked: What was asked: whether as a stream.
            listed: Google's streams are a list of JSON, where nothing else is asked for.
        """
        if not asked.stream:
            await self.json(200, spoken.answer(completion, asked))
            return
        if spoken.name == "google" and listed:
            events = [data for _, data in spoken.events(completion, asked) if not isinstance(data, str)]
            await self._whole(200, json.dumps(events).encode(), b"application/json")
            return
        await self._start(200, _SSE)
        for name, data in spoken.events(completion, asked):
            head = f"event: {name}\n" if name else ""
            await self._write(f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())
        await self.finish()

    async def json(self, status: int, body: Any) -> None:
        """Answer with JSON."""
        await self._whole(status, json.dumps(body).encode(), b"application/json")

    async def error(self, status: int, message: str, *, final: bool = False) -> None:
        """Answer with an error; one that has begun to answer already breaks off instead.

        Args:
            status: Of HTTP.
            message: What the program is told.
            final: Nothing is gained by asking again.

        Raises:
            Left: The answer had begun: the connection must end for the program to see that it is not whole.
        """
        if self._done:
            return
        if self._begun:
            raise Left
        body = json.dumps(wire(self._spoken).error(status, message)).encode()
        await self._whole(status, body, b"application/json", *([(b"x-should-retry", b"false")] if final else []))

    async def finish(self) -> None:
        """The stream is whole."""
        if not self._done:
            await self._body(b"", more=False)
            self._done = True

    async def _whole(self, status: int, body: bytes, media_type: bytes, *more: tuple[bytes, bytes]) -> None:
        await self._start(status, media_type, *more)
        await self._body(body, more=False)
        self._done = True

    async def _start(self, status: int, media_type: bytes, *more: tuple[bytes, bytes]) -> None:
        self._begun = True
        headers = [(b"content-type", media_type or b"application/json"), *more]
        await self._tell({"type": "http.response.start", "status": status, "headers": headers})

    async def _write(self, data: bytes) -> None:
        await self._body(data, more=True)

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._tell({"type": "http.response.body", "body": data, "more_body": more})

    async def _tell(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except Exception as error:
            self._begun = self._done = True
            raise Left from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
