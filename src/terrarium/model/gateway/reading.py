"""Reading JSON and streams that nobody may be trusted for: bounded in size and depth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from terrarium.core.errors import ModelFault, Refused, TerrariumError
from terrarium.core.message import Message, TextBlock
from terrarium.core.model import Completion
from terrarium.core.values import encode
from terrarium.model.wire.wire import Wire

DEPTH = 100


def parse(content: bytes | str) -> Any:
    """JSON of at most 100 levels.

    Raises:
        Refused: It is none.
    """
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
        Refused: One is no JSON object.
    """
    data: list[str] = []
    for line in (*content.decode("utf-8", "replace").splitlines(), ""):
        if line.startswith("data:"):
            data.append(line[5:].strip())
        elif not line and data:
            text, data = "\n".join(data), []
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
