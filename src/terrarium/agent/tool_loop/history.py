"""What a tool loop remembers: its exchanges with the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock

PER_TOKEN = 4  # characters
IMAGE = 1500  # tokens, about, of one that fills a screen


@dataclass
class Exchange:
    """An instruction, or an answer of the model with the results of its calls, and what was told behind it.

    No call of it is answered elsewhere, so it can be dropped as a whole.
    """

    messages: list[Message] = field(default_factory=list)
    instruction: bool = False

    @property
    def tokens(self) -> int:
        """About how many tokens it has, by its characters."""
        return sum(tokens_of(message) for message in self.messages)


class History:
    """The exchanges of all turns so far.

    Attributes:
        exchanges: The oldest first; what compaction put in their place may stand among them.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._estimate = 0
        self._offset: int | None = None

    @property
    def messages(self) -> list[Message]:
        """All of them, in order."""
        return [message for exchange in self.exchanges for message in exchange.messages]

    def instruct(self, instruction: Message) -> None:
        """A turn begins."""
        self.exchanges.append(Exchange([], instruction=True))
        self._add(instruction)

    def answer(self, message: Message, input_tokens: int) -> None:
        """The model answered; `input_tokens` is what it was sent, 0 where nobody knows."""
        if input_tokens:
            self._offset = input_tokens - self._estimate
        self.exchanges.append(Exchange())
        self._add(message)

    def add(self, message: Message) -> None:
        """What belongs behind the last message: results, notices, notes. Notes to the user's side are joined."""
        last = self.exchanges[-1].messages
        if message.role == "user" and len(last) > 1 and last[-1].role == "user" and isinstance(last[-1].content, list):
            joined = Message("user", [*last[-1].content, *blocks_of(message)])
            self._estimate += tokens_of(message)
            last[-1] = joined
        else:
            self._add(message)

    def replace(self, exchanges: list[Exchange]) -> None:
        """Others stand in their place from now on."""
        self.exchanges = exchanges
        self._estimate = sum(exchange.tokens for exchange in exchanges)

    def size(self, overhead: Callable[[], Iterable[str]], least: int = 0) -> int:
        """About how many tokens a request has now: counted up to the last answer, where its usage is known.

        Args:
            overhead: What else is sent with it; looked at only where nothing was counted.
            least: Below that the exchanges alone are enough of an answer: most turns end long before it matters.
        """
        if self._offset is not None:
            return self._estimate + self._offset
        if self._estimate < least:
            return self._estimate
        return self._estimate + sum(map(len, overhead())) // PER_TOKEN

    def _add(self, message: Message) -> None:
        self.exchanges[-1].messages.append(message)
        self._estimate += tokens_of(message)

    def saved(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "exchanges": [[exchange.instruction, exchange.messages] for exchange in self.exchanges],
            "offset": self._offset,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Continue from what `saved` gave."""
        self.replace([Exchange(messages, instruction) for instruction, messages in saved["exchanges"]])
        self._offset = saved["offset"]


def blocks_of(message: Message) -> list[Any]:
    """The blocks of a message; text alone is one."""
    return [TextBlock(message.content)] if isinstance(message.content, str) else list(message.content)


def tokens_of(message: Message) -> int:
    """About how many tokens a message has, by its characters."""
    if isinstance(message.content, str):
        return len(message.content) // PER_TOKEN + PER_TOKEN
    characters = images = 0
    for block in message.content:
        if isinstance(block, TextBlock):
            characters += len(block.text)
        elif isinstance(block, ToolResultBlock):
            characters += len(block.content or "")
            images += len(block.images)
        elif isinstance(block, ToolUseBlock):
            characters += len(block.name) + _length(block.input)
        elif isinstance(block, ThinkingBlock):
            characters += len(block.thinking)
        elif isinstance(block, ImageBlock):
            images += 1
    return characters // PER_TOKEN + PER_TOKEN * len(message.content) + images * IMAGE


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    try:
        return len(json.dumps(value))
    except (TypeError, ValueError):
        return len(repr(value))
