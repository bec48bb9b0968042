"""A model whose last answers were lost with the end of a journal: who asks the same again is not charged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from terrarium.core.message import Message
from terrarium.core.model import Completion, Model, Structured
from terrarium.core.offers import offers
from terrarium.core.tool import Tool
from terrarium.model.tape import Request


class RememberedModel:
    """Gives the answers that are remembered where the same is asked, each once, and asks the model for all else.

    Args:
        model: The client.
        answers: In the order in which they were given; known by the digest of their request. Those without are not
            used.
    """

    def __init__(self, model: Model, answers: Iterable[Completion]) -> None:
        self.name = model.name
        self._model = model
        self._answers: dict[str, list[Completion]] = {}
        for answer in answers:
            if answer.request:
                self._answers.setdefault(answer.request, []).append(answer)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The remembered answer, or the model's.

        Raises:
            ModelFault: As the model's.
        """
        found = self._found(messages, tools, {})
        return await self._model.generate(messages, tools) if found is None else found

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()

    def _found(self, messages: Sequence[Message], tools: Sequence[Tool], more: Mapping[str, Any]) -> Completion | None:
        """The next remembered answer to a request; None where there is none."""
        if not self._answers:
            return None
        parameters = {**(getattr(self._model, "parameters", None) or {}), **more}
        left = self._answers.get(Request.of(self.name, parameters, messages, tools).digest)
        return left.pop(0) if left else None


class RememberedStructuredModel(RememberedModel):
    """The same for a model that can be held to a schema."""

    _model: Any

    async def generate_json(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """The remembered answer, or the model's.

        Raises:
            ModelFault: As the model's.
        """
        found = self._found(messages, (), {"schema": dict(schema)})
        if found is not None:
            return found
        answer: Completion = await self._model.generate_json(messages, schema)
        return answer


def remembered(model: Model, answers: Sequence[Completion]) -> Model:
    """The model with these answers remembered; as it is where there are none."""
    if not answers:
        return model
    kind = RememberedStructuredModel if offers(model, Structured) else RememberedModel
    return kind(model, answers)
