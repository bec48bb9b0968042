"""The contract of a language model's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from terrarium.core.message import Message, Usage
from terrarium.core.tool import Tool
from terrarium.core.values import record

ModelStop = Literal["end", "tool_use", "length", "refusal", "other"]


@record
@dataclass(frozen=True)
class Completion:
    """One answer of a model.

    `request` is the digest of what was asked; `cost` is in US dollars, None where no price is known; `retries` counts,
    by class of failure, how often it was asked in vain before; token ids and log-probabilities are there where the
    server gives them, as received. How long it took stands in the event's `wall`, not here.
    """

    message: Message
    stop: str = "end"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request: str = ""
    cost: float | None = None
    retries: dict[str, int] = field(default_factory=dict)
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
            ModelRefused: There will never be one: a wrong key, an unknown model, a request that is not taken.
        """
        ...

    async def close(self) -> None:
        """Give up connections; idempotent."""
        ...


@runtime_checkable
class Structured(Protocol):
    """A model whose answers can be held to a schema while they are decoded."""

    async def generate_json(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """Answer with one text that is JSON and fits `schema`.

        Raises:
            ModelFault: As `Model.generate`.
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """A model whose words can be had as they come."""

    async def generate_streaming(
        self, messages: Sequence[Message], tools: Sequence[Tool], said: Callable[[str], None]
    ) -> Completion:
        """As `Model.generate`; `said` is called with each piece of text on the way.

        Raises:
            ModelFault: As `Model.generate`.
        """
        ...


@dataclass(frozen=True)
class Forwarded:
    """A provider's answer to a request in its own wire format, on its way: `chunks` are its bytes as they come."""

    status: int
    media_type: str
    chunks: AsyncIterator[bytes]


@runtime_checkable
class Forwarding(Protocol):
    """A client of a provider to which requests can be sent on that are in the provider's wire format already."""

    wire: str
    """The name of the format: `openai_chat`, `openai_responses`, `anthropic` or `google`."""

    def forward(
        self, body: Mapping[str, Any], path: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Forwarded]:
        """Send a request with the client's own key, for the client's own model, whatever model `body` names.

        Args:
            body: The request.
            path: Below the base address, such as `/v1/messages`; the query is part of it.
            headers: Those of the request that say how it is meant (`anthropic-beta`, ...); none that authenticates.

        Raises:
            ModelFault: Nobody answers after the client's own retries. An answer that is an error is an answer.
        """
        ...
