"""The contract of a language model's client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from terrarium.core.message import Message, Usage
from terrarium.core.tool import Tool
from terrarium.core.values import record

ModelStop = Literal["end", "tool_use", "length", "refusal", "other"]


@record
@dataclass(frozen=True)
class Completion:
    """One answer of a model.

    `request` is the digest of what was asked; `cost` is in US dollars; token ids and log-probabilities are there where
    the server gives them, as received. How long it took stands in the event's `wall`, not here.
    """

    message: Message
    stop: str = "end"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request: str = ""
    cost: float | None = None
    prompt_token_ids: list[int] | None = None
    completion_token_ids: list[int] | None = None
    logprobs: list[float] | None = None


class Model(Protocol):
    """A client of one language model. Safe to use from several agents at once."""

    name: str

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Answer `messages`, with `tools` on offer.

        Raises:
            ModelFault: No usable answer after the client's own retries.
        """
        ...

    async def close(self) -> None:
        """Give up connections; idempotent."""
        ...
