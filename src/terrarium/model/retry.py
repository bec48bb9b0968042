"""Retries of a model's client: what is worth asking again, how often, and how long to wait before."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.model.pace import Pace

T = TypeVar("T")

Kind = Literal["rate_limit", "server", "connection", "timeout", "stalled", "malformed", "refused"]


@dataclass(frozen=True)
class Failure:
    """Why a request came to nothing.

    Attributes:
        kind: `refused` is never asked again; everything else is.
        message: What happened, without secrets.
        retry_after: Seconds that the provider asks for.
        code: The HTTP status, or the provider's word for it.
    """

    kind: Kind
    message: str
    retry_after: float | None = None
    code: str | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a request is sent again.

    Attributes:
        retries: How often at most, after the first time.
        min_wait: Seconds before the first of them; each further waits twice as long, up to a third more by chance.
        max_wait: Seconds at most; what a provider asks for is waited for up to ten times as long.
        patience: Seconds from the first time after which it is not sent again: a provider that is down shall be told of
            before the turn's time is over, which would count as the agent's.
    """

    retries: int = 6
    min_wait: float = 0.5
    max_wait: float = 60.0
    patience: float = 300.0

    def wait(self, number: int, failure: Failure) -> float:
        """Seconds before retry `number`, counted from 1."""
        if failure.retry_after is not None:
            return min(max(0.0, failure.retry_after), 10 * self.max_wait)
        return float(min(self.max_wait, self.min_wait * 2 ** (number - 1)) * random.uniform(1.0, 4 / 3))


async def persist(
    send: Callable[[], Awaitable[T]],
    classify: Callable[[Exception], Failure | None],
    policy: RetryPolicy,
    pace: Pace,
    name: str,
) -> tuple[T, dict[str, int]]:
    """What `send` comes to, sent again where that may help.

    Args:
        send: Sends the request once; takes its place in the pace itself, for as long as it needs it.
        classify: What an exception of `send` means; None: it is none of the provider's, and is raised.
        policy: How often.
        pace: Is told of every failure.
        name: Of the model, for messages.

    Returns:
        The result, and by kind of failure how often it was sent in vain.

    Raises:
        ModelFault: It failed too often; says why.
        ModelRefused: It is not worth asking again.
    """
    retries: dict[str, int] = {}
    began = time.monotonic()
    while True:
        try:
            return await send(), retries
        except Exception as error:
            failure = classify(error)
            if failure is None:
                raise
            pace.failed(failure.kind, failure.retry_after)
            number = sum(retries.values()) + 1
            if failure.kind == "refused":
                raise ModelRefused(f"the model {name} refuses: {failure.message}", code=failure.code) from error
            wait = policy.wait(number, failure)
            if number > policy.retries or time.monotonic() - began + wait > policy.patience:
                told = f"the model {name} gave no answer in {number} requests; the last: {failure.message}"
                raise ModelFault(told, code=failure.code) from error
        retries[failure.kind] = retries.get(failure.kind, 0) + 1
        await asyncio.sleep(wait)
