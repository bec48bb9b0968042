"""What the agents of a trial have used so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from terrarium.core.model import Completion


@dataclass
class Totals:
    """What the agents of a trial have used so far, and whether that was too much.

    `tokens` are all of input and output; `cost` is in US dollars and without the `unpriced` steps: those that used
    tokens for which no price is known. `retries` counts requests to models that were sent in vain.
    """

    turns: int = 0
    tokens: int = 0
    cost: float = 0.0
    steps: int = 0
    tool_calls: int = 0
    over: str | None = None
    """The `StopReason` of the trial's limit that was reached."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    retries: int = 0
    unpriced: int = 0
    judge_tokens: int = 0
    """Of the judge, which count for no limit and in no other total."""
    judge_cost: float = 0.0
    judge_votes: int = 0

    @property
    def used(self) -> dict[str, Any]:
        """What was used, as plain data."""
        return {key: value for key, value in vars(self).items() if key != "over"}

    def add(self, completion: Completion) -> None:
        """Count the answer of a step."""
        usage = completion.usage
        spent = usage.input_tokens + usage.output_tokens
        self.steps += 1
        self.tokens += spent
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.reasoning_tokens += usage.reasoning_tokens
        self.cost += completion.cost or 0.0
        self.unpriced += spent > 0 and completion.cost is None
        self.retries += sum(completion.retries.values())
