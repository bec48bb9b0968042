"""Who judges where checks ask a model, and how often."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from terrarium.core.secrets import masked
from terrarium.run.record import Record


class JudgeConfig(Record):
    """The judge of a job: one model, pinned, that answers every question `votes` times."""

    model_name: str
    """As `provider/name`."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Settings of the model's client: `temperature`, `seed`, `cassette`, ... Never keys."""
    votes: Annotated[int, Field(ge=1, le=99)] = 1
    aggregate: Literal["majority", "mean"] = "majority"
    """How votes on a yes-or-no question become one; grades of a scale are always averaged."""
    timeout_sec: Annotated[float, Field(gt=0)] = 300.0
    """Wall time for all votes on one question."""

    @field_validator("model_kwargs")
    @classmethod
    def _plain(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(kwargs)
        except (TypeError, ValueError) as error:
            raise ValueError(f"settings of a judge must be plain data ({error})") from None
        return kwargs

    def public(self) -> dict[str, Any]:
        """Plain data without secrets: what is written down, and what counts for identity."""
        return {**self.model_dump(mode="json"), "model_kwargs": masked(self.model_kwargs)}
