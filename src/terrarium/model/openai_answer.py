"""An answer of OpenAI's APIs as it comes in, and what it may not be: no JSON, too large, no answer to the question."""

from __future__ import annotations

import json
from collections.abc import Callable

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.message import TextBlock, ThinkingBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.model.event_stream import EVENT_LIMIT, EventStream
from terrarium.model.wire.wire import Tree, Wire


class Heard:
    """What came of a stream so far.

    Args:
        wire: The format it is in.
        said: Called with each piece of text.
    """

    def __init__(self, wire: Wire, said: Callable[[str], None] | None = None) -> None:
        self.all = False
        """Whether it said that this was all."""
        self._wire = wire
        self._said = said
        self._stream = EventStream()
        self._events: list[Tree] = []

    def feed(self, chunk: bytes) -> bool:
        """Take in a chunk; whether an event ended in it.

        Raises:
            ModelFault: It is malformed, or too large.
        """
        found = self._stream.feed(chunk)
        for data in found:
            self._take_in(data)
        return bool(found)

    def end(self) -> None:
        """Nothing follows."""
        for data in self._stream.end():
            self._take_in(data)

    def answer(self) -> Tree:
        """The body of the whole answer.

        Raises:
            ModelFault: It was cut off.
        """
        return self._wire.assemble(self._events)

    def _take_in(self, data: str) -> None:
        if self.all or data == "[DONE]":
            self.all = True
            return
        event = tree_of(data)
        self._events.append(event)
        if self._said is not None and (text := self._wire.text_of(event)):
            self._said(text)


def tree_of(text: str | bytes | bytearray) -> Tree:
    """The object that JSON spells.

    Raises:
        ModelFault: It is none.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFault(f"the answer is malformed: {str(error)[:200]}") from None
    if not isinstance(tree, dict):
        raise ModelFault("the answer is malformed: it is no object")
    return tree


def check_size(completion: Completion) -> None:
    """Refuse an answer that is too large to be worked with.

    Raises:
        ModelFault: It is.
    """
    size = 0
    for block in completion.message.content:
        if isinstance(block, TextBlock):
            size += len(block.text)
        elif isinstance(block, ThinkingBlock):
            size += len(block.thinking)
        elif isinstance(block, ToolUseBlock):
            size += len(block.input) if isinstance(block.input, str) else len(json.dumps(block.input))
    if size > EVENT_LIMIT:
        raise ModelFault(f"the answer is larger than {EVENT_LIMIT >> 20} MiB")


def check_json(completion: Completion) -> None:
    """Refuse an answer that should be JSON and is not.

    Raises:
        ModelFault: It is something else.
        ModelRefused: It never will be: the model refuses, or may not say that much.
    """
    if completion.stop in ("refusal", "length"):
        why = "it refuses" if completion.stop == "refusal" else "max_tokens are too few for it"
        raise ModelRefused(f"no JSON came: {why}", code=completion.stop)
    text = completion.message.text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFault(f"the answer is no JSON: {text[:100]!r}") from None
