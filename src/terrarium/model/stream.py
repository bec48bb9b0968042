"""An answer that comes in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from terrarium.model.answer import json_object
from terrarium.model.event_stream import EventStream
from terrarium.model.wire.wire import Tree, Wire

_LAST = ("message_stop", "response.completed", "response.incomplete")
"""Types of events after which nothing comes that belongs to the answer."""


class Stream:
    """What came of it so far.

    Args:
        wire: The format it is in.
        said: Called with each piece of text.
    """

    def __init__(self, wire: Wire, said: Callable[[str], None] | None = None) -> None:
        self.ended = False
        """Whether it said that this was all."""
        self._wire = wire
        self._said = said
        self._lines = EventStream()
        self._events: list[Tree] = []

    def feed(self, chunk: bytes) -> None:
        """Take in a chunk.

        Raises:
            ModelFault: It is malformed, or too large.
        """
        self._take_in(self._lines.feed(chunk))

    def answer(self) -> Tree:
        """The body of the whole answer; nothing follows.

        Raises:
            ModelFault: It was cut off, or tells of an error.
        """
        self._take_in(self._lines.end())
        return self._wire.assemble(self._events)

    def _take_in(self, texts: Sequence[str]) -> None:
        for text in texts:
            if self.ended:
                return
            if text == "[DONE]":  # some servers end every stream as OpenAI does
                self.ended = True
                return
            event = json_object(text)
            self._events.append(event)
            if self._said is not None and (piece := self._wire.text_of(event)):
                self._said(piece)
            self.ended = event.get("type") in _LAST
