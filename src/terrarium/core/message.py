"""Messages between programs, agents and models, and what they cost in tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from terrarium.core.values import Value, record

Role = Literal["system", "user", "assistant", "tool"]


@record
@dataclass(frozen=True)
class TextBlock:
    """Text."""

    text: str
    type: Literal["text"] = "text"


@record
@dataclass(frozen=True)
class ThinkingBlock:
    """Reasoning that a model showed.

    `signature` is what its provider wants back with it, `origin` the wire format it came in, such as `anthropic`: it is
    sent to that provider again, and never to another.
    """

    thinking: str
    signature: str | None = None
    origin: str = ""
    type: Literal["thinking"] = "thinking"


@record
@dataclass(frozen=True)
class ImageBlock:
    """An image."""

    data: bytes
    media_type: str = "image/png"
    type: Literal["image"] = "image"


@record
@dataclass(frozen=True)
class ToolUseBlock:
    """A tool call that a model asks for; `input` is what it sent, as text where that is no JSON."""

    id: str
    name: str
    input: Value = field(default_factory=dict)
    signature: str | None = None
    """What the model's provider wants back with the call."""
    type: Literal["tool_use"] = "tool_use"


@record
@dataclass(frozen=True)
class ToolResultBlock:
    """What a tool call gave back."""

    tool_use_id: str
    content: str | None = None
    is_error: bool = False
    images: list[ImageBlock] = field(default_factory=list)
    type: Literal["tool_result"] = "tool_result"


Block = TextBlock | ThinkingBlock | ImageBlock | ToolUseBlock | ToolResultBlock


@record
@dataclass(frozen=True)
class Message:
    """One message: a role and text, or a list of content blocks."""

    role: str
    content: str | list[Block]

    @property
    def text(self) -> str:
        """All text of the message, blocks joined by line ends."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def tool_uses(self) -> list[ToolUseBlock]:
        """The tool calls the message asks for, in order."""
        return [] if isinstance(self.content, str) else [b for b in self.content if isinstance(b, ToolUseBlock)]


@record
@dataclass(frozen=True)
class Usage:
    """Tokens of one or more model calls.

    `input_tokens` counts everything sent, cached tokens included; `output_tokens` everything received, reasoning
    included; `cached_tokens` (read from a cache) and `cache_write_tokens` (written into one) say how much of the input,
    `reasoning_tokens` how much of the output that was.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cached_tokens - other.cached_tokens,
            self.reasoning_tokens - other.reasoning_tokens,
            self.cache_write_tokens - other.cache_write_tokens,
        )
