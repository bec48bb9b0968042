"""Reading JSON and streams that nobody may be trusted for: bounded in size, parts and depth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from terrarium.core.errors import ModelFault, Refused, TerrariumError
from terrarium.core.message import Message, TextBlock
from terrarium.core.model import Completion
from terrarium.core.values import encode
from terrarium.model.event_stream import EventStream
from terrarium.model.wire.wire import Wire

T = TypeVar("T")

DEPTH = 100
_MANY = 256 * 1024  # bytes
PARTS = 1_000_000
"""Of one text of JSON. Python reads it in one go, in which nothing else is done: for so many that is a second."""


async def aside(size: int, reads: Callable[..., T], *what: Any) -> T:
    """What `reads` makes of so many bytes; of many in a thread, so that the other trials of this process go on."""
    return await asyncio.to_thread(reads, *what) if size > _MANY else reads(*what)


def parts_of(content: bytes | str) -> int:
    """How many items and objects a text of JSON can have at most; what its texts hold is counted too."""
    if isinstance(content, str):
        return sum(content.count(sign) for sign in ",[{")
    return sum(content.count(sign) for sign in (b",", b"[", b"{"))


def parse(content: bytes | str) -> Any:
    """JSON of at most 100 levels and a million parts.

    Raises:
        Refused: It is none.
    """
    if parts_of(content) > PARTS:
        raise Refused(f"the body has more than {PARTS} parts")
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is no JSON: {type(error).__name__}: {error!s:.200}") from None
    level = [tree]
    for _ in range(DEPTH):
        level = [item for branch in level for item in _items(branch)]
        if not level:
            return tree
    raise Refused(f"the body is nested more than {DEPTH} levels deep")


def _items(branch: Any) -> list[Any]:
    found = branch.values() if isinstance(branch, dict) else branch if isinstance(branch, list) else ()
    return [item for item in found if isinstance(item, (dict, list))]


def events_of(content: bytes) -> Iterator[Mapping[str, Any]]:
    """The data of the events of a stream, as far as it is whole.

    Raises:
        ModelFault: One is too large, or no text.
        Refused: One is no JSON object.
    """
    stream = EventStream(len(content))
    for text in (*stream.feed(content), *stream.end()):
        if text == "[DONE]":
            return
        event = parse(text)
        if not isinstance(event, dict):
            raise Refused("an event of the stream is no JSON object")
        yield event


def completion_of(wire: Wire, content: bytes, stream: bool) -> Completion:
    """What an answer says that went through as it came.

    Raises:
        ModelFault: It is none.
    """
    try:
        if not stream:
            body = parse(content)
        elif content.lstrip()[:1] == b"[":  # Google's streams without `alt=sse`
            body = wire.assemble(parse(content))
        else:
            body = wire.assemble(events_of(content))
        if not isinstance(body, dict):
            raise ModelFault("the model's answer is no JSON object")
        return plain(wire.read_answer(body))
    except Refused as error:
        raise ModelFault(f"the model's answer cannot be read: {error}") from None


def plain(completion: Completion) -> Completion:
    """It, where it can be written down.

    Raises:
        ModelFault: It cannot.
    """
    try:
        encode(completion)
    except (TerrariumError, RecursionError) as error:
        raise ModelFault(f"the model's answer cannot be written down: {error!s:.200}") from None
    return completion


def received_of(wire: Wire, content: bytes) -> Completion:
    """What of an answer had come when whoever asked left."""
    said: list[str] = []
    try:
        for event in events_of(content):
            said.append(wire.text_of(event))
    except (Refused, ModelFault):
        pass
    return Completion(Message("assistant", [TextBlock("".join(said))]), "other")
